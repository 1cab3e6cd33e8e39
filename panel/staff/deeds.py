"""Deeds: each movement of money by a person of the staff, counted against their limit and recorded with its reason."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Model, Sum
from django.db.models.functions import Abs

from panel.accounts.models import User
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert
from panel.lib import clock
from panel.lib.money import format_money
from panel.lib.panel_days import panel_day, panel_moment
from panel.staff.kinds import Kind, Reason
from panel.staff.limits import alert_threshold, count_moved
from panel.staff.models import SecondLook, StaffDeed

MAX_NOTE = 300


@dataclass(frozen=True, slots=True)
class Why:
    """Why a person moves money. With a `look`, a second person confirmed it, and no limit of the first counts."""

    reason: str = Reason.OTHER
    note: str = ""
    look: SecondLook | None = None


UNSTATED = Why()


class AboveLimit(Exception):
    """Above the person's limit: nothing moved. The message says which limit, for them."""

    def __init__(self, message: str, *, kind: Kind, amount: int) -> None:
        super().__init__(message)
        self.kind = kind
        self.amount = amount


def record_deed(
    *, actor: User | None, kind: Kind, amount: int, about: Model, customer_id: int, why: Why = UNSTATED
) -> None:
    """Count and record that `actor` moves `amount` micro-units; call it in the transaction that moves them.

    Negative amounts are taken from the customer, and count as much. Do nothing for the panel itself, for customers who
    act for themselves, and where nothing moves. Raise AboveLimit.
    """
    if actor is None or actor.pk == customer_id or amount == 0:
        return
    if why.look is None:
        above = count_moved(user=actor, kind=kind, amount=abs(amount))
        if above:
            raise AboveLimit(above, kind=kind, amount=amount)
    deed = StaffDeed.objects.create(
        person=actor,
        kind=kind,
        amount=amount,
        reason=why.reason,
        note=why.note[:MAX_NOTE],
        customer_id=customer_id,
        model=about._meta.label_lower,
        object_id=about.pk,
        look=why.look,
        created_at=clock.now(),
    )
    _alert_above_threshold(actor, deed)


def moved_today(*, person: User) -> int:
    """Return what the person moved today, confirmed by others or not, in micro-units; debits count like credits."""
    today = panel_moment(panel_day(clock.now()))
    deeds = StaffDeed.objects.filter(person=person, created_at__gte=today).order_by()
    return deeds.aggregate(total=Sum(Abs("amount")))["total"] or 0


def _alert_above_threshold(actor: User, deed: StaffDeed) -> None:
    """Tell the owners of a large deed, or of a day that sums up to one; owners' own deeds too."""
    threshold = alert_threshold()
    total = moved_today(person=actor)
    is_alone = deed.look is not None and deed.look.is_alone
    if abs(deed.amount) <= threshold.at_once and total <= threshold.a_day and not is_alone:
        return
    how = ", confirmed by themselves" if is_alone else ""
    raise_alert(
        cause=Cause.STAFF_MONEY,
        about=actor.pk,
        level=Alert.Level.DANGER if is_alone else Alert.Level.WARNING,
        text=(
            f"{actor.email} moved {_shown(total)} today. The last: {deed.get_kind_display().lower()} of "
            f"{_shown(deed.amount)} for {deed.customer.email}{how}; {deed.get_reason_display().lower()}: {deed.note}"
        ),
    )


def _shown(micros: int) -> str:
    return format_money(micros, settings.PANEL_CURRENCY, exact=True)
