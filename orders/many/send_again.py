"""Sending many orders again: only those in the queue that their providers surely do not have."""

from __future__ import annotations

from collections.abc import Collection

from orders.checkout.create import cost_now, loss_note
from orders.common.bulk_results import OrderResult
from orders.many.actions import BulkAction, Data, StaffReason, own_or
from orders.marks.guard import may_lack_orders
from orders.models import Order, PlacementAttempt
from orders.reckoning.daily_limit import exceeds_limit
from orders.review import decisions
from orders.review.decisions import ReviewError
from orders.states import MAYBE_ACCEPTED, UNSENT_REVIEWS, Submission
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.money import MoneyError

REQUEUED = "requeued"
HURRIED = "hurried"

MAYBE_TAKEN = "sent before, and perhaps accepted then: to be decided about one by one"
WOULD_LOSE = "more costly now than the customer paid"
OVER_LIMIT = "more costly than the daily limit of their provider"
NEXT_ANYWAY = "next to be sent already"
HELD = "of customers whose orders are held"
BEHIND = "waiting for another order of the same link"
RESTORED = "of providers that may have been sent more than this database knows"


class SendAgain(BulkAction):
    """Puts orders that were surely never taken back into the queue, or at its head if they wait for another try."""

    done = "sent again"
    refusals = (ReviewError,)

    def plan(self, orders: Collection[Order], *, actor: User | None, data: Data) -> list[OrderResult]:
        queued = [order for order in orders if order.submission == Submission.QUEUED]
        maybe = PlacementAttempt.objects.filter(order__in=[one.pk for one in queued], outcome__in=MAYBE_ACCEPTED)
        maybe_taken = set(maybe.order_by().values_list("order_id", flat=True))
        lacking = {pk for pk in {one.provider_id for one in queued} if may_lack_orders(provider_id=pk)}

        def one(order: Order) -> OrderResult:
            reason = _why_left(order, is_maybe_taken=order.pk in maybe_taken, is_lacking=order.provider_id in lacking)
            if reason := own_or(order, actor, reason):
                return OrderResult(order, reason=reason)
            way = REQUEUED if order.review_reason else HURRIED
            return OrderResult(order, way=way, profit=order.net_charge - cost_now(order))

        return [one(order) for order in orders]

    def act(self, planned: OrderResult, *, actor: User, data: Data) -> OrderResult:
        if planned.way == REQUEUED:
            decisions.send_again(order=planned.order, actor=actor)
        else:
            decisions.send_at_once(order=planned.order, actor=actor)
        return planned

    def logged(self, done: OrderResult) -> str:
        return "Sent again with others." if done.way == REQUEUED else "Sent at once with others, instead of later."


def _why_left(order: Order, *, is_maybe_taken: bool, is_lacking: bool) -> str:
    if order.is_final:
        return StaffReason.ENDED
    if order.submission != Submission.QUEUED:
        return {
            Submission.SUBMITTING: StaffReason.SUBMITTING,
            Submission.IN_DOUBT: StaffReason.IN_DOUBT,
        }.get(Submission(order.submission), StaffReason.ACCEPTED)
    if order.review_reason not in ("", *UNSENT_REVIEWS):
        return StaffReason.IN_REVIEW
    if is_maybe_taken:
        return MAYBE_TAKEN
    if is_lacking:
        return RESTORED
    return _why_it_would_fail(order)


def _why_it_would_fail(order: Order) -> str:
    if loss_note(order):
        return WOULD_LOSE
    try:
        if exceeds_limit(provider=order.provider, cost=cost_now(order)):
            return OVER_LIMIT
    except MoneyError:
        return OVER_LIMIT
    if order.review_reason:
        return ""
    if order.turn < 0 and order.next_action_at is None:
        return HELD
    if order.turn < 0 and order.service.one_at_a_time:
        return BEHIND
    is_due = order.next_action_at is not None and order.next_action_at <= clock.now()
    return NEXT_ANYWAY if is_due else ""


SEND_AGAIN = SendAgain()
