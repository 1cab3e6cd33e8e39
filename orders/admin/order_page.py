"""The page of an order for staff: its head, its figures, what happened, and the facts beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime

from billing.models import Wallet
from catalog.models import ServiceFigures
from catalog.provider_health import provider_state
from catalog.selectors import ENOUGH_TIMED
from orders.admin.ask_one import may_ask
from orders.admin.order_rows import shown_profit, source_of, state_of
from orders.admin.order_timeline import SHOWS, Reader, timeline_of
from orders.common.hidden_costs import note_without_costs, sees_costs
from orders.common.lateness import late_by
from orders.common.link_waits import waits_for
from orders.common.stops import open_stops
from orders.models import Order
from orders.reports.profit import with_profit
from orders.review.corrections import why_not_corrected
from orders.selectors import api_key_of
from orders.states import Status, Submission
from orders.web.order_details import details_of
from panel.lib import clock
from panel.lib.admin.base import shown_money
from panel.lib.formats import moment_text, short_duration
from panel.lib.links.keys import link_keys
from panel.lib.money import format_money

CHANGE = "orders.change_order"
VIEW_ENTRIES = "billing.view_entry"
VIEW_WALLETS = "billing.view_wallet"
# Other orders for the link are counted no further.
MAX_SAME_LINK = 20

# Which actions are offered first, and how they look.
_ACTIONS = {
    "decide": ("Decide", "is-main"),
    "cancel": ("Cancel…", "is-danger"),
    "refill": ("Refill…", ""),
    "dismiss": ("Nothing to do…", ""),
    "give-back": ("Give back a part…", ""),
    "end": ("End by hand…", ""),
}
# Those that stand beside what they change.
_BESIDE = ("correct", "start-count")


class Figure(NamedTuple):
    """`percent` is how much was delivered, while that is worth a bar."""

    label: str
    value: str
    note: str = ""
    percent: int | None = None
    is_loss: bool = False


class Warned(NamedTuple):
    """Something to know about the order before all else."""

    icon: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Act:
    """A link to the form of an action."""

    name: str
    label: str
    icon: str
    path: str
    look: str


def page_context(*, request: HttpRequest, pk: int, actions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the page shows. `actions` are those that unfold would show, by its own permissions."""
    orders = with_profit(Order.objects.select_related("customer", "provider", "service__upstream", "poll"))
    order: Any = orders.get(pk=pk)
    now = clock.now()
    costs = sees_costs(request)
    late = late_by([order], now=now).get(order.pk)
    show = request.GET.get("show", "")
    reader = Reader(costs=costs, entries=request.user.has_perm(VIEW_ENTRIES))
    acts = [_act(one) for one in actions]
    may_change = request.user.has_perm(CHANGE)
    return {
        "order": order,
        "state": state_of(order, late=late),
        "pace": _pace(order, now, late),
        "warnings": _warnings(order, costs=costs),
        "acts": [act for act in acts if act.name not in _BESIDE],
        "correct": next((act for act in acts if act.name == "correct"), None),
        "start": next((act for act in acts if act.name == "start-count"), None),
        "may_ask": may_change and may_ask(order),
        "figures": _figures(order, now, costs=costs),
        "show": show if show in SHOWS else "",
        "shows": SHOWS,
        "timeline": timeline_of(order=order, reader=reader, show=show, before=_moment(request.GET.get("before", ""))),
        "is_older": "before" in request.GET,
        "costs": costs,
        "details": details_of(order),
        "why_not_corrected": why_not_corrected(order),
        "may_change": may_change,
        "api_key": api_key_of(order=order),
        "source": source_of(order),
        "provider_state": _provider_state(order),
        "next_check": order.next_check_at,
        "balance": _balance(request, order),
        "same_link": _same_link(order),
        "max_same_link": MAX_SAME_LINK,
        "refills": order.refills.count(),
        "cancel_requests": order.cancel_requests.count(),
    }


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _act(action: dict[str, Any]) -> Act:
    name = action["path"].rstrip("/").rpartition("/")[2].replace("_", "-").removesuffix("-one")
    label, look = _ACTIONS.get(name, (action["title"], ""))
    return Act(name, label, action["icon"] or "", action["path"], look)


def _pace(order: Order, now: datetime, late: timedelta | None) -> str:
    """Return how long it took or has been open, and how long its service usually takes."""
    if order.finished_at is not None:
        return f"Took {short_duration(order.finished_at - order.created_at)}"
    so_far = f"{short_duration(now - order.created_at)} so far"
    figures = ServiceFigures.objects.filter(pk=order.service_id, timed__gte=ENOUGH_TIMED).first()
    if figures is None or figures.typical_seconds is None:
        return so_far
    return f"Usually done in {short_duration(timedelta(seconds=figures.typical_seconds))}, {so_far}"


def _warnings(order: Order, *, costs: bool) -> list[Warned]:
    found = []
    if order.review_reason:
        note = order.review_note if costs else note_without_costs(order.review_reason, order.review_note)
        since = f"Since {moment_text(order.review_since)}." if order.review_since else ""
        found.append(Warned("gavel", f"In review: {order.get_review_reason_display()}.", f"{note} {since}".strip()))
    elif order.submission == Submission.IN_DOUBT and order.doubt_until:
        text = f"The panel searches for it at {order.provider} until {moment_text(order.doubt_until)}."
        found.append(Warned("help", "It may have been accepted.", text))
    poll = getattr(order, "poll", None)
    if order.is_end_held and poll is not None:
        refund = shown_money((poll.held_refund or 0) - order.refunded)
        text = (
            f"{order.provider} reports it as {Status(poll.held_status).label} since {moment_text(poll.held_since)}, "
            f"among many others. {refund} is refunded once it says so again."
        )
        found.append(Warned("hourglass_top", "Held end.", text))
    if order.has_unknown_word and poll is not None:
        text = (
            f"{order.provider} gives it the status “{poll.unknown_word}” since {moment_text(poll.unknown_since)}. "
            "That word is not known here, and nothing was changed."
        )
        found.append(Warned("question_mark", "Unknown status.", text))
    if before := waits_for(order=order):
        found.append(Warned("schedule", "It waits.", f"Order {before} for the same link has to end first."))
    return found


# -- the figures -------------------------------------------------------------------------------------


def _figures(order: Any, now: datetime, *, costs: bool) -> list[Figure]:
    delivered, is_open = order.delivered, not order.is_final
    percent = delivered * 100 // order.quantity if is_open and delivered is not None else None
    shown = "—" if delivered is None else f"{delivered:,}"
    price = f"{shown_money(order.price)} {'for the package' if order.is_package else 'a thousand'}"
    return [
        Figure("Delivered", shown, f"of {order.quantity:,}", percent),
        Figure("Charge", shown_money(order.charge), price),
        *(_cost_figures(order) if costs else ()),
        Figure("Refunded", shown_money(order.refunded), _refund_note(order)),
        _checked(order, now),
    ]


def _cost_figures(order: Any) -> list[Figure]:
    if order.submission == Submission.IN_DOUBT:
        return [Figure("Expected cost", shown_money(order.expected_cost), "if it was accepted"), Figure("Profit", "—")]
    percent = f"{order.profit * 100 / order.net_charge:.1f} % of it" if order.net_charge else ""
    expected = order.is_estimated
    return [
        Figure("Cost", shown_money(order.cost), "as expected" if expected else "as the provider charged"),
        Figure(
            "Profit, expected" if expected else "Profit",
            shown_profit(order),
            percent.replace("of it", "of what was paid"),
            is_loss=order.profit < 0,
        ),
    ]


def _refund_note(order: Order) -> str:
    if order.refunded == order.charge:
        return "all of it"
    return f"{format_money(order.net_charge, settings.PANEL_CURRENCY)} is left"


def _checked(order: Order, now: datetime) -> Figure:
    checked, due = order.last_checked_at, order.next_check_at
    value = f"{short_duration(now - checked)} ago" if checked else "Never"
    if due is None:
        return Figure("Checked", value, "not followed any more" if order.is_final else "")
    return Figure("Checked", value, f"again in {short_duration(due - now)}" if due > now else "again now")


# -- the facts beside --------------------------------------------------------------------------------


def _provider_state(order: Order) -> Any:
    is_stopped = any(stop.provider_id in (None, order.provider_id) for stop in open_stops())
    return provider_state(provider=order.provider, is_stopped=is_stopped)


def _balance(request: HttpRequest, order: Order) -> int | None:
    if not request.user.has_perm(VIEW_WALLETS):
        return None
    return Wallet.objects.filter(customer=order.customer_id).values_list("balance", flat=True).first()


def _same_link(order: Order) -> int:
    """Return how many orders before this one the customer has for the link, MAX_SAME_LINK at most."""
    same = Order.objects.filter(customer=order.customer_id, link_key__in=link_keys(order.link), pk__lt=order.pk)
    return same.order_by().values("pk")[:MAX_SAME_LINK].count()
