"""The state of an account, in a word for staff."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.models import GroupMember
from panel.accounts.blocking import is_blocked
from panel.accounts.models import User


@dataclass(frozen=True, slots=True)
class State:
    """`look` is a class of the admin's style sheet, `icon` one of its symbols."""

    word: str
    look: str
    icon: str


ACTIVE = State("Active", "is-fine", "check_circle")
HELD = State("Orders held", "is-look", "pause_circle")
INVITED = State("Invited", "is-look", "forward_to_inbox")
BLOCKED = State("Blocked", "is-broken", "block")
OFF = State("Off", "is-broken", "block")
CLOSED = State("Closed", "is-broken", "cancel")


def state_of(user: User, *, is_held: bool = False) -> State:
    """Return the state that matters most."""
    if user.closed_at:
        return CLOSED
    if is_blocked(user):
        return BLOCKED
    if user.invited_at:
        return INVITED
    if not user.is_active:
        return OFF
    return HELD if is_held else ACTIVE


def member_of(user: User) -> GroupMember | None:
    """Return the customer's place in a group, which the query has read with the account."""
    member: GroupMember | None = getattr(user, "price_group", None)
    return member
