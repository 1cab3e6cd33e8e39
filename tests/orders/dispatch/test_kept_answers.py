"""Answers that a killed worker, or a database that was away, left on disk: they are recorded, once and for their order.

The provider is a real HTTP server, as in `test_submit`.
"""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import InternalError, OperationalError, connection

from catalog.models import Provider, Service
from catalog.upstream.results import AddOutcome, NotSent
from orders.common.stops import stop_sending
from orders.dispatch import answer_files, kept_answers, submit
from orders.dispatch.answer_files import MAX_AGE_SECONDS, answers_folder
from orders.dispatch.kept_answers import record_kept_answers
from orders.dispatch.submit import Claim, claim_next, claim_repetition, send_add
from orders.dispatch.timeouts import expire_leases, meet_deadlines
from orders.marks import storage
from orders.models import Order, OrderEvent, PlacementAttempt, SendingStop
from orders.review import decisions
from orders.states import AttemptOutcome, ReviewReason, StopReason, Submission
from panel.alerts.models import Alert
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import (
    Killed,
    at_once,
    create_in_doubt,
    end_lease,
    fresh,
    kill_at_each_statement,
    make_all_due,
    money_of,
    nothing_changes,
    submit_now,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

# Alice's wallet after an order of 100 for $0.25.
PAID = 9_750_000
REFUNDED = 10_000_000


def refuses_with(text: str) -> faults.Fault:
    return faults.reply(body=b'{"error": "%s"}' % text.encode(), action="add")


# What the provider answers, and what becomes of the order and its attempt.
ANSWERS: dict[str, tuple[Callable[[], faults.Fault] | None, str, str]] = {
    "accepted": (None, Submission.ACCEPTED, AttemptOutcome.ACCEPTED),
    "refused": (lambda: refuses_with("Bad link"), Submission.REFUSED, AttemptOutcome.REFUSED),
    "no funds": (lambda: refuses_with("Not enough funds"), Submission.QUEUED, AttemptOutcome.REFUSED),
    "redirected": (lambda: faults.redirect("/", action="add"), Submission.QUEUED, AttemptOutcome.NOT_SENT),
    "unknown": (lambda: faults.drop_after("add"), Submission.IN_DOUBT, AttemptOutcome.UNKNOWN),
}
each_answer = pytest.mark.parametrize(("fault", "submission", "outcome"), ANSWERS.values(), ids=ANSWERS.keys())


@pytest.fixture
def order(customer: Any, service: Service) -> Order:
    """100 for $0.25."""
    return make.order(customer, service)


def files() -> list[str]:
    return sorted(os.listdir(answers_folder())) if answers_folder().exists() else []


def die(*args: Any, **values: Any) -> Any:
    raise Killed


def killed_before_recording(monkeypatch: Any, work: Callable[[], Any] = submit_now) -> None:
    """Run `work` until an answer has arrived, and kill it before anything of the answer is in the database."""
    with monkeypatch.context() as patch:
        patch.setattr(submit, "record_outcome", die)
        with pytest.raises(Killed):
            work()
    assert len(files()) == 1


# -- killed ------------------------------------------------------------------------------------------


@each_answer
def test_worker_when_killed_at_any_statement_then_answer_is_kept(
    upstream, customer, service, fault, submission, outcome
):
    """Between the answer and the commit, the answer was only in the worker's memory."""
    kept = []

    def send_one() -> None:
        if fault is not None:
            upstream.clear_faults()
            upstream.inject(fault())
        submit_now()

    def restart() -> None:
        kept.append(len(files()))
        record_kept_answers()
        # No statement runs between the commit of an attempt and its answer: each attempt was answered.
        for attempt in PlacementAttempt.objects.select_related("order"):
            assert (attempt.outcome, attempt.order.submission) == (outcome, submission)
        assert files() == []
        if not Order.objects.filter(submission=Submission.QUEUED).exists():
            make.order(customer, service)

    make.order(customer, service)
    kills = kill_at_each_statement(send_one, restart)
    assert kills > 12
    # Killed at the two statements at least that every answer takes.
    assert 2 <= sum(kept) < kills
    assert len(upstream.requests_of("add")) == PlacementAttempt.objects.count()


@each_answer
def test_worker_when_killed_before_file_goes_then_nothing_changes(
    upstream, order, monkeypatch, fault, submission, outcome
):
    """The answer is recorded, and the file of it is still there."""
    if fault is not None:
        upstream.inject(fault())
    with monkeypatch.context() as patch:
        patch.setattr(answer_files, "_remove", die)
        with pytest.raises(Killed):
            submit_now()
    assert (fresh(order).submission, len(files())) == (submission, 1)
    attempts = list(PlacementAttempt.objects.values())
    providers = list(Provider.objects.values())
    with nothing_changes():
        assert record_kept_answers() == 1
    assert list(PlacementAttempt.objects.values()) == attempts
    assert list(Provider.objects.values()) == providers
    assert (files(), Alert.objects.filter(cause__startswith="order:").count()) == ([], 0)


def test_worker_when_restarted_then_the_answer_comes_before_leases(upstream, order, monkeypatch):
    """Its lease ran out meanwhile: without the file, the order would be in doubt."""
    killed_before_recording(monkeypatch)
    end_lease(order)
    meet_deadlines()
    assert (fresh(order).submission, fresh(order).upstream_id) == (Submission.ACCEPTED, str(upstream.orders()[0].id))
    assert not OrderEvent.objects.filter(order=order, new=Submission.IN_DOUBT).exists()
    assert files() == []


def test_refusal_when_recorded_after_restart_then_it_is_refunded(upstream, customer, order, monkeypatch):
    upstream.inject(refuses_with("Bad link"))
    killed_before_recording(monkeypatch)
    assert money_of(customer)[0] == PAID
    assert submit_now() == 0
    assert (fresh(order).submission, money_of(customer)[0]) == (Submission.REFUSED, REFUNDED)


# -- the database is away ----------------------------------------------------------------------------


def fail_while_read_only(tries: list[str], count: int) -> Callable[..., Any]:
    """Return a wrapper that makes the connection read-only for the first `count` tries to record an answer.

    The error is the database's own: `InternalError` on PostgreSQL, as after a failover.
    """

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith('UPDATE "orders_placementattempt"') and len(tries) < count:
            tries.append(sql)
            read_only = "SET TRANSACTION READ ONLY" if connection.vendor == "postgresql" else "PRAGMA query_only = ON"
            connection.connection.execute(read_only)
        return execute(sql, params, many, context)

    return wrapper


@pytest.mark.django_db(transaction=True)
def test_answer_when_the_database_is_read_only_then_tried_again(upstream, provider, order, monkeypatch):
    """The error of a server that is read-only during a failover was not tried again."""
    claim = claim_next(provider_id=provider.pk)
    monkeypatch.setattr(submit, "FIRST_RECORD_WAIT", 0.001)
    tries: list[str] = []
    with connection.execute_wrapper(fail_while_read_only(tries, 9)):
        assert send_add(claim=claim)
    assert len(tries) == 9
    assert (fresh(order).submission, fresh(order).upstream_id) == (Submission.ACCEPTED, str(upstream.orders()[0].id))
    assert (files(), len(upstream.requests_of("add"))) == ([], 1)


def waits_until_given_up(monkeypatch: Any, claim: Claim, error: type[Exception]) -> list[float]:
    """Send the order while the database raises `error` at each try; return the waits between the tries, in seconds."""
    clock, waits = [1_000.0], []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds

    def fail(**values: Any) -> None:
        raise error("the database is away")

    answer = submit._add(claim)
    with monkeypatch.context() as patch:
        patch.setattr(submit, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
        patch.setattr(submit, "connection", SimpleNamespace(close=lambda: None))
        patch.setattr(submit, "record_outcome", fail)
        patch.setattr(submit, "_add", lambda claim: answer)
        with pytest.raises(error):
            # The answer took 60 of the 90 seconds of the lease.
            send_add(claim=dataclasses.replace(claim, not_after=clock[0] - 30, add_timeout=60))
    return waits


@pytest.mark.parametrize("error", [OperationalError, InternalError])
def test_answer_when_database_stays_away_then_tried_to_lease_end(upstream, provider, order, monkeypatch, error):
    claim = claim_next(provider_id=provider.pk)
    waits = waits_until_given_up(monkeypatch, claim, error)
    assert waits[:7] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0])
    assert max(waits) == 5.0
    assert 25 < sum(waits) <= 30
    assert PlacementAttempt.objects.get().finished_at is None
    assert len(files()) == 1
    assert record_kept_answers() == 1
    assert (fresh(order).submission, fresh(order).upstream_id) == (Submission.ACCEPTED, str(upstream.orders()[0].id))


def test_answer_when_its_lease_is_over_then_tried_for_a_while(upstream, provider, order, monkeypatch):
    claim = claim_next(provider_id=provider.pk)
    claim_over = dataclasses.replace(claim, not_after=-math.inf)
    answer = submit._add(claim)
    tries = [OperationalError("away"), OperationalError("away"), None]
    record = submit.record_outcome

    def fail_twice(**values: Any) -> bool:
        if error := tries.pop(0):
            raise error
        return record(**values)

    monkeypatch.setattr(submit, "connection", SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(submit, "record_outcome", fail_twice)
    monkeypatch.setattr(submit, "_add", lambda claim: answer)
    monkeypatch.setattr(submit, "FIRST_RECORD_WAIT", 0.001)
    assert send_add(claim=claim_over)
    assert fresh(order).submission == Submission.ACCEPTED


def test_sweep_when_the_database_is_away_then_the_files_stay(upstream, order, monkeypatch):
    killed_before_recording(monkeypatch)
    before = files()

    def fail(**values: Any) -> None:
        raise InternalError("cannot execute UPDATE in a read-only transaction")

    with monkeypatch.context() as patch:
        patch.setattr(kept_answers, "record_outcome", fail)
        with pytest.raises(InternalError):
            record_kept_answers()
    assert (files(), Alert.objects.count()) == (before, 0)
    assert record_kept_answers() == 1


# -- an order that did not wait ----------------------------------------------------------------------


def expire(order: Order) -> None:
    end_lease(order)
    assert expire_leases() == 1


def test_id_when_its_order_is_in_doubt_then_it_is_bound(upstream, order, monkeypatch):
    """A worker on another machine let the lease run out."""
    killed_before_recording(monkeypatch)
    expire(order)
    assert record_kept_answers() == 1
    assert (fresh(order).submission, fresh(order).upstream_id) == (Submission.ACCEPTED, str(upstream.orders()[0].id))
    assert fresh(order).accepted_attempt == PlacementAttempt.objects.get()


@pytest.mark.parametrize("text", ["Bad link", "Not enough funds", "Words never seen"])
def test_refusal_when_order_is_in_doubt_then_only_evidence(upstream, customer, order, monkeypatch, text):
    upstream.inject(refuses_with(text))
    killed_before_recording(monkeypatch)
    expire(order)
    with nothing_changes():
        assert record_kept_answers() == 1
    attempt = PlacementAttempt.objects.get()
    assert (attempt.detail, attempt.http_status) == (text, 200)
    assert Provider.objects.get().paused_until is None
    assert files() == []


def test_refusal_when_the_database_was_restored_then_only_evidence(upstream, customer, order, staff, monkeypatch):
    """In the database that was lost, staff may have sent it again: a refund could give it away."""
    upstream.inject(refuses_with("Bad link"))
    killed_before_recording(monkeypatch)
    stop_sending(reason=StopReason.RESTORED, text="A backup was restored.")
    with nothing_changes():
        assert record_kept_answers() == 1
    assert (PlacementAttempt.objects.get().detail, files()) == ("Bad link", [])
    expire(order)


def test_refusal_when_database_is_an_older_one_then_only_evidence(upstream, customer, order, monkeypatch):
    """The sweep may be the first to see the database."""
    upstream.inject(refuses_with("Bad link"))
    killed_before_recording(monkeypatch)
    mark = storage.read_file()
    storage.write(dataclasses.replace(mark, attempt=mark.attempt + 1, token="f" * 32))
    with nothing_changes():
        assert record_kept_answers() == 1
    assert SendingStop.objects.get().reason == StopReason.OLDER
    expire(order)


@pytest.mark.parametrize("decision", ["sent again", "claimed again", "refunded"])
@pytest.mark.parametrize("is_accepted", [True, False])
def test_answer_when_staff_decided_first_then_nothing_overwritten(
    upstream, provider, customer, order, staff, monkeypatch, decision, is_accepted
):
    if not is_accepted:
        upstream.inject(refuses_with("Bad link"))
    killed_before_recording(monkeypatch)
    expire(order)
    if decision == "refunded":
        decisions.refund_unaccepted(order=fresh(order), note="We could not place it", actor=staff)
    else:
        decisions.send_again(order=fresh(order), actor=staff)
    if decision == "claimed again":
        assert claim_next(provider_id=provider.pk) is not None
    before, money = Order.objects.values().get(), money_of(customer)
    assert record_kept_answers() == 1
    after = Order.objects.values().get()
    alerts = Alert.objects.filter(cause=f"order:{order.pk}:late")
    if is_accepted:
        assert str(upstream.orders()[0].id) in alerts.get().text
    else:
        assert not alerts.exists()
    if is_accepted and decision == "sent again":
        # Staff queued it because they believed that it was not accepted: it must not be sent.
        assert (after["submission"], after["review_reason"]) == (Submission.QUEUED, ReviewReason.DOUBT)
    else:
        assert after == before
    assert money_of(customer) == money
    end_lease(order)
    expire_leases()


def test_repetition_when_recorded_late_then_its_promise_is_checked(customer, monkeypatch):
    """The worker that was killed would have noted it: otherwise a provider that accepts a request ID twice stays
    trusted.
    """
    with SandboxServer(key="upstream-key", speed=0, request_ids=True) as upstream:
        upstream.set_service(1, rate="2", min=10, max=10_000, type="Default")
        provider = make.provider(url=upstream.url, api_key=upstream.key, request_id_parameter="request_id")
        first = make.order(customer, make.service(provider))
        killed_before_recording(monkeypatch)
        assert record_kept_answers() == 1
        assert Provider.objects.get().promise_unchecked is None
        doubt = create_in_doubt(upstream, customer, first.service, quantity=70)
        Provider.objects.update(paused_until=None)
        killed_before_recording(monkeypatch, lambda: send_add(claim=claim_repetition(order=fresh(doubt))))
        assert record_kept_answers() == 1
        assert len(upstream.orders()) == 2
    assert (fresh(doubt).submission, Provider.objects.get().promise_unchecked) == (Submission.ACCEPTED, doubt.pk)


# -- several processes -------------------------------------------------------------------------------


@pytest.mark.parametrize(("is_guarded", "failures"), [(True, 1), (False, 2)])
def test_sweep_when_the_worker_is_still_recording_then_it_waits(upstream, order, monkeypatch, is_guarded, failures):
    """Recorded by two at once, an unclear answer would count twice."""
    upstream.inject(faults.drop_after("add"))
    record, swept = submit.record_outcome, []

    def meanwhile(**values: Any) -> bool:
        swept.append(record_kept_answers())
        return record(**values)

    monkeypatch.setattr(submit, "record_outcome", meanwhile)
    if not is_guarded:
        monkeypatch.setattr(answer_files, "_lock", lambda descriptor: True)
    submit_now()
    assert (swept, Provider.objects.get().failures_in_row) == ([failures - 1], failures)
    assert (fresh(order).submission, files()) == (Submission.IN_DOUBT, [])


@pytest.mark.django_db(transaction=True)
def test_sweeps_when_several_run_then_each_answer_counts_once(upstream, customer, service, monkeypatch):
    Provider.objects.update(max_parallel_adds=20)
    made = [make.order(customer, service, link=f"https://example.com/{number}") for number in range(6)]
    make_all_due()
    with monkeypatch.context() as patch:
        patch.setattr(submit, "record_outcome", die)
        for _ in made:
            with pytest.raises(Killed):
                submit.submit_for_provider(provider=service.upstream.provider)
    assert len(files()) == 6
    assert sum(at_once(4, lambda number: record_kept_answers())) == 6
    there = {one.link: str(one.id) for one in upstream.orders()}
    assert {one.link: fresh(one).upstream_id for one in made} == there
    assert OrderEvent.objects.filter(new=Submission.ACCEPTED).count() == 6
    assert (files(), Alert.objects.count()) == ([], 0)


# -- files that a person must see --------------------------------------------------------------------


def test_answer_when_no_attempt_has_its_token_then_alert_and_kept(upstream, provider, order, monkeypatch):
    """An older backup was restored. The order with this number may be another one: nothing is guessed."""
    killed_before_recording(monkeypatch)
    token = PlacementAttempt.objects.get().token
    PlacementAttempt.objects.update(token="f" * 32)
    for _ in range(3):
        with nothing_changes():
            assert record_kept_answers() == 0
    alert = Alert.objects.get()
    assert (alert.cause, alert.level, alert.count) == ("answers", "danger", 1)
    assert f"{provider.name} accepted an order as {upstream.orders()[0].id}" in alert.text
    assert alert.text.endswith(f"{answers_folder()}: {token}.foreign.json")
    assert files() == [f"{token}.foreign.json"]

    # The database that has the attempt is back.
    PlacementAttempt.objects.update(token=token)
    assert record_kept_answers() == 1
    assert (fresh(order).submission, files()) == (Submission.ACCEPTED, [])


def test_answer_when_foreign_for_thirty_days_then_it_is_removed(upstream, order, monkeypatch):
    killed_before_recording(monkeypatch)
    PlacementAttempt.objects.update(token="f" * 32)
    record_kept_answers()
    [name] = files()
    old = time.time() - MAX_AGE_SECONDS - 10
    os.utime(answers_folder() / name, (old, old))
    assert record_kept_answers() == 0
    assert files() == []
    expire(order)


def test_attempt_when_its_number_is_used_again_then_not_written(upstream, provider, order, monkeypatch):
    """The database was restored before the answer came, and gave the attempt's number to another attempt."""
    claim = claim_next(provider_id=provider.pk)
    PlacementAttempt.objects.update(token="f" * 32)
    Order.objects.update(claim_token="f" * 32)
    send_add(claim=claim)
    attempt = PlacementAttempt.objects.get()
    assert (attempt.outcome, attempt.finished_at) == (AttemptOutcome.SENDING, None)
    assert fresh(order).submission == Submission.SUBMITTING
    assert Alert.objects.filter(cause=f"order:{order.pk}:late").exists()
    expire(order)


def test_file_when_it_is_unreadable_then_alert_and_others_recorded(upstream, order, monkeypatch):
    killed_before_recording(monkeypatch)
    (answers_folder() / ("0" * 32 + ".json")).write_text('{"kind": "accepted"')
    assert record_kept_answers() == 1
    assert fresh(order).submission == Submission.ACCEPTED
    assert files() == ["0" * 32 + ".bad"]
    alert = Alert.objects.get()
    assert (alert.cause, alert.level) == ("answers", "danger")
    assert alert.text.endswith("0" * 32 + ".bad")
    assert record_kept_answers() == 0
    assert Alert.objects.get().count == 1


def test_file_when_it_cannot_be_opened_then_others_are_recorded(upstream, order, monkeypatch):
    killed_before_recording(monkeypatch)
    (answers_folder() / ("0" * 32 + ".json")).mkdir()
    assert record_kept_answers() == 1
    alert = Alert.objects.get()
    assert (alert.cause, alert.text.endswith(".json: Is a directory.")) == ("answers", True)


def test_answer_when_recording_fails_by_our_error_then_set_aside(upstream, order, monkeypatch):
    """An error of ours is not tried for ever: staff decide by the evidence."""

    def break_down(**values: Any) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(submit, "record_outcome", break_down)
        patch.setattr(kept_answers, "record_outcome", break_down)
        with pytest.raises(RuntimeError):
            submit_now()
        [name] = files()
        assert record_kept_answers() == 0
    assert files() == [name.replace(".json", ".bad")]
    assert "a bug" in Alert.objects.get().text
    assert PlacementAttempt.objects.get().outcome == AttemptOutcome.ACCEPTED
    expire(order)


def test_disk_when_it_cannot_be_written_then_recorded_with_alert(upstream, order, settings, tmp_path):
    settings.VAR_DIR = tmp_path
    answers_folder().write_text("in the way")
    assert submit_now() == 1
    assert (fresh(order).submission, fresh(order).upstream_id) == (Submission.ACCEPTED, str(upstream.orders()[0].id))
    alert = Alert.objects.get()
    assert (alert.cause, alert.level) == ("answers:disk", "danger")
    assert "Not a directory" in alert.text


def test_api_key_when_the_provider_repeats_it_then_not_in_the_file(upstream, order, monkeypatch):
    body = b'{"order": 17, "debug": "key=%s"}' % upstream.key.encode()
    upstream.inject(faults.reply(body=body, action="add"))
    killed_before_recording(monkeypatch)
    [name] = files()
    text = Path(answers_folder() / name).read_text()
    assert "17" in text
    assert upstream.key not in text
    assert record_kept_answers() == 1


def test_outcome_when_nothing_was_sent_then_it_is_kept_as_well(monkeypatch, customer):
    """The worker knows that nothing was sent: without the file, the order would be in doubt."""
    order = make.order(customer, make.service(make.provider(url="http://127.0.0.1:9/api/v2")))
    seen: list[AddOutcome] = []

    def note_and_die(**values: Any) -> None:
        seen.append(values["outcome"])
        raise Killed

    monkeypatch.setattr(submit, "record_outcome", note_and_die)
    with pytest.raises(Killed):
        submit_now()
    assert isinstance(seen[0], NotSent)
    assert record_kept_answers() == 1
    assert fresh(order).submission == Submission.QUEUED
    assert Provider.objects.get().failures_in_row == 1
