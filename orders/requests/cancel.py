"""Cancelling: at once and in full before an order was sent; afterwards the provider is asked.

A wish to cancel moves no money: what comes back follows the order's status, which polling reads. It is
claimed and committed, sent, and recorded; sending it twice is harmless. Locks: first orders, then requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable
from catalog.upstream.batch_calls import ask_in_halves
from catalog.upstream.client import UpstreamClient
from catalog.upstream.errors import ErrorCode
from catalog.upstream.results import CancelAccepted, RowError
from orders.common.timeline import write_event
from orders.common.transitions import OrderMoved
from orders.models import CancelRequest, Order, OrderEvent
from orders.refunds.posting import cancel_unaccepted
from orders.requests import queue
from orders.states import FINAL, CancelState, EventKind, ReviewReason, Submission
from panel.accounts.models import User
from panel.lib.task_hints import hint_after_commit

# A request that was taken, and of which nothing came, may be repeated after this long.
ASK_AGAIN_AFTER = timedelta(hours=24)
AFTER_REFUSAL = timedelta(hours=1)
# A provider may be this much behind its own answers: until then an order unknown there is no refusal.
KNOWN_AFTER = timedelta(minutes=10)
# From a cancel that was taken to the next look at the order.
SOON = timedelta(seconds=10)

BEING_SENT = "It is being sent to the provider right now. Nothing was changed; try again in a few minutes."
BEING_LOOKED_FOR = (
    "We are finding out whether it was placed. Nothing was changed; try again in a few minutes, it is refunded in "
    "full if it was not."
)


class TooLate(Exception):
    """It cannot be canceled now; nothing was changed. The message is for the customer."""


class CancelOutcome(StrEnum):
    WITHDRAWN = "withdrawn"  # canceled and refunded in full
    ASKED = "asked"  # the provider is being asked, by this wish or by an earlier one


def may_withdraw(order: Order) -> bool:
    """Whether nothing of it is with the provider. Where that is for staff to find out, it may be."""
    return order.submission == Submission.QUEUED and order.review_reason in ("", ReviewReason.WOULD_LOSE)


def may_cancel(order: Order) -> bool:
    """Whether `cancel_order` would do something new now."""
    if may_withdraw(order):
        return True
    if why_not_asked(order) or not order.service.upstream.cancel:
        return False
    return not standing().filter(order=order).exists() and not _was_refused_lately(order)


def why_not_asked(order: Order) -> str:
    """Why the provider cannot be asked to cancel the order, for the customer; "" if it can."""
    if order.is_final:
        return "It has ended already."
    if order.submission == Submission.SUBMITTING:
        return BEING_SENT
    if order.submission == Submission.IN_DOUBT:
        return BEING_LOOKED_FOR
    if order.submission == Submission.QUEUED:
        return "It is being looked at by our team, who will cancel it if it was not placed."
    return ""


def cancel_order(*, order: Order, actor: User | None) -> CancelOutcome:
    """Cancels it at once if it was not sent, else has the provider asked. Raises TooLate."""
    order.refresh_from_db()
    if may_withdraw(order):
        withdraw_order(order=order, actor=actor)
        return CancelOutcome.WITHDRAWN
    if not order.is_final and order.submission == Submission.ACCEPTED and not order.service.upstream.cancel:
        raise TooLate("This service cannot be canceled once it was sent.")
    request_cancel(order=order, actor=actor)
    return CancelOutcome.ASKED


def withdraw_order(*, order: Order, actor: User | None) -> None:
    """Cancels a queued order with all its money back. Raises TooLate."""
    if not may_withdraw(order):
        raise TooLate("This order has been sent already and can no longer be canceled here.")
    try:
        with transaction.atomic():
            cancel_unaccepted(
                order=order,
                submission=Submission.WITHDRAWN,
                note="Canceled before it was sent",
                actor=actor,
            )
    except OrderMoved:
        raise TooLate("This order has just been sent and can no longer be canceled here.") from None


def request_cancel(*, order: Order, actor: User | None, patient: bool = True) -> bool:
    """Has the provider asked, whatever the service allows; False if that is under way already.

    `patient`: after a refusal it waits an hour. Raises TooLate.
    """
    try:
        with transaction.atomic():
            return _request(order, actor, patient)
    except IntegrityError:
        return False  # A second click at the same moment: one request is enough.


def _request(order: Order, actor: User | None, patient: bool) -> bool:
    now = timezone.now()
    # NO KEY: whoever writes its timeline meanwhile need not wait.
    locked = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
    if reason := why_not_asked(locked):
        raise TooLate(reason)
    if standing().filter(order=locked).exists():
        return False
    if patient and _was_refused_lately(locked):
        raise TooLate("The provider has refused to cancel it. You can ask again an hour after that.")
    CancelRequest.objects.filter(order=locked, state=CancelState.ACCEPTED).update(
        state=CancelState.ENDED, finished_at=now, note="Taken by the provider, but nothing came of it. Asked again."
    )
    CancelRequest.objects.create(order=locked, provider_id=locked.provider_id, actor=actor)
    who = "You" if actor == locked.customer else "Our team"
    write_event(order_id=locked.pk, kind=EventKind.CANCEL, text=f"{who} asked to cancel it", actor=actor)
    hint_after_commit("orders.tasks.send_requests")
    return True


def standing() -> QuerySet[CancelRequest]:
    """Requests that are under way, or taken so lately that something may yet come of them."""
    return CancelRequest.objects.filter(
        Q(state__in=(CancelState.WAITING, CancelState.ASKING))
        | Q(state=CancelState.ACCEPTED, asked_at__gt=timezone.now() - ASK_AGAIN_AFTER)
    )


def _was_refused_lately(order: Order) -> bool:
    refused = CancelRequest.objects.filter(order=order, state=CancelState.REFUSED)
    return refused.filter(finished_at__gt=timezone.now() - AFTER_REFUSAL).exists()


def close_cancel_requests(*, order_ids: list[int]) -> int:
    """The orders ended: nothing is asked about them any more. One statement; joins the caller's transaction."""
    return _end(CancelRequest.objects.filter(order_id__in=order_ids, state__in=CancelState.open()))


def _end(requests: QuerySet[CancelRequest]) -> int:
    return requests.update(state=CancelState.ENDED, finished_at=timezone.now(), next_action_at=None, claim_token="")


# -- asking the provider -----------------------------------------------------------------------------


def unsent_cancels() -> QuerySet[CancelRequest]:
    """Requests to send, now or later. One whose sender died is sent again."""
    return CancelRequest.objects.filter(state__in=(CancelState.WAITING, CancelState.ASKING))


def send_cancels(*, provider: Provider) -> tuple[int, queue.Trouble | None]:
    """Claims, asks and records at most 100 requests; how many, and what kept the provider from an answer."""
    batch = claim_cancels(provider=provider)
    if not batch:
        return 0, None
    ids = [request.order.upstream_id for request in batch]
    answers, trouble = queue.ask(provider, _cancel, ids)
    record_cancels(batch=batch, answers=answers, trouble=trouble)
    return len(batch), trouble or queue.cut_short(answers)


def _cancel(client: UpstreamClient, ids: Sequence[str]) -> dict[str, CancelAccepted | RowError]:
    """The answers by id. Cancelling twice is harmless: one id that crashes the provider keeps no other from it."""
    said = ask_in_halves(client.cancel, ids, refusals_count=True)
    if said.trouble and not said.worked:
        raise said.trouble
    return {one: answer for one, answer in said.answers.items() if one not in said.blamed}


def claim_cancels(*, provider: Provider) -> list[CancelRequest]:
    """Due requests of orders that still run, under a lease. Those of the others end here."""
    with transaction.atomic():
        due = queue.lock_batch(unsent_cancels(), provider=provider)
        batch = [request for request in due if not why_not_asked(request.order)]
        over = {request.pk for request in due} - {request.pk for request in batch}
        if over:
            _end(CancelRequest.objects.filter(pk__in=over))
        if batch:
            queue.lease(batch, state=CancelState.ASKING)
    return batch


def record_cancels(
    *,
    batch: list[CancelRequest],
    answers: dict[str, CancelAccepted | RowError],
    trouble: queue.Trouble | None,
) -> None:
    """Writes what came of each, in one transaction. One that was ended or claimed again meanwhile is left alone."""
    events: list[OrderEvent] = []
    with transaction.atomic():
        orders = Order.objects.filter(pk__in=[request.order_id for request in batch])
        list(orders.order_by("pk").select_for_update(no_key=True).values_list("pk"))
        held = queue.lock_held(unsent_cancels(), batch)
        for request in held:
            answer = answers.get(request.order.upstream_id or "")
            text = _decide(request, answer, trouble)
            request.claim_token = ""
            if text:
                events += queue.events_of(order_id=request.order_id, kind=EventKind.CANCEL, text=text, answer=answer)
        CancelRequest.objects.bulk_update(
            held, ["state", "note", "attempts", "claim_token", "next_action_at", "finished_at"]
        )
        OrderEvent.objects.bulk_create(events)
        taken = [request.order_id for request in held if request.state == CancelState.ACCEPTED]
        Order.objects.filter(pk__in=taken, submission=Submission.ACCEPTED).exclude(status__in=FINAL).update(
            next_poll_at=timezone.now() + SOON, still_polls=0
        )


def _decide(request: CancelRequest, answer: CancelAccepted | RowError | None, trouble: queue.Trouble | None) -> str:
    """Puts on the request what came of it; returns what the customer is told, or "" while it waits."""
    if isinstance(answer, CancelAccepted):
        request.state, request.next_action_at = CancelState.ACCEPTED, None
        return "The provider was asked to cancel it"
    if isinstance(answer, RowError) and answer.is_not_asked:
        queue.put_back(request, waiting=CancelState.WAITING)
        return ""
    if isinstance(answer, RowError) and _is_refusal(answer, request.order):
        note = queue.in_plain_words(answer, wish="to cancel it")
    elif answer is None and queue.is_final(trouble):
        note = "This provider cancels no orders that it was sent. The order goes on."
    elif queue.put_off(request, waiting=CancelState.WAITING):
        return ""
    else:
        could_ask = not isinstance(trouble, ProviderUnusable)
        why = "did not answer when it was asked" if could_ask else "could not be asked"
        note = f"The provider {why} to cancel it. The order goes on."
    queue.settle(request, state=CancelState.REFUSED, note=note)
    return note


def _is_refusal(error: RowError, order: Order) -> bool:
    if error.is_malformed or queue.is_for_now(error.code):
        return False
    accepted_at = order.accepted_at or order.created_at
    return error.code is not ErrorCode.UNKNOWN_ORDER or timezone.now() - accepted_at > KNOWN_AFTER
