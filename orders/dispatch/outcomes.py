"""Recording what came of sending an order (protocol: "What an answer to `add` means").

The attempt's end and the order's move are one transaction: whoever reads both sees them agree. Every write
is fenced by the claim's token: whoever lost the lease may still tell what it knows, as long as nobody
decided otherwise, but can overwrite nothing.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from catalog.models import Provider
from catalog.provider_accounts import note_success, pause_provider
from catalog.upstream.errors import ErrorCode
from catalog.upstream.results import AddOutcome, NotSent, Placed, Refused, Unknown
from orders.common.backoff import first_poll_after, resend_wait
from orders.common.timeline import write_event
from orders.common.transitions import OrderMoved, id_columns, move, move_all
from orders.dispatch.timeouts import doubt_from
from orders.models import Order, SubmissionAttempt
from orders.refunds.posting import cancel_unaccepted
from orders.review.decisions import ask_for_review
from orders.states import AttemptOutcome, EventKind, ReviewReason, Submission
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert

# The provider said no to this order for good: what the customer reads.
PERMANENT: dict[ErrorCode, str] = {
    ErrorCode.SERVICE_GONE: "This service is no longer available.",
    ErrorCode.BAD_LINK: "The link was not accepted. Check that it is public and of the right kind.",
    ErrorCode.BAD_QUANTITY: "The quantity was not accepted for this service.",
    ErrorCode.BAD_PARAMETER: "The details of this order were not accepted.",
}
# The provider takes nothing from us for now: the order waits, and so do all others.
PROVIDER_WIDE: dict[ErrorCode, str] = {
    ErrorCode.CREDENTIALS: "it refuses our API key",
    ErrorCode.FUNDS: "our balance there is used up",
    ErrorCode.THROTTLED: "it limits how often we may ask",
}

_KINDS: dict[type, AttemptOutcome] = {
    Placed: AttemptOutcome.ACCEPTED,
    Refused: AttemptOutcome.REFUSED,
    NotSent: AttemptOutcome.NOT_SENT,
    Unknown: AttemptOutcome.UNKNOWN,
}


def record_outcome(*, provider: Provider, order: Order, attempt: SubmissionAttempt, outcome: AddOutcome) -> bool:
    """Writes the attempt's end and moves the order; False when the provider should be left alone.

    `order` is as it was claimed. When it was in doubt before (`doubt_until`), this was a repetition, and
    nothing but an id settles it: a no may be to the repetition alone. Mutates `order`: pass a copy to each try.
    """
    repeated = order.doubt_until is not None
    try:
        with transaction.atomic():
            _finish_attempt(attempt, outcome)
            if isinstance(outcome, Placed):
                _record_accepted(order, attempt, outcome)
            elif isinstance(outcome, Unknown) or repeated:
                _record_doubt(order, _detail(outcome))
            elif isinstance(outcome, Refused):
                _record_refused(order, attempt, outcome)
            else:
                _back_to_queue(order, outcome.reason, wait=timedelta(0))  # The provider's pause is wait enough.
    except IntegrityError:
        if not isinstance(outcome, Placed):
            raise
        # An id that another order has: which of the two it means, only a person can tell.
        with transaction.atomic():
            _finish_attempt(attempt, outcome)
            note = f"The provider answered with id {outcome.order_id}, which another order has."
            _record_doubt(order, note, review=ReviewReason.DUPLICATE_ID)
    if isinstance(outcome, Placed):
        if provider.pause_count:
            note_success(provider=provider)
        return True
    return not repeated and _judge_provider(provider, outcome)


def _judge_provider(provider: Provider, outcome: Refused | NotSent | Unknown) -> bool:
    """Pauses the provider when the next order would fare no better; whether to go on with it."""
    if isinstance(outcome, NotSent):
        pause_provider(provider=provider, reason="unreachable", text=f"not reachable: {outcome.reason}")
    elif isinstance(outcome, Unknown):
        # Whatever keeps it from answering would turn the next order into a doubt as well.
        pause_provider(provider=provider, reason="doubt", text="gave no clear answer to an order")
    elif outcome.code in PROVIDER_WIDE:
        pause_provider(provider=provider, reason=outcome.code.value, text=PROVIDER_WIDE[outcome.code])
    else:
        return True
    return False


def _detail(outcome: AddOutcome) -> str:
    if isinstance(outcome, Refused):
        return outcome.text
    return "" if isinstance(outcome, Placed) else outcome.reason


def _kind(outcome: AddOutcome) -> AttemptOutcome:
    if isinstance(outcome, Refused) and not _is_known(outcome):
        return AttemptOutcome.UNCLEAR
    return _KINDS[type(outcome)]


def _is_known(outcome: Refused) -> bool:
    """Whether the words surely mean that nothing was placed."""
    return outcome.code in PERMANENT or outcome.code in PROVIDER_WIDE or outcome.code is ErrorCode.LINK_BUSY


def keep_evidence(*, attempt: SubmissionAttempt, outcome: AddOutcome) -> None:
    """Writes the attempt's end alone, where an error of ours keeps the order from moving with it."""
    _finish_attempt(attempt, outcome)


def _finish_attempt(attempt: SubmissionAttempt, outcome: AddOutcome) -> None:
    evidence = outcome.evidence
    SubmissionAttempt.objects.filter(pk=attempt.pk).update(
        finished_at=timezone.now(),
        outcome=_kind(outcome),
        phase=evidence.phase.value[:12],
        http_status=evidence.http_status,
        body=evidence.body_excerpt,
        detail=_detail(outcome)[:500],
    )


def _record_accepted(order: Order, attempt: SubmissionAttempt, outcome: Placed) -> None:
    now = timezone.now()
    # Also from in_doubt: the answer came after the lease, but it is this very sending's answer, or that of
    # another under the same request id.
    tokens = [order.claim_token]
    if attempt.request_id:
        same = SubmissionAttempt.objects.filter(
            order=order, request_id=attempt.request_id, request_scope=attempt.request_scope
        )
        tokens += same.values_list("token", flat=True)
    unsettled = Order.objects.filter(pk=order.pk, claim_token__in=tokens).filter(
        Q(submission=Submission.IN_DOUBT) | Q(submission=Submission.SUBMITTING, claim_token=order.claim_token)
    )
    if move_all(
        unsettled,
        to=Submission.ACCEPTED,
        values={
            **id_columns(outcome.order_id),
            "accepted_attempt": attempt.pk,
            "accepted_at": now,
            "next_poll_at": now + first_poll_after(),
        },
    ):
        write_event(order_id=order.pk, kind=EventKind.SUBMISSION, new=Submission.ACCEPTED, text="Sent to the provider")
    else:
        _tell_of_late_answer(order, outcome)


def _tell_of_late_answer(order: Order, outcome: Placed) -> None:
    """Decided otherwise meanwhile, but the provider has it and will bill it: that must not go unseen."""
    stands = Order.objects.get(pk=order.pk)
    if stands.upstream_id == outcome.order_id:
        return  # Found meanwhile, under this very id.
    text = f"A late answer: the provider has it as {outcome.order_id}."
    write_event(order_id=order.pk, kind=EventKind.SUBMISSION, text=text, public=False)
    if stands.submission == Submission.QUEUED:
        # Staff send it again, in the belief that it was not placed.
        ask_for_review(order=stands, reason=ReviewReason.DOUBT, note=text)
    raise_alert(cause=Cause.LATE_ANSWER, about=order.pk, text=f"Order {order.pk}. {text}", level="danger")


def _record_refused(order: Order, attempt: SubmissionAttempt, outcome: Refused) -> None:
    if outcome.code in PROVIDER_WIDE:
        _back_to_queue(order, outcome.text, wait=timedelta(0))
    elif not _is_known(outcome):
        # Not placed, says the provider; but words never seen before are not ours to act on.
        if _requeue(order, wait=timedelta(0)):
            ask_for_review(order=order, reason=ReviewReason.UNKNOWN_ERROR, note=outcome.text)
    elif order.attempts and _may_have_been_taken_before(order, attempt):
        # Staff sent it again. "Active order with this link" may well be its first sending.
        if _requeue(order, wait=timedelta(0)):
            note = f"Sent again, and refused: {outcome.text} The first sending may have been taken after all."
            ask_for_review(order=order, reason=ReviewReason.DOUBT, note=note)
    elif outcome.code is ErrorCode.LINK_BUSY:
        _back_to_queue(order, outcome.text, wait=resend_wait(order.attempts))
    else:
        # OrderMoved: the lease ran out meanwhile; the attempt keeps the answer for whoever reviews it.
        with contextlib.suppress(OrderMoved):
            cancel_unaccepted(
                order=order, submission=Submission.REFUSED, note=PERMANENT[outcome.code], staff_text=outcome.text
            )


def _may_have_been_taken_before(order: Order, attempt: SubmissionAttempt) -> bool:
    earlier = SubmissionAttempt.objects.filter(order=order, pk__lt=attempt.pk)
    return earlier.filter(outcome__in=(AttemptOutcome.SENDING, AttemptOutcome.UNKNOWN)).exists()


def _back_to_queue(order: Order, reason: str, *, wait: timedelta) -> None:
    _requeue(order, wait=wait, text=reason)


def _requeue(order: Order, *, wait: timedelta, text: str | None = None) -> bool:
    """Back to queued from placing only: once in doubt, nothing here may send it again."""
    try:
        move(order=order, to=Submission.QUEUED, text=text, values={"next_action_at": timezone.now() + wait})
    except OrderMoved:
        return False
    order.submission, order.claim_token = Submission.QUEUED, ""
    return True


def _record_doubt(order: Order, text: str, *, review: str = "") -> None:
    """In doubt until the deadline, or for staff at once when `review` gives the reason."""
    with contextlib.suppress(OrderMoved):
        move(order=order, to=Submission.IN_DOUBT, text=text, values=doubt_from(timezone.now()))
    if review:
        order.refresh_from_db()
        ask_for_review(order=order, reason=review, note=text)
