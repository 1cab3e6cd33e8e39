"""Urgent mails to all owners, about what nobody should change without their knowing: where money goes, the floor of
prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from django.db.models import Q, QuerySet

from panel.accounts.models import AccountMail, User
from panel.accounts.roles import OWNER
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.lib import clock
from panel.lib.task_hints import hint_after_commit


@dataclass(frozen=True, slots=True)
class Shift:
    """What changed, in words: a label, the text before and the text after. No secrets."""

    label: str
    before: str
    after: str


def owners() -> QuerySet[User]:
    """Return the active people who are owners, by their role or as superusers."""
    return User.objects.filter(Q(is_superuser=True) | Q(groups__name=OWNER, is_staff=True), is_active=True).distinct()


def notify_owners(*, subject: str, actor: User | None, shifts: Sequence[Shift], note: str = "") -> int:
    """Queue a mail to each owner, the one who acted too. Return how many. Call it in the transaction of the change.

    `actor` is None for the panel itself; `note` is a sentence below the changes.
    """
    kind, now = AccountMail.Kind.OWNERS, clock.now()
    facts = {
        "subject": subject,
        "actor": actor.email if actor else "",
        "shifts": [asdict(shift) for shift in shifts],
        "note": note,
    }
    mails = [
        AccountMail(user=owner, kind=kind, recipient=owner.email, facts=facts, created_at=now, mail_due_at=now)
        for owner in owners().order_by("pk")
    ]
    AccountMail.objects.bulk_create(mails)
    hint_after_commit("panel.accounts.tasks.send_account_mails")
    return len(mails)


def tell_of_new_staff(*, user: User, actor: User | None) -> None:
    """Alert on somebody who became staff or got another role. Call it in the transaction of the change."""
    roles = ", ".join(user.groups.order_by("name").values_list("name", flat=True)) or "no role"
    by = f" by {actor.email}" if actor else ""
    raise_alert(cause=Cause.NEW_STAFF, about=user.pk, text=f"{user.email} is staff now, with {roles}{by}.")
