"""The deadline of orders that their provider refused in unknown words: nobody's money waits for ever.

At it, the order is in doubt and searched for (`orders.reconcile`). If it is surely not at the provider, it is refunded;
if that cannot be proved, a person decides, and the owner is told urgently.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Sum

from orders.common.doubts import doubt_from
from orders.common.transitions import NO_REVIEW, OrderMoved, move
from orders.marks.guard import is_latest
from orders.models import Order
from orders.states import ReviewReason, Submission
from panel.alerts import running
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock
from panel.lib.money import format_money
from panel.site import registry as site

log = structlog.get_logger(__name__)

SWEEP = 500


def search_unknown_refusals() -> int:
    """Put orders in doubt that were refused in unknown words UNKNOWN_DEADLINE_HOURS ago. Return how many."""
    length = timedelta(hours=site.UNKNOWN_DEADLINE_HOURS.value)
    waiting = Order.objects.filter(
        submission=Submission.QUEUED,
        review_reason=ReviewReason.UNKNOWN_ERROR,
        review_since__lt=clock.now() - length,
    )
    if not waiting.exists() or not is_latest():
        return 0
    # As with every deadline that may refund, time counts only while the panel was seen running.
    since = running.met_by(length)
    if since is None:
        return 0
    moved = sum(put_in_doubt(order=order) for order in waiting.filter(review_since__lt=since)[:SWEEP])
    if moved:
        log.info("unknown refusals are searched for", orders=moved)
    return moved


def put_in_doubt(*, order: Order) -> bool:
    """Have a refused order searched for at its provider. Return False if it moved meanwhile."""
    text = "Refused in unknown words: it is searched for at the provider"
    try:
        with transaction.atomic():
            move(order=order, to=Submission.IN_DOUBT, text=text, values={**NO_REVIEW, **doubt_from(clock.now())})
    except OrderMoved:
        return False
    return True


def alert_undecided() -> None:
    """Tell the owner urgently of orders that wait for a decision past the deadline, with their sum."""
    hours = site.UNKNOWN_DEADLINE_HOURS.value
    late = Order.objects.filter(
        review_reason__in=(ReviewReason.DOUBT, ReviewReason.UNKNOWN_ERROR),
        submission__in=(Submission.QUEUED, Submission.IN_DOUBT),
        queued_at__lt=clock.now() - timedelta(hours=hours),
    ).aggregate(orders=Count("pk"), paid=Sum(F("charge") - F("refunded")))
    if not late["orders"]:
        resolve_alert(cause=Cause.UNDECIDED)
        return
    orders = "1 order" if late["orders"] == 1 else f"{late['orders']:,} orders"
    wait, read = ("waits", "Its customer reads") if late["orders"] == 1 else ("wait", "Their customers read")
    paid = format_money(int(late["paid"]), settings.PANEL_CURRENCY)
    raise_alert(
        cause=Cause.UNDECIDED,
        text=(
            f"{orders} for {paid} {wait} for your decision since more than {hours} hours, and nothing else can "
            f"resolve that. {read} that we are looking at it. See “Orders in review”."
        ),
        level="danger",
    )
