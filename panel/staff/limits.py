"""Which limit holds for a person, what is left of it today, and setting limits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from django.conf import settings
from django.db.models import F

from panel.accounts.models import User
from panel.accounts.roles import OWNER, SUPPORT
from panel.lib import clock
from panel.lib.money import format_money
from panel.lib.panel_days import panel_day
from panel.staff.kinds import ALERT, DEFAULTS, EVERYBODY, RANKS, Kind, Limit
from panel.staff.models import StaffDay, StaffLimit


def role_of(user: User) -> str:
    """Return the role whose limits hold: the highest of several. A superuser counts as an owner.

    Staff whose rights come from other groups have the lowest limits.
    """
    if user.is_superuser:
        return OWNER
    held = set(user.groups.values_list("name", flat=True))
    return next((role for role in RANKS if role in held), SUPPORT)


def all_limits() -> dict[tuple[str, str], Limit]:
    """Return the limits by role and kind, stored ones before defaults."""
    stored = StaffLimit.objects.values_list("role", "kind", "at_once", "a_day")
    return {**DEFAULTS, **{(role, kind): Limit(at_once, a_day) for role, kind, at_once, a_day in stored}}


def limit_of(*, user: User, kind: str) -> Limit:
    """Return the person's limit for this kind of deed."""
    return _limit(role_of(user), kind)


def alert_threshold() -> Limit:
    """Return above what a deed, or a person's day, raises an alert."""
    return _limit(EVERYBODY, ALERT)


def _limit(role: str, kind: str) -> Limit:
    stored = StaffLimit.objects.filter(role=role, kind=kind).values_list("at_once", "a_day").first()
    return Limit(*stored) if stored else DEFAULTS[role, kind]


def why_above(*, limit: Limit, amount: int, moved: int) -> str:
    """Return why a deed of `amount` is above the limit, "" if it is within; `moved` was moved today. Micro-units."""
    if amount > limit.at_once:
        if not limit.at_once:
            return f"{_shown(amount)} needs a second person: your role moves nothing of this kind alone."
        return f"{_shown(amount)} is above your limit of {_shown(limit.at_once)} at once."
    left = limit.a_day - moved
    if amount > left:
        return (
            f"{_shown(amount)} is above your limit of {_shown(limit.a_day)} a day, of which "
            f"{_shown(max(0, left))} is left today."
        )
    return ""


def count_moved(*, user: User, kind: str, amount: int) -> str:
    """Count `amount` on the person's day if their limit allows it; return "", else why not. In a transaction.

    The limit is a condition of the update: with check-then-write, two acts at once would both be the last allowed.
    """
    limit = limit_of(user=user, kind=kind)
    if amount > limit.at_once:
        return why_above(limit=limit, amount=amount, moved=0)
    row, _ = StaffDay.objects.get_or_create(person=user, kind=kind, day=_today())
    within = StaffDay.objects.filter(pk=row.pk, moved__lte=limit.a_day - amount)
    if within.update(moved=F("moved") + amount):
        return ""
    row.refresh_from_db()
    return why_above(limit=limit, amount=amount, moved=row.moved)


def limit_sentence(*, user: User, kind: Kind) -> str:
    """Return what the person may still do alone, for the form."""
    left = left_alone(user=user, kind=kind)
    if not left:
        return "A second person confirms it before anything moves."
    return f"Alone you may move up to {_shown(left)} now. Above that a second person confirms it."


def left_alone(*, user: User, kind: Kind) -> int:
    """Return the most that the person may move alone now, in micro-units."""
    limit = limit_of(user=user, kind=kind)
    row = StaffDay.objects.filter(person=user, kind=kind, day=_today()).first()
    return max(0, min(limit.at_once, limit.a_day - (row.moved if row else 0)))


def is_raised(before: Limit, after: Limit) -> bool:
    """Return True if `after` allows more than `before`."""
    return after.at_once > before.at_once or after.a_day > before.a_day


def store_limits(wanted: Mapping[tuple[str, str], Limit]) -> None:
    """Store these limits. Raising one is for `looks`: whoever could raise their own limit had none."""
    for (role, kind), limit in wanted.items():
        values = {"at_once": limit.at_once, "a_day": limit.a_day}
        StaffLimit.objects.update_or_create(role=role, kind=kind, defaults=values)


def _today() -> date:
    return panel_day(clock.now())


def _shown(micros: int) -> str:
    return format_money(micros, settings.PANEL_CURRENCY, exact=True)
