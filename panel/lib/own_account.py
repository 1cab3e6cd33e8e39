"""Staff may not decide about their own money."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser

SENTENCE = "This belongs to your own account, so somebody else on the staff has to do it. Nothing was changed."


class OwnAccount(Exception):
    """A member of staff acted on their own account; nothing was changed. The message is for them."""

    def __init__(self) -> None:
        super().__init__(SENTENCE)


def is_own(*, actor: AbstractBaseUser | AnonymousUser | None, customer_id: int | None) -> bool:
    """Return True if the account `customer_id` is the actor's. The panel itself (None) has no account."""
    return actor is not None and actor.pk == customer_id


def refuse_own(*, actor: AbstractBaseUser | AnonymousUser | None, customer_id: int) -> None:
    """Raise OwnAccount if `customer_id` is the actor's. Every service for decisions of staff calls this first."""
    if is_own(actor=actor, customer_id=customer_id):
        raise OwnAccount
