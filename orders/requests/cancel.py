"""Cancels: unsent orders are canceled at once and refunded in full; for sent ones the provider gets a request.

A request moves no money: refunds follow the order's status, which polling reads. A request is claimed and committed,
then sent, then recorded; sending it twice is harmless. Where no answer that can be read came, the provider may have
carried it out: the order's status shows it, and nobody is told that it was refused. Lock orders before requests.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from enum import StrEnum

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable
from catalog.upstream.batch_calls import call_in_halves
from catalog.upstream.client import UpstreamClient
from catalog.upstream.errors import ErrorCode
from catalog.upstream.results import CancelAccepted, RowError
from orders.common.poll_queue import poll_soon
from orders.common.timeline import write_event
from orders.common.transitions import OrderMoved
from orders.marks.guard import may_lack_orders
from orders.models import CancelRequest, Order, OrderEvent
from orders.refunds.posting import cancel_unaccepted
from orders.requests import queue
from orders.states import UNSENT_REVIEWS, CancelState, EventKind, Submission
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.task_hints import hint_after_commit
from panel.staff.deeds import UNSTATED, Why, record_deed
from panel.staff.kinds import Kind

# An accepted request that had no effect may be repeated after this time.
ASK_AGAIN_AFTER = timedelta(hours=24)
AFTER_REFUSAL = timedelta(hours=1)
# A provider's order list may lag this far behind: until then "unknown order" is not a refusal.
KNOWN_AFTER = timedelta(minutes=10)
# From an accepted cancel to the next poll of the order.
SOON = timedelta(seconds=10)

BEING_SENT = gettext_lazy(
    "It is being sent to the provider right now. Nothing was changed; try again in a few minutes."
)
IN_DOUBT = gettext_lazy(
    "We are finding out whether the provider has it. Nothing was changed. Try again in a few minutes: if it was not "
    "accepted, it is refunded in full."
)


# Of requests that may have been carried out.
UNCLEAR = "The provider gave no clear answer when it was asked to cancel it. The order's status will show what it did."

NOT_NOW = gettext_lazy(
    "Orders cannot be canceled right now: we are checking which of them were sent. Nothing was changed. Please try "
    "again later."
)


class TooLate(Exception):
    """The order cannot be canceled now; nothing was changed. The message is for the customer."""


class CancelOutcome(StrEnum):
    WITHDRAWN = "withdrawn"  # canceled and refunded in full
    ASKED = "asked"  # the provider gets this request, or has an earlier one


def may_withdraw(order: Order) -> bool:
    """Return True if the order was never sent. One in review may have been, unless that is about its cost."""
    return order.submission == Submission.QUEUED and order.review_reason in ("", *UNSENT_REVIEWS)


def may_cancel(order: Order) -> bool:
    """Return True if `cancel_order` would have an effect now."""
    if may_withdraw(order):
        return True
    if why_not_asked(order) or not order.service.upstream.cancel:
        return False
    return not active_requests().filter(order=order).exists() and not _was_refused_lately(order)


def cancelable(orders: Collection[Order]) -> set[int]:
    """Return the primary keys of those for which `may_cancel` is true, in one statement.

    The orders must come with `service.upstream` loaded.
    """
    unsent = {order.pk for order in orders if may_withdraw(order)}
    sent = {order.pk for order in orders if not why_not_asked(order) and order.service.upstream.cancel} - unsent
    waiting = (active_requests() | _refused_lately()).filter(order__in=sent)
    return unsent | (sent - set(waiting.values_list("order_id", flat=True)))


def why_not_asked(order: Order) -> str:
    """Return why no cancel can be requested from the provider, for the customer; "" if one can."""
    if order.is_final:
        return _("It has ended already.")
    if order.submission == Submission.SUBMITTING:
        return str(BEING_SENT)
    if order.submission == Submission.IN_DOUBT:
        return str(IN_DOUBT)
    if order.submission == Submission.QUEUED:
        return _("Our team is checking it, and will cancel it if it was not sent.")
    return ""


def cancel_order(*, order: Order, actor: User | None) -> CancelOutcome:
    """Cancel the order at once if it was not sent, else request it from the provider. Raise TooLate."""
    order.refresh_from_db()
    if may_withdraw(order):
        withdraw_order(order=order, actor=actor)
        return CancelOutcome.WITHDRAWN
    if not order.is_final and order.submission == Submission.ACCEPTED and not order.service.upstream.cancel:
        raise TooLate(_("This service cannot be canceled once it was sent."))
    request_cancel(order=order, actor=actor)
    return CancelOutcome.ASKED


def withdraw_order(*, order: Order, actor: User | None, why: Why = UNSTATED) -> None:
    """Cancel a queued order and refund it in full. Raise TooLate if it was sent, or if that is unknown.

    Raise AboveLimit for staff.

    A database that was restored from a backup may have in its queue what was sent since.
    """
    if not may_withdraw(order):
        raise TooLate(_("This order has been sent already and can no longer be canceled here."))
    if may_lack_orders(provider_id=order.provider_id):
        raise TooLate(str(NOT_NOW))
    try:
        with transaction.atomic():
            record_deed(
                actor=actor,
                kind=Kind.REFUND,
                amount=order.net_charge,
                about=order,
                customer_id=order.customer_id,
                why=why,
            )
            cancel_unaccepted(
                order=order,
                submission=Submission.WITHDRAWN,
                note="Canceled before it was sent",
                actor=actor,
            )
    except OrderMoved:
        raise TooLate(_("This order has just been sent and can no longer be canceled here.")) from None


def request_cancel(*, order: Order, actor: User | None, patient: bool = True) -> bool:
    """Request a cancel from the provider, even if the service has none; return False if a request is already active.

    With `patient`, raise TooLate for an hour after a refusal. Raise TooLate if the order cannot be canceled.
    """
    try:
        with transaction.atomic():
            return _request(order, actor, patient)
    except IntegrityError:
        return False  # A double click: one request is enough.


def _request(order: Order, actor: User | None, patient: bool) -> bool:
    now = clock.now()
    # NO KEY, so that inserts of timeline events for this order need not wait.
    locked = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
    if reason := why_not_asked(locked):
        raise TooLate(reason)
    if active_requests().filter(order=locked).exists():
        return False
    if patient and _was_refused_lately(locked):
        raise TooLate(_("The provider has refused to cancel it. You can ask again an hour after that."))
    CancelRequest.objects.filter(order=locked, state=CancelState.ACCEPTED).update(
        state=CancelState.ENDED, finished_at=now, note="Taken by the provider, but nothing came of it. Asked again."
    )
    CancelRequest.objects.create(order=locked, provider_id=locked.provider_id, actor=actor, **queue.due_now())
    who = "You" if actor == locked.customer else "Our team"
    write_event(order_id=locked.pk, kind=EventKind.CANCEL, text=f"{who} asked to cancel it", actor=actor)
    hint_after_commit("orders.tasks.send_requests")
    return True


def active_requests() -> QuerySet[CancelRequest]:
    """Return requests that are open, or accepted so recently that they may still take effect."""
    return CancelRequest.objects.filter(
        Q(state__in=(CancelState.WAITING, CancelState.ASKING))
        | Q(state=CancelState.ACCEPTED, asked_at__gt=clock.now() - ASK_AGAIN_AFTER)
    )


def _was_refused_lately(order: Order) -> bool:
    return _refused_lately().filter(order=order).exists()


def _refused_lately() -> QuerySet[CancelRequest]:
    return CancelRequest.objects.filter(state=CancelState.REFUSED, finished_at__gt=clock.now() - AFTER_REFUSAL)


def close_cancel_requests(*, order_ids: list[int]) -> int:
    """End the open requests of finished orders; return how many. One statement; joins the caller's transaction."""
    return _end(CancelRequest.objects.filter(order_id__in=order_ids, state__in=CancelState.open()))


def _end(requests: QuerySet[CancelRequest]) -> int:
    return requests.update(state=CancelState.ENDED, finished_at=clock.now(), next_action_at=None, claim_token="")


# -- sending to the provider -------------------------------------------------------------------------


def unsent_cancels() -> QuerySet[CancelRequest]:
    """Return requests still to send, including those whose worker died: they are sent again."""
    return CancelRequest.objects.filter(state__in=(CancelState.WAITING, CancelState.ASKING))


def send_cancels(*, provider: Provider) -> tuple[int, queue.Trouble | None]:
    """Claim, send and record at most 100 requests; return how many, and the error that prevented answers, if any."""
    batch = claim_cancels(provider=provider)
    if not batch:
        return 0, None
    ids = [request.order.upstream_id for request in batch]
    answers, trouble = queue.send_batch(provider, _cancel, ids)
    record_cancels(batch=batch, answers=answers, trouble=trouble)
    return len(batch), trouble or queue.cut_short(answers, provider=provider) or queue.unclear(ids, answers)


def _cancel(client: UpstreamClient, ids: Sequence[str]) -> dict[str, CancelAccepted | RowError]:
    """Return the answers by id. Resending is harmless, so a batch is split around an id that crashes the provider."""
    result = call_in_halves(client.cancel, ids, refusals_count=True)
    if result.trouble and not result.worked:
        raise result.trouble
    return {one: answer for one, answer in result.answers.items() if one not in result.blamed}


def claim_cancels(*, provider: Provider) -> list[CancelRequest]:
    """Claim due requests of open orders under a lease; end those whose order can no longer be canceled."""
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
    """Record the answers in one transaction. Skip requests that were ended or claimed again meanwhile."""
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
        polled = [
            request.order_id
            for request in held
            if request.state == CancelState.ACCEPTED
            or _may_be_accepted(answers.get(request.order.upstream_id or ""), trouble)
        ]
        poll_soon(order_ids=polled, due_at=clock.now() + SOON)


def _decide(request: CancelRequest, answer: CancelAccepted | RowError | None, trouble: queue.Trouble | None) -> str:
    """Apply the answer to the request, unsaved; return the text for the customer, or "" while it waits."""
    if isinstance(answer, CancelAccepted):
        request.state, request.next_action_at = CancelState.ACCEPTED, None
        return "The provider was asked to cancel it"
    if isinstance(answer, RowError) and answer.is_not_asked:
        queue.put_back(request, waiting=CancelState.WAITING)
        return ""
    if _may_be_accepted(answer, trouble):
        # It is asked again only if it may not have read the request at all.
        is_read = isinstance(answer, RowError)
        if not is_read and queue.put_off(request, waiting=CancelState.WAITING, most=queue.MAX_UNCLEAR_ATTEMPTS):
            return ""
        request.state, request.next_action_at, request.note = CancelState.ACCEPTED, None, UNCLEAR
        return UNCLEAR
    if isinstance(answer, RowError) and _is_refusal(answer, request.order):
        note = queue.in_plain_words(answer, action="to cancel it")
    elif answer is None and queue.is_final(trouble):
        note = "This provider cancels no orders that it was sent. The order goes on."
    elif queue.put_off(request, waiting=CancelState.WAITING):
        return ""
    else:
        is_usable = not isinstance(trouble, ProviderUnusable)
        why = "did not answer when it was asked" if is_usable else "could not be asked"
        note = f"The provider {why} to cancel it. The order goes on."
    queue.end(request, state=CancelState.REFUSED, note=note)
    return note


def _may_be_accepted(answer: CancelAccepted | RowError | None, trouble: queue.Trouble | None) -> bool:
    """Return True if the provider may have carried out the cancel, and did not say so in a way that can be read."""
    if answer is None:
        return queue.may_have_acted(trouble) and not queue.is_refused(trouble)
    return isinstance(answer, RowError) and answer.is_malformed


def _is_refusal(error: RowError, order: Order) -> bool:
    if error.is_malformed or queue.is_for_now(error.code):
        return False
    accepted_at = order.accepted_at or order.created_at
    return error.code is not ErrorCode.UNKNOWN_ORDER or clock.now() - accepted_at > KNOWN_AFTER
