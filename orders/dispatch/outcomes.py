"""Recording the outcome of an attempt (protocol: "What an answer to `add` means").

The attempt and its order are written in one transaction, so readers see them agree. Every write is conditional on
the claim's token: a worker that lost its lease may still record an id for an order in doubt, but cannot overwrite a
later decision.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import timedelta

from django.db import IntegrityError, InterfaceError, InternalError, OperationalError, transaction
from django.db.models import Q

from catalog.models import Provider
from catalog.pauses import PauseKind, note_clear_answer, note_failure, note_success, pause_provider
from catalog.upstream.errors import ErrorCode
from catalog.upstream.results import AddAccepted, AddOutcome, NotSent, Refused, Unknown
from orders.common.backoff import first_poll_after, resend_wait
from orders.common.doubts import doubt_from
from orders.common.poll_queue import follow
from orders.common.stops import stop_sending
from orders.common.timeline import write_event
from orders.common.transitions import OrderMoved, id_columns, move, move_all
from orders.common.turns import waiting_turn
from orders.dispatch.refusals import (
    PROVIDER_WIDE,
    WAITS,
    is_clear,
    is_repeated,
    may_be_accepted_before,
    pause_for,
    with_its_meaning,
)
from orders.models import Order, PlacementAttempt
from orders.reckoning.daily_limit import give_back_to_limit
from orders.refunds.posting import cancel_unaccepted
from orders.review.decisions import ask_for_review
from orders.states import AttemptOutcome, EventKind, ReviewReason, StopReason, Submission
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.lib import clock
from panel.lib.http.exchange import Phase
from panel.lib.prepared_sql import update_row

# What a database raises while it is away, restarting or, after a failover, read-only: trying again later can succeed.
DATABASE_AWAY = (OperationalError, InterfaceError, InternalError)

# The provider will not accept this order: what the customer reads.
PERMANENT: dict[ErrorCode, str] = {
    ErrorCode.SERVICE_GONE: "This service is no longer available.",
    ErrorCode.BAD_LINK: "The link was not accepted. Check that it is public and of the right kind.",
    ErrorCode.BAD_QUANTITY: "The quantity was not accepted for this service.",
    ErrorCode.BAD_PARAMETER: "The details of this order were not accepted.",
    ErrorCode.REFUSED: "This order was not accepted.",
}
_ATTEMPT_OUTCOMES: dict[type, AttemptOutcome] = {
    AddAccepted: AttemptOutcome.ACCEPTED,
    Refused: AttemptOutcome.REFUSED,
    NotSent: AttemptOutcome.NOT_SENT,
    Unknown: AttemptOutcome.UNKNOWN,
}


def record_outcome(*, provider: Provider, order: Order, attempt: PlacementAttempt, outcome: AddOutcome) -> bool:
    """Record the attempt's outcome and move the order. Return False if the provider should get no more orders now.

    `order` is as it was claimed. If it was in doubt before (`doubt_until` is set), this attempt repeats an earlier one
    and only an id resolves the doubt: a refusal may concern the repetition alone. Mutates `order`; pass a copy when
    retrying.
    """
    repeated = order.doubt_until is not None
    is_taught = False
    if isinstance(outcome, Refused):
        taught = with_its_meaning(provider=provider, order=order, refusal=outcome)
        is_taught, outcome = taught is not outcome, taught
    try:
        with transaction.atomic():
            gives_back = _gives_back(provider, attempt, outcome)
            _finish_attempt(attempt, outcome, is_taught=is_taught)
            if isinstance(outcome, AddAccepted):
                _record_accepted(order, attempt, outcome)
            elif isinstance(outcome, Unknown) or repeated:
                _record_doubt(order, _detail(outcome))
            elif isinstance(outcome, Refused):
                _record_refused(order, attempt, outcome)
            else:
                _back_to_queue(order, outcome.reason, wait=timedelta(0))  # It waits for the provider's pause to end.
            if not repeated and gives_back:
                cost = Order.objects.values_list("expected_cost", flat=True).get(pk=order.pk)
                give_back_to_limit(provider=provider, cost=cost, sent_at=attempt.started_at)
    except IntegrityError:
        if not isinstance(outcome, AddAccepted):
            raise
        with transaction.atomic():
            _finish_attempt(attempt, outcome)
            may_continue = _record_known_id(provider, order, outcome.order_id)
        if not may_continue:
            return False
    if isinstance(outcome, AddAccepted):
        was_troubled = provider.failures_in_row or provider.refusals_in_row or provider.unknown_in_row
        # Beside other lanes, the provider may have got into trouble since this order was claimed.
        if provider.pause_count or was_troubled or provider.max_parallel_adds > 1:
            note_success(provider=provider)
        return True
    return not repeated and _pause_or_continue(provider, outcome, order)


def _gives_back(provider: Provider, attempt: PlacementAttempt, outcome: AddOutcome) -> bool:
    """Return True if the daily limit counts this attempt no more: not if its outcome was recorded before."""
    if provider.daily_limit is None or not _is_not_accepted(outcome):
        return False
    return PlacementAttempt.objects.filter(token=attempt.token, finished_at=None).exists()


def _pause_or_continue(provider: Provider, outcome: Refused | NotSent | Unknown, order: Order) -> bool:
    """Return True if the next order may be sent now. Pause the provider after failures in a row, or if it refuses all.

    A lost answer costs its order a doubt: the next may well be answered.
    """
    if isinstance(outcome, Unknown):
        return not note_failure(
            provider=provider, kind=PauseKind.DOUBT, text="gave no clear answer to several orders in a row"
        )
    if isinstance(outcome, NotSent):
        if outcome.is_limited:  # By our own setting: nothing is wrong with the provider.
            return False
        text = f"not reachable: {outcome.reason}"
        if outcome.evidence.phase is Phase.NEW:  # Nothing was tried, and the next order would fare the same.
            pause_provider(provider=provider, kind=PauseKind.SETUP, text=text)
        else:
            note_failure(provider=provider, kind=PauseKind.UNREACHABLE, text=text)
        return False  # The order is due again at once; a moment later it may be reachable.
    if provider.failures_in_row:
        note_clear_answer(provider=provider)
    return not pause_for(provider=provider, order=order, refusal=outcome)


def _detail(outcome: AddOutcome) -> str:
    if isinstance(outcome, Refused):
        return outcome.text
    return "" if isinstance(outcome, AddAccepted) else outcome.reason


def _attempt_outcome(outcome: AddOutcome, *, is_taught: bool) -> AttemptOutcome:
    if isinstance(outcome, Refused) and not is_clear(outcome):
        return AttemptOutcome.UNCLEAR
    if is_taught:
        return AttemptOutcome.TAUGHT
    return _ATTEMPT_OUTCOMES[type(outcome)]


def _is_not_accepted(outcome: AddOutcome) -> bool:
    """Return True if the provider certainly has no order from this attempt."""
    return isinstance(outcome, NotSent) or (isinstance(outcome, Refused) and is_clear(outcome))


def keep_evidence(*, attempt: PlacementAttempt, outcome: AddOutcome) -> None:
    """Record the attempt's outcome alone, when an error of ours keeps the order from moving with it."""
    _finish_attempt(attempt, outcome)


def _finish_attempt(attempt: PlacementAttempt, outcome: AddOutcome, *, is_taught: bool = False) -> None:
    evidence = outcome.evidence
    # By token: a restored database may have given the number to another attempt.
    update_row(
        model=PlacementAttempt,
        same={"token": attempt.token},
        values={
            "finished_at": clock.now(),
            "outcome": _attempt_outcome(outcome, is_taught=is_taught),
            "phase": evidence.phase.value[:12],
            "http_status": evidence.http_status,
            "body": evidence.body_excerpt,
            "detail": _detail(outcome)[:500],
        },
    )


def _record_accepted(order: Order, attempt: PlacementAttempt, outcome: AddAccepted) -> None:
    now = clock.now()
    due_at = now + first_poll_after()
    accepted = {
        **id_columns(outcome.order_id),
        "accepted_attempt": attempt.pk,
        "accepted_at": now,
        "next_poll_at": due_at,
    }
    if _move_to_accepted(order, attempt, accepted):
        follow(order_id=order.pk, provider_id=order.provider_id, due_at=due_at)
        write_event(order_id=order.pk, kind=EventKind.SUBMISSION, new=Submission.ACCEPTED, text="Sent to the provider")
    else:
        _alert_late_answer(order, outcome)


def _move_to_accepted(order: Order, attempt: PlacementAttempt, values: Mapping[str, object]) -> bool:
    with contextlib.suppress(OrderMoved):
        move(order=order, to=Submission.ACCEPTED, values=values)
        return True
    # In doubt too: a late answer to this attempt, or to another with the same request id, still counts.
    tokens = [order.claim_token]
    if attempt.request_id:
        same = PlacementAttempt.objects.filter(
            order=order, request_id=attempt.request_id, request_scope=attempt.request_scope
        )
        tokens += same.values_list("token", flat=True)
    unresolved = Order.objects.filter(pk=order.pk, claim_token__in=tokens).filter(
        Q(submission=Submission.IN_DOUBT) | Q(submission=Submission.SUBMITTING, claim_token=order.claim_token)
    )
    return move_all(unresolved, to=Submission.ACCEPTED, values=values) > 0


def _alert_late_answer(order: Order, outcome: AddAccepted) -> None:
    """Raise an alert, unless the order has this id: the provider will bill an order that was resolved otherwise."""
    current = Order.objects.get(pk=order.pk)
    if current.upstream_id == outcome.order_id:
        return  # Bound to this id meanwhile.
    text = f"A late answer: the provider has it as {outcome.order_id}."
    write_event(order_id=order.pk, kind=EventKind.SUBMISSION, text=text, public=False)
    if current.submission == Submission.QUEUED:
        # Staff queued it again because they believed that it was not accepted.
        ask_for_review(order=current, reason=ReviewReason.DOUBT, note=text)
    raise_alert(cause=Cause.LATE_ANSWER, about=order.pk, text=f"Order {order.pk}. {text}", level="danger")


def _record_known_id(provider: Provider, order: Order, upstream_id: str) -> bool:
    """Put the order in review, as another order has its id. Return False if nothing more may be sent to the provider.

    Some providers answer a repetition with the first order's id, so an equal order with this id is not doubted. If the
    orders differ, the provider counts its ids again: its answers about the first order may be about the new one.
    """
    known = Order.objects.filter(provider=provider, upstream_id=upstream_id).first()
    has = f"order {known.pk} has" if known else "another order has"
    note = f"The provider answered with id {upstream_id}, which {has}."
    _record_doubt(order, note, review=ReviewReason.DUPLICATE_ID)
    if known is None or _orders_the_same(known, order):
        return True
    ask_for_review(
        order=known,
        reason=ReviewReason.DUPLICATE_ID,
        note=(
            f"The provider gave its id {upstream_id} to order {order.pk} as well, which is another purchase. What it "
            "reports about the id changes nothing until you decide. Dismiss this if the id is this order's."
        ),
        figures=(upstream_id, order.pk),
        replaces=True,
    )
    stop_sending(
        reason=StopReason.REUSED_IDS,
        text=(
            f"{provider.name} answered order {order.pk} with id {upstream_id}, which order {known.pk} has for "
            "another purchase. No order is sent to it until you resume the sending. Both orders are in review."
        ),
        provider_id=provider.pk,
    )
    return False


def _orders_the_same(one: Order, other: Order) -> bool:
    names = ("upstream_service_id", "link", "quantity")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _record_refused(order: Order, attempt: PlacementAttempt, outcome: Refused) -> None:
    if outcome.code is ErrorCode.FUNDS:
        # Cheaper orders go first: tried again and again, one that is too dear would keep all others waiting.
        _requeue(order, text=outcome.text, wait=timedelta(0), turn=waiting_turn(order.turn))
    elif outcome.code is ErrorCode.PROTOCOL and not is_repeated(order=order, attempt=attempt, refusal=outcome):
        # Others are tried before it: it may be this order, after all, that misses something.
        _requeue(order, text=outcome.text, wait=timedelta(0), turn=waiting_turn(order.turn))
    elif outcome.code in PROVIDER_WIDE and outcome.code is not ErrorCode.PROTOCOL:
        _back_to_queue(order, outcome.text, wait=timedelta(0))
    elif not is_clear(outcome) or outcome.code is ErrorCode.PROTOCOL:
        # The provider refuses it in unknown words, which are not safe to act on.
        if _requeue(order, wait=timedelta(0)):
            ask_for_review(order=order, reason=ReviewReason.UNKNOWN_ERROR, note=outcome.text)
    elif order.attempts and may_be_accepted_before(order=order, attempt=attempt, refusal=outcome):
        # Staff sent it again. "Active order with this link" may refer to its first attempt.
        if _requeue(order, wait=timedelta(0)):
            note = f"Sent again, and refused: {outcome.text} The first sending may have been taken after all."
            ask_for_review(order=order, reason=ReviewReason.DOUBT, note=note)
    elif outcome.code in WAITS:
        # It had its turn: the next one is after those of the customer's other orders.
        turn = waiting_turn(order.turn)
        _requeue(order, text=outcome.text, wait=resend_wait(order.attempts), turn=turn)
    else:
        # OrderMoved: the lease ran out meanwhile. The attempt keeps the answer for the review.
        with contextlib.suppress(OrderMoved):
            cancel_unaccepted(
                order=order, submission=Submission.REFUSED, note=PERMANENT[outcome.code], staff_text=outcome.text
            )


def _back_to_queue(order: Order, reason: str, *, wait: timedelta) -> None:
    _requeue(order, wait=wait, text=reason)


def _requeue(order: Order, *, wait: timedelta, text: str | None = None, turn: int = 0) -> bool:
    """Move the order back to QUEUED, to go first unless `turn` says otherwise.

    Return False if it is no longer SUBMITTING under this claim: an order in doubt must not be sent again from here.
    """
    values = {"next_action_at": clock.now() + wait, "turn": turn}
    try:
        move(order=order, to=Submission.QUEUED, text=text, values=values)
    except OrderMoved:
        return False
    order.submission, order.claim_token = Submission.QUEUED, ""
    return True


def _record_doubt(order: Order, text: str, *, review: str = "") -> None:
    """Move the order to IN_DOUBT until its deadline. `review` is a reason to ask staff at once."""
    with contextlib.suppress(OrderMoved):
        move(order=order, to=Submission.IN_DOUBT, text=text, values=doubt_from(clock.now()))
    if review:
        order.refresh_from_db()
        ask_for_review(order=order, reason=review, note=text)
