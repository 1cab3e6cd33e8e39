"""Block customers with a reason that they read when they sign in, and open their accounts again.

    active → blocked   `is_active` is False and there is a `blocked_reason`; the sessions end for good
           ← unblocked

Accounts that are off without a reason were invited, closed, or switched off on their page.
"""

from __future__ import annotations

from django.db.models import F

from panel.accounts.models import User


def may_be_blocked(user: User) -> bool:
    """Return True for active customers. Whoever gives out roles takes the one of staff first."""
    return user.is_active and not (user.is_staff or user.is_superuser)


def is_blocked(user: User) -> bool:
    return not user.is_active and user.closed_at is None and bool(user.blocked_reason)


def block(*, customer: User, reason: str) -> bool:
    """Block the account and end its sessions. Return False if it is not an active customer's any more."""
    if not reason:
        raise ValueError("A block has a reason.")
    active = User.objects.filter(pk=customer.pk, is_active=True, is_staff=False, is_superuser=False)
    generation = F("session_generation") + 1
    return bool(active.update(is_active=False, blocked_reason=reason, session_generation=generation))


def unblock(*, customer: User) -> bool:
    """Open the account again. Return False if it is not blocked any more."""
    blocked = User.objects.filter(pk=customer.pk, is_active=False, closed_at=None).exclude(blocked_reason="")
    return bool(blocked.update(is_active=True, blocked_reason=""))
