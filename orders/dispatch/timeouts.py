"""Deadlines: leases that ran out, orders in doubt for too long, orders queued for too long.

Before a lease counts as run out without an answer, the answers on disk are recorded.

Every sweep handles at most SWEEP orders, each by a conditional update of its own.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import structlog
from django.db import DatabaseError, transaction

from billing.ledger import LedgerError
from orders.common.doubts import doubt_from
from orders.common.stops import open_now
from orders.common.timeline import write_event
from orders.common.transitions import OrderMoved, move_all
from orders.common.turns import queue_again
from orders.dispatch.held_customers import queue_released
from orders.dispatch.kept_answers import record_kept_answers
from orders.dispatch.set_back import bring_back_due_times
from orders.dispatch.unknown_refusals import alert_undecided, search_unknown_refusals
from orders.marks.guard import is_latest
from orders.models import Order, SendingStop
from orders.refunds.posting import cancel_unaccepted
from orders.review.decisions import ask_for_review
from orders.states import RESTORE_STOPS, UNSENT_REVIEWS, EventKind, ReviewReason, StopReason, Submission
from panel.alerts import running
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.lib import clock
from panel.site import registry as site

log = structlog.get_logger(__name__)

SWEEP = 500


def meet_deadlines() -> None:
    """Run all sweeps. An error in one raises an alert; it stops neither the others nor the submitting of orders."""
    sweeps = (
        watch_clock,
        record_kept_answers,
        expire_leases,
        review_overdue_doubts,
        queue_released,
        end_held_orders,
        end_waits,
        search_unknown_refusals,
        alert_undecided,
    )
    for sweep in sweeps:
        try:
            sweep()
        except Exception as error:
            log.exception("sweep failed")
            raise_alert(
                cause=Cause.DEADLINES, text=f"Orders past a deadline could not be moved: {error!r}", level="danger"
            )


def watch_clock() -> None:
    """Store that a round runs, so that time which was not seen running counts for no refund."""
    running.watch_clock(set_back=bring_back_due_times)


def expire_leases() -> int:
    """Move orders whose lease ran out to IN_DOUBT. Return how many.

    They must not go back to the queue: a worker that died may have sent its order.
    """
    now = clock.now()
    expired = Order.objects.filter(submission=Submission.SUBMITTING, lease_until__lt=now)
    moved = 0
    for pk in list(expired.values_list("pk", flat=True)[:SWEEP]):
        with transaction.atomic():
            if move_all(expired.filter(pk=pk), to=Submission.IN_DOUBT, values=doubt_from(now)):
                moved += 1
                write_event(
                    order_id=pk,
                    kind=EventKind.SUBMISSION,
                    old=Submission.SUBMITTING,
                    new=Submission.IN_DOUBT,
                    text="No answer was recorded in time",
                    public=False,
                )
    if moved:
        log.warning("leases ran out", orders=moved)
    return moved


def review_overdue_doubts() -> None:
    """Ask for a review of orders that are in doubt past their deadline."""
    overdue = Order.objects.filter(submission=Submission.IN_DOUBT, review_reason="", doubt_until__lte=clock.now())
    for order in overdue[:SWEEP]:
        with transaction.atomic():
            ask_for_review(
                order=order,
                reason=ReviewReason.DOUBT,
                note="The provider never said whether it has this order.",
            )


def end_held_orders() -> int:
    """Cancel and refund orders that were not accepted within QUEUE_LIMIT_HOURS of running time. Return how many.

    Orders refused in unknown words stay: staff must find out whether they were accepted. All stay while the database
    may be a restored one, from before they were sent. Those of customers whose orders are held wait for the release.
    """
    if not is_latest():
        return 0
    limit = site.QUEUE_LIMIT_HOURS.value
    length = timedelta(hours=limit)
    held = Order.objects.filter(
        submission=Submission.QUEUED,
        review_reason__in=("", *UNSENT_REVIEWS),
        queued_at__lt=clock.now() - length,
    ).select_related("provider", "customer")
    lacking = (StopReason.BALANCE, *RESTORE_STOPS)
    held = held.exclude(provider__in=SendingStop.objects.filter(open_now(), reason__in=lacking).values("provider"))
    held = held.filter(customer__wallet__order_hold=None)
    if not held.exists():
        return 0
    queued_by = running.met_by(length)
    if queued_by is None:
        _alert_jump()
        return 0
    held = held.filter(queued_at__lt=queued_by)
    ended: Counter[int] = Counter()
    names = {}
    for order in held[:SWEEP]:
        what = "This service took no orders" if order.provider.pause_count else "We could not place this order"
        note = f"{what} within {limit} hours, so you have all your money back."
        why = f"{order.attempts} attempts in {limit} hours. {order.provider.pause_reason or order.review_note}".strip()
        try:
            with transaction.atomic():
                cancel_unaccepted(order=order, submission=Submission.REFUSED, note=note, staff_text=why)
        except OrderMoved:
            continue  # It is being sent, or was just canceled by the customer.
        except (DatabaseError, LedgerError) as error:
            text = f"Order {order.pk} waits past its limit, but could not be canceled and refunded: {error}"
            raise_alert(cause=Cause.HELD_ORDER, about=order.pk, text=text, level="danger")
            continue
        ended[order.provider_id] += 1
        names[order.provider_id] = order.provider.name
    for provider_id, count in ended.items():
        orders = "1 order was" if count == 1 else f"{count:,} orders were"
        raise_alert(
            cause=Cause.HELD_ORDERS,
            about=provider_id,
            text=f"{orders} canceled and refunded: {names[provider_id]} did not take them within {limit} hours.",
            level="danger",
        )
    return sum(ended.values())


def end_waits() -> int:
    """Let orders queue again that their provider refused for a while, such as for a busy link. Return how many."""
    waiting = Order.objects.filter(
        submission=Submission.QUEUED, turn__lt=0, review_reason="", next_action_at__lte=clock.now()
    )
    customers = dict.fromkeys(waiting.order_by("next_action_at").values_list("customer_id", flat=True)[:SWEEP])
    ended = 0
    for customer_id in customers:
        with transaction.atomic():
            ended += queue_again(waiting=waiting, customer_id=customer_id)
    return ended


def _alert_jump() -> None:
    """Tell the owner that refunds wait, in the words for what they should look at."""
    raise_alert(
        cause=Cause.CLOCK_JUMP,
        text=(
            "Orders waited for too long by the clock, but it jumped, or no task ran for a while. No order is refunded "
            "for waiting until the clock was steady for an hour. If it is right, run manage.py trust_clock."
        ),
        level="danger",
    )
