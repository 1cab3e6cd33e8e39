"""What one line of the staff's list of orders shows. Pure, but for the statement that finds which orders are late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from catalog.platform_marks import OTHER, platform_of_order
from orders.common.lateness import late_by
from orders.models import Order
from orders.states import Status, Submission
from panel.lib.admin.base import shown_money
from panel.lib.formats import moment_text, short_duration
from panel.lib.money import format_money

# Above this, counts are written in thousands and millions.
LONG_COUNT = 99_999
# Signs at the end of a link that stay when it is cut in the middle.
KEPT = 6


class State(NamedTuple):
    """`tone` is the class of its color, `icon` one of Material Symbols."""

    tone: str
    icon: str
    word: str


_STATUSES = {
    Status.PENDING: ("is-quiet", "schedule"),
    Status.PROCESSING: ("is-info", "sync"),
    Status.IN_PROGRESS: ("is-info", "play_circle"),
    Status.COMPLETED: ("is-fine", "check_circle"),
    Status.PARTIAL: ("is-look", "incomplete_circle"),
    Status.CANCELED: ("is-quiet", "cancel"),
}


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order and the texts of its line. `percent` is None unless it is open and its delivery began.

    Money is rounded to cents, for it must never be cut; `exact_charge` says all of it.
    """

    order: Order
    state: State
    link: tuple[str, str]
    delivered: str
    quantity: str
    percent: int | None
    charge: str
    exact_charge: str
    profit: str
    is_loss: bool
    age: str
    created: str
    refunded: str
    cost: str
    start: str
    source: str
    # What the sums of a selection count, in micro-units; the profit is None if nobody can tell.
    counted_charge: int
    counted_profit: int | None
    links_customers: bool = False


def rows_of(orders: Sequence[Any], *, now: datetime, links_customers: bool = False) -> list[OrderRow]:
    """Return the lines of orders that `with_profit` annotated. One statement.

    `links_customers` is for who may see the customers' pages.
    """
    late = late_by(orders, now=now)
    return [_row(order, now, late.get(order.pk), links_customers) for order in orders]


def _row(order: Any, now: datetime, late: timedelta | None, links_customers: bool) -> OrderRow:
    delivered = order.delivered
    is_open = not order.is_final and bool(delivered)
    return OrderRow(
        order=order,
        state=state_of(order, late=late),
        link=shown_link(order.link, has_mark=platform_of_order(order) != OTHER),
        delivered="—" if delivered is None else short_count(delivered),
        quantity=short_count(order.quantity),
        percent=delivered * 100 // order.quantity if is_open else None,
        charge=format_money(order.charge, settings.PANEL_CURRENCY),
        exact_charge=shown_money(order.charge),
        profit=shown_profit(order),
        is_loss=order.profit < 0 and order.submission != Submission.IN_DOUBT,
        age=short_duration(now - order.created_at),
        created=moment_text(order.created_at),
        refunded=format_money(order.refunded, settings.PANEL_CURRENCY),
        cost=shown_cost(order),
        start="" if order.start_count is None else short_count(order.start_count),
        source=source_of(order),
        counted_charge=order.charge,
        counted_profit=None if order.submission == Submission.IN_DOUBT else order.profit,
        links_customers=links_customers,
    )


def state_of(order: Order, *, late: timedelta | None) -> State:
    """Return what staff are told of the order first: a doubt, a review or a delay before its status."""
    if order.submission == Submission.IN_DOUBT:
        return State("is-look", "help", _("In doubt"))
    if order.review_reason:
        return State("is-look", "gavel", _("In review"))
    if late is not None:
        return State("is-look", "schedule", _("Late by %(time)s") % {"time": short_duration(late)})
    if order.submission == Submission.QUEUED:
        return State("is-quiet", "schedule", _("Not sent"))
    if order.submission == Submission.SUBMITTING:
        return State("is-quiet", "schedule", _("Being sent"))
    status = Status(order.status)
    return State(*_STATUSES[status], _(status.label))


def shown_profit(order: Any) -> str:
    """Return the profit, with ~ if it is only expected or estimated; a dash if nobody can tell."""
    if order.submission == Submission.IN_DOUBT:
        return "—"
    return f"{'~' if order.is_estimated else ''}{format_money(order.profit, settings.PANEL_CURRENCY)}"


def shown_cost(order: Any) -> str:
    """Return the cost, with ~ if it is only expected or estimated; a dash if nobody can tell."""
    if order.submission == Submission.IN_DOUBT:
        return "—"
    return f"{'~' if order.is_estimated else ''}{format_money(order.cost, settings.PANEL_CURRENCY)}"


def source_of(order: Order) -> str:
    """Return what the order was ordered with, in a word."""
    if order.drip_feed_id is not None:
        return "Drip-feed"
    if order.api_key_ref is not None:
        return "API key"
    return "Mass order" if order.is_bulk else "Form"


def shown_link(link: str, *, has_mark: bool) -> tuple[str, str]:
    """Return the link as its head, which may be cut, and its end, which stays. The host goes if a mark says it."""
    try:
        parts = urlsplit(link.strip())
    except ValueError:
        return link[:-KEPT], link[-KEPT:]
    place = link.strip().removeprefix(f"{parts.scheme}://").removeprefix("www.")
    _host, slash, path = place.partition("/")
    shown = f"/{path}" if has_mark and parts.scheme and slash and path else place
    return shown[:-KEPT], shown[-KEPT:]


def short_count(count: int) -> str:
    """Return "99,999", "120K" or "1.2M"."""
    if count <= LONG_COUNT:
        return f"{count:,}"
    if count < 1_000_000:
        return f"{count // 1_000}K"
    return f"{count // 100_000 / 10:,.1f}".removesuffix(".0") + "M"
