"""Recording the answers that lie on disk: their worker was killed, or the database was away until their lease ended."""

from __future__ import annotations

import structlog

from catalog.models import Provider
from catalog.upstream.results import AddAccepted, AddOutcome, NotSent, Refused
from orders.dispatch.answer_files import AnswerFile, answers_folder, find_answer_files, opened
from orders.dispatch.answer_json import KeptAnswer, answer_from_json
from orders.dispatch.outcomes import DATABASE_AWAY, keep_evidence, record_outcome
from orders.marks.guard import is_latest
from orders.models import PlacementAttempt
from orders.states import Submission
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.site.submission_times import submission_times

log = structlog.get_logger(__name__)


def record_kept_answers() -> int:
    """Record the answers on disk whose workers no longer do. Return how many.

    One that cannot be recorded is set aside with an alert. If the database is away, its error is raised and the files
    stay as they are.
    """
    paths = find_answer_files()
    if not paths:
        return 0
    _, lease_seconds = submission_times()
    recorded = 0
    for path in paths:
        try:
            with opened(path, lock_seconds=lease_seconds) as file:
                recorded += file is not None and _record_and_remove(file)
        except OSError as error:
            log.exception("kept answer not opened", file=path.name)
            text = f"A provider's answer to an order cannot be read from {path}: {error.strerror or error}."
            raise_alert(cause=Cause.ANSWERS, text=text, level="danger")
    return recorded


def _record_and_remove(file: AnswerFile) -> bool:
    """Record the answer in this file and remove it. Return False if it was not recorded."""
    try:
        is_recorded = _record_file(file)
    except DATABASE_AWAY:
        raise
    except Exception as error:
        log.exception("kept answer not recorded", token=file.token)
        text = f"A provider's answer to an order could not be recorded: {error!r}. The file was set aside in"
        raise_alert(cause=Cause.ANSWERS, text=f"{text[:350]} {answers_folder()}: {file.token}.bad", level="danger")
        file.set_aside()
        return False
    # Only now: the commit is done.
    if is_recorded:
        file.remove()
    return is_recorded


def _record_file(file: AnswerFile) -> bool:
    """Record the answer under its token. Return False if no attempt has this token."""
    answer = answer_from_json(file.read())
    attempt = PlacementAttempt.objects.select_related("order__provider").filter(token=file.token).first()
    if attempt is None:
        if not file.is_foreign:
            _alert_foreign(file, answer)
            file.mark_foreign()
        return False
    _record_late(attempt, answer.outcome)
    log.info("kept answer recorded", order=attempt.order_id, outcome=type(answer.outcome).__name__)
    return True


def _record_late(attempt: PlacementAttempt, outcome: AddOutcome) -> None:
    """Record the outcome if its order still waits for it, or if it is an id, which also resolves a doubt.

    A refusal of an order that was decided otherwise, or is in doubt, is kept as evidence only. So is any refusal while
    the database may be a restored one: the order may have been sent again since.
    """
    order = attempt.order
    is_awaited = order.submission == Submission.SUBMITTING and order.claim_token == attempt.token
    if isinstance(outcome, AddAccepted):
        if order.accepted_attempt_id != attempt.pk:
            # As the order was claimed, whatever happened since: `record_outcome` is fenced by the token.
            order.submission, order.claim_token, order.review_reason = Submission.SUBMITTING, attempt.token, ""
            record_outcome(provider=order.provider, order=order, attempt=attempt, outcome=outcome)
        _check_promise(attempt)
    elif is_awaited and is_latest():
        record_outcome(provider=order.provider, order=order, attempt=attempt, outcome=outcome)
    elif attempt.finished_at is None:
        keep_evidence(attempt=attempt, outcome=outcome)


def _check_promise(attempt: PlacementAttempt) -> None:
    """Let the next round of reconciliation check for a duplicate if the accepted attempt was a repetition."""
    if not attempt.request_id:
        return
    earlier = PlacementAttempt.objects.filter(
        order=attempt.order_id,
        request_id=attempt.request_id,
        request_scope=attempt.request_scope,
        pk__lt=attempt.pk,
    )
    if earlier.exists():
        Provider.objects.filter(pk=attempt.order.provider_id, promise_unchecked=None).update(
            promise_unchecked=attempt.order_id
        )


def _alert_foreign(file: AnswerFile, answer: KeptAnswer) -> None:
    text = (
        f"{answer.provider_name} {_what_it_says(answer.outcome)}, but this database has no such attempt. Perhaps an "
        f"older backup was restored. The answer is kept for 30 days in {answers_folder()}: {file.token}.foreign.json"
    )
    raise_alert(cause=Cause.ANSWERS, text=text, level="danger")


def _what_it_says(outcome: AddOutcome) -> str:
    if isinstance(outcome, AddAccepted):
        return f"accepted an order as {outcome.order_id}"
    if isinstance(outcome, Refused):
        return "refused an order"
    return "was sent no order" if isinstance(outcome, NotSent) else "gave no clear answer to an order"


def alert_unwritable(*, obstacle: str) -> None:
    """Raise an alert: an answer could not be kept on disk while it was recorded."""
    text = (
        f"The answer to an order could not be written to {answers_folder()}: {obstacle}. It was recorded all the same. "
        "Until this is repaired, an answer is lost if the database is away or a worker ends at that moment."
    )
    raise_alert(cause=Cause.ANSWER_DISK, text=text, level="danger")
