"""`status` and `refill_status`: how orders and refills stand, in the protocol's words and numbers.

Answers agree with the refunds: `charge` is what was kept, and `remains` what was refunded, so that a client who
refunds by either gives its own customer the same share. The id of a drip-feed's first run stands for the whole
drip-feed, as its `add` answered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db.models import QuerySet

from orders.models import DripFeed, Order, Refill
from orders.requests.refill_poll import MAX_AGE
from orders.selectors import orders_of
from orders.states import FINAL, DripState, RefillState, Status, is_end_undecided
from panel.accounts.models import User
from panel.api.errors import BAD_ORDER, BAD_REFILL
from panel.api.params import Params, read_ids, shown_id
from panel.lib import clock
from panel.lib.money import ceil_div, format_plain, refund_for

_REFILL_STATUS: dict[str, str] = {
    RefillState.WAITING: "Pending",
    RefillState.ASKING: "Pending",
    RefillState.PENDING: "Pending",
    RefillState.IN_PROGRESS: "In progress",
    RefillState.COMPLETED: "Completed",
    RefillState.REJECTED: "Rejected",
    RefillState.REFUSED: "Rejected",
    RefillState.UNFOLLOWED: "In progress",
}


class StatusColumns(NamedTuple):
    """The columns of an order that its status needs: a hundred model instances would take twice as long to read."""

    pk: int
    status: str
    quantity: int
    charge: int
    refunded: int
    remains: int | None
    start_count: int | None
    review_reason: str
    drip_feed_id: int | None
    run: int | None

    @classmethod
    def of(cls, order: Order) -> StatusColumns:
        return cls(*(getattr(order, name) for name in cls._fields))


@dataclass(frozen=True, slots=True)
class ServedStatus:
    """An order as the customer's program sees it. `charge` is in micro-units, after refunds."""

    status: Status
    charge: int
    remains: int
    start_count: int

    def as_answer(self) -> dict[str, str]:
        return {
            "charge": format_plain(self.charge),
            "start_count": str(self.start_count),
            "status": self.status.label,
            "remains": str(self.remains),
            "currency": settings.PANEL_CURRENCY,
        }


def status(*, customer: User, params: Params) -> object:
    """Answer for one order or for many. Raise ApiError."""
    ids = read_ids(params, one="order", many="orders")
    found = ids.pairs(read_statuses(customer=customer, ids=ids.numbers))
    answers = {name: answer or {"error": BAD_ORDER} for name, answer in found}
    return answers[ids.names[0]] if ids.is_one else answers


def refill_status(*, customer: User, params: Params) -> object:
    """Answer for one refill or for many. Raise ApiError."""
    ids = read_ids(params, one="refill", many="refills")
    found = ids.pairs(read_refills(customer=customer, ids=ids.numbers))
    bad = {"error": BAD_REFILL}
    if ids.is_one:
        return {"status": found[0][1]} if found[0][1] else bad
    return [{"refill": shown_id(name), "status": answer or bad} for name, answer in found]


def read_refills(*, customer: User, ids: Collection[int]) -> dict[int, str]:
    """Return the statuses of those of `ids` that are the customer's refills, in one query."""
    refills = Refill.objects.filter(order__customer=customer, pk__in=ids).order_by()
    rows = refills.values_list("pk", "state", "upstream_id", "created_at")
    return {pk: _refill_word(state, upstream_id, created_at) for pk, state, upstream_id, created_at in rows}


def _refill_word(state: str, upstream_id: str, created_at: datetime) -> str:
    """Return the protocol's word. A refill that is followed no more is over: a program would wait for it for ever.

    One without an id was never followed, and is as if under way for as long as others are followed.
    """
    is_over = upstream_id or clock.now() - created_at > MAX_AGE
    return "Rejected" if state == RefillState.UNFOLLOWED and is_over else _REFILL_STATUS[state]


def read_statuses(*, customer: User, ids: Collection[int]) -> dict[int, dict[str, str]]:
    """Return the answers for those of `ids` that are the customer's, in one query; three with drip-feeds."""
    orders = _read(orders_of(customer=customer).order_by().filter(pk__in=ids))
    statuses = {order.pk: served_status(order) for order in orders}
    first_runs = {order.drip_feed_id: order.pk for order in orders if order.drip_feed_id and order.run == 1}
    if first_runs:
        runs: dict[int | None, list[StatusColumns]] = {}
        for run in _read(Order.objects.filter(drip_feed__in=list(first_runs)).order_by("run")):
            runs.setdefault(run.drip_feed_id, []).append(run)
        for drip in DripFeed.objects.filter(pk__in=first_runs):
            statuses[first_runs[drip.pk]] = served_drip_status(drip, runs[drip.pk])
    return {pk: one.as_answer() for pk, one in statuses.items()}


def _read(orders: QuerySet[Order]) -> list[StatusColumns]:
    return [StatusColumns(*row) for row in orders.values_list(*StatusColumns._fields)]


def served_status(order: StatusColumns) -> ServedStatus:
    """Return the status of one order."""
    status = Status(order.status)
    if is_end_undecided(status, order.review_reason):
        # Staff still decide the refund: if we reported the end now, the client would refund before us.
        status = Status.IN_PROGRESS
    elif status in FINAL and order.refunded == order.charge:
        status = Status.CANCELED  # Also for a package, which cannot be partial.
    elif status in FINAL and order.refunded:
        status = Status.PARTIAL  # Clients refund nothing for "Completed", and everything for "Canceled".
    elif status == Status.CANCELED:
        status = Status.COMPLETED  # All was delivered, and staff refunded nothing.
    return ServedStatus(status, order.charge - order.refunded, _remains(order, status), max(order.start_count or 0, 0))


def _remains(order: StatusColumns, status: Status) -> int:
    known = None if order.remains is None else max(0, min(order.remains, order.quantity))
    if status not in FINAL:
        return order.quantity if known is None else known
    if refund_for(order.charge, undelivered=known or 0, quantity=order.quantity) == order.refunded:
        return known or 0
    # The refund does not follow from the remains: report the number that refunds as much, or the next below, so that no
    # client refunds more than it received.
    undelivered = ceil_div(order.refunded * order.quantity, order.charge)
    given = refund_for(order.charge, undelivered=undelivered, quantity=order.quantity)
    return undelivered if given == order.refunded else undelivered - 1


def served_drip_status(drip: DripFeed, runs: Iterable[StatusColumns]) -> ServedStatus:
    """Return all runs as one order: those that began, and those to come or refunded."""
    statuses = [served_status(run) for run in runs]
    not_begun = drip.runs - len(statuses)
    return ServedStatus(
        status=_status_of_runs(drip, [one.status for one in statuses]),
        charge=sum(one.charge for one in statuses) + (drip.run_charge * not_begun if drip.is_running else 0),
        remains=sum(one.remains for one in statuses) + drip.quantity * not_begun,
        start_count=statuses[0].start_count,
    )


def _status_of_runs(drip: DripFeed, statuses: list[Status]) -> Status:
    if drip.is_running or any(status not in FINAL for status in statuses):
        return Status.PENDING if statuses == [Status.PENDING] else Status.IN_PROGRESS
    if drip.state == DripState.COMPLETED and all(status == Status.COMPLETED for status in statuses):
        return Status.COMPLETED
    return Status.CANCELED if all(status == Status.CANCELED for status in statuses) else Status.PARTIAL
