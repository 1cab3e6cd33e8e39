"""Orders that wait for a decision: in doubt, with the panel's own deadline, and in review."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from orders.admin.review import awaits_decision
from orders.admin.review_facts import facts_of
from orders.common.hidden_costs import note_without_costs, sees_costs
from orders.models import Order, OrderEvent
from orders.review.manual_close import may_end
from orders.states import Status, Submission
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.admin.base import shown_money
from panel.lib.formats import moment_text, short_duration
from panel.ops.needs_you.kind import Fact, Kind, Line, age_of, rounded
from panel.ops.overview.states import Colour

_DECIDE = "orders.change_order"


def _of_others(user: User) -> QuerySet[Order]:
    # Nobody decides about their own account.
    return Order.objects.exclude(customer=user).select_related("customer", "provider", "poll")


def _in_doubt(user: User) -> QuerySet[Order]:
    return _of_others(user).filter(submission=Submission.IN_DOUBT)


def _in_review(user: User) -> QuerySet[Order]:
    return _of_others(user).filter(~Q(review_reason="")).exclude(submission=Submission.IN_DOUBT)


def _sold(order: Order) -> str:
    return format_html("<bdi>{}</bdi>, {} for <bdi>{}</bdi>", order.service_name, f"{order.quantity:,}", order.customer)


def _doubt_line(order: Order) -> Line:
    left = order.doubt_until - clock.now() if order.doubt_until else None
    when = f"decide within {short_duration(left)}" if left and left.total_seconds() > 0 else "its time is over"
    title = f"Order {order.pk} may have been accepted"
    return Line(title, _sold(order), rounded(order.net_charge), when)


def _review_line(order: Order) -> Line:
    title = f"Order {order.pk}: {order.get_review_reason_display().lower()}"
    return Line(title, _sold(order), rounded(order.net_charge), age_of(order.review_since))


def _evidence(request: HttpRequest, order: Order) -> list[Fact]:
    if not awaits_decision(order):
        return _followed_evidence(request, order)
    facts = facts_of(order, with_costs=sees_costs(request))
    found: list[Fact] = [("To decide", facts["question"]), ("Why it waits", facts["note"])]
    for attempt in facts["attempts"][-1:]:
        sent = f"{moment_text(attempt.at)} to {order.provider.name}. {attempt.reach.words}."
        found.append(("Sent", f"{sent} {attempt.answer}".strip()))
    if facts["was_in_doubt"]:
        search = facts["search"]
        times = "Once" if search.count == 1 else f"{search.count:,} times"
        found.append(("Searched", f"{times}. {search.note}" if search.count else "Not yet."))
        if search.likely_id:
            found.append(("Found there", f"{search.likely_id}, the only one that agrees with this order."))
    return [*found, ("Link", order.link)]


def _followed_evidence(request: HttpRequest, order: Order) -> list[Fact]:
    note = order.review_note
    if not sees_costs(request):
        note = note_without_costs(order.review_reason, order.review_note)
    delivered = "not known" if order.delivered is None else f"{order.delivered:,} of {order.quantity:,}"
    return [
        ("Why it waits", note),
        ("Status", f"{Status(order.status).label}, delivered: {delivered}"),
        ("Charge", f"{shown_money(order.charge)}, {shown_money(order.refunded)} of it refunded"),
        ("Provider", f"{order.provider.name}, its order {order.upstream_id or '—'}"),
        ("Link", order.link),
    ]


def _pages(order: Order) -> tuple[str, ...]:
    if awaits_decision(order):
        return ("decide",)
    can_refund = order.submission == Submission.ACCEPTED and order.net_charge > 0
    return ("dismiss", *(("give_back",) if can_refund else ()), *(("end",) if may_end(order) else ()))


def _decided_by(order: Any) -> User | None:
    events = OrderEvent.objects.filter(order=order, actor__isnull=False).select_related("actor")
    event = events.order_by("-created_at", "-pk").first()
    return event.actor if event else None


def _kind(key: str, words: tuple[str, str], colour: Colour, **about: Any) -> Kind:
    return Kind(
        key=key,
        words=words,
        model=Order,
        permission=_DECIDE,
        colour=colour,
        evidence=_evidence,
        pages=_pages,
        decided_by=_decided_by,
        **about,
    )


IN_DOUBT = _kind(
    "doubt",
    ("order in doubt", "orders in doubt"),
    Colour.BROKEN,
    icon="help",
    moment="doubt_until",
    waiting=_in_doubt,
    line=_doubt_line,
)
IN_REVIEW = _kind(
    "review",
    ("order in review", "orders in review"),
    Colour.LOOK,
    icon="gavel",
    moment="review_since",
    waiting=_in_review,
    line=_review_line,
)
