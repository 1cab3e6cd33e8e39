"""Pushing the cancel requests and refills of many orders: sent or polled at once, or requested anew."""

from __future__ import annotations

from collections.abc import Collection

from orders.common.bulk_results import OrderResult
from orders.common.poll_queue import poll_soon
from orders.many.actions import BulkAction, Data, StaffReason, own_or
from orders.many.refill import WORDS
from orders.models import CancelRequest, Order, Refill
from orders.requests import cancel
from orders.requests.cancel import TooLate, request_cancel, why_not_asked
from orders.requests.hurry import poll_at_once, send_at_once
from orders.requests.refill import RefillRefused, refusals_of, request_refill
from orders.requests.refill_poll import running
from orders.states import CancelState, RefillState
from panel.accounts.models import User
from panel.lib import clock

SENT = "sent"
POLLED = "polled"
ANEW = "anew"

NO_REFILL = "without a refill"
NO_CANCEL = "without a cancel request"
BEING_SENT = "being sent right now, or in the next seconds"


class PushRefills(BulkAction):
    """Sends the last refill of each order if it waits, polls it if it runs, and requests another if it ended."""

    done = "asked about"

    def plan(self, orders: Collection[Order], *, actor: User | None, data: Data) -> list[OrderResult]:
        found = Refill.objects.filter(order__in=[order.pk for order in orders]).order_by("pk")
        last = {refill.order_id: refill for refill in found}
        refusals = refusals_of(orders)

        def one(order: Order) -> OrderResult:
            way, reason = ANEW, ""
            if (refill := last.get(order.pk)) is None:
                reason = NO_REFILL
            elif refill.state == RefillState.ASKING or _is_due(refill):
                reason = BEING_SENT
            elif refill.state == RefillState.WAITING:
                way = SENT
            elif refill.state in RefillState.open():
                way = POLLED
            elif refusal := refusals[order.pk]:
                reason = WORDS[refusal]
            return OrderResult(order, reason=own_or(order, actor, reason), way=way)

        return [one(order) for order in orders]

    def act(self, planned: OrderResult, *, actor: User, data: Data) -> OrderResult:
        order = planned.order
        if planned.way == SENT:
            waiting = Refill.objects.filter(state=RefillState.WAITING)
            return planned if send_at_once(waiting=waiting, order=order, actor=actor) else _changed(order)
        if planned.way == POLLED:
            return planned if poll_at_once(running=running(), order=order, actor=actor) else _changed(order)
        try:
            request_refill(order=order, actor=actor)
        except RefillRefused as error:
            return OrderResult(order, reason=WORDS[error.reason])
        return planned

    def logged(self, done: OrderResult) -> str:
        return {
            SENT: "Its refill is sent at once, with others.",
            POLLED: "Its refill is asked about at once, with others.",
            ANEW: "The provider is asked to refill it again, with others.",
        }[done.way]


class PushCancels(BulkAction):
    """Sends the last cancel request of each order if it waits, polls the order if the provider took it, and requests
    the cancel again if the provider refused.
    """

    done = "asked about"

    def plan(self, orders: Collection[Order], *, actor: User | None, data: Data) -> list[OrderResult]:
        pks = [order.pk for order in orders]
        last = {one.order_id: one for one in CancelRequest.objects.filter(order__in=pks).order_by("pk")}
        active = set(cancel.active_requests().filter(order__in=pks).values_list("order_id", flat=True))

        def one(order: Order) -> OrderResult:
            way, reason = ANEW, ""
            if (request := last.get(order.pk)) is None:
                reason = NO_CANCEL
            elif why_not_asked(order):
                reason = StaffReason.ENDED if order.is_final else StaffReason.NOT_SENT
            elif request.state == CancelState.ASKING or _is_due(request):
                reason = BEING_SENT
            elif request.state == CancelState.WAITING:
                way = SENT
            elif order.pk in active:
                way = POLLED
            return OrderResult(order, reason=own_or(order, actor, reason), way=way)

        return [one(order) for order in orders]

    def act(self, planned: OrderResult, *, actor: User, data: Data) -> OrderResult:
        order = planned.order
        if planned.way == SENT:
            waiting = CancelRequest.objects.filter(state=CancelState.WAITING)
            return planned if send_at_once(waiting=waiting, order=order, actor=actor) else _changed(order)
        if planned.way == POLLED:
            poll_soon(order_ids=[order.pk], due_at=clock.now())
            return planned
        try:
            is_asked = request_cancel(order=order, actor=actor, patient=False)
        except TooLate:
            return _changed(order)
        return planned if is_asked else OrderResult(order, reason=StaffReason.ASKED)

    def logged(self, done: OrderResult) -> str:
        return {
            SENT: "Its cancel request is sent at once, with others.",
            POLLED: "Its provider is asked at once, with others.",
            ANEW: "The provider is asked again to cancel it, with others.",
        }[done.way]


def _is_due(row: CancelRequest | Refill) -> bool:
    return row.next_action_at is not None and row.next_action_at <= clock.now()


def _changed(order: Order) -> OrderResult:
    return OrderResult(order, reason=StaffReason.CHANGED)


PUSH_REFILLS = PushRefills()
PUSH_CANCELS = PushCancels()
