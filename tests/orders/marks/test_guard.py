"""Databases that were replaced by older ones, and what may be sent from them: nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache, caches
from django.utils import timezone

from billing.models import Entry
from orders.checkout.drip_feeds import NothingToStop, begin_due_runs, stop_drip_feed
from orders.common.stops import open_stops, stop_sending
from orders.dispatch import submit
from orders.dispatch.submit import submit_due_orders
from orders.dispatch.timeouts import end_held_orders
from orders.marks import guard, storage
from orders.models import DatabaseIdentity, DripFeed, Order, PlacementAttempt
from orders.requests.cancel import TooLate, withdraw_order
from orders.states import AttemptOutcome, StopReason, Submission
from panel.alerts.models import Alert, Heartbeat
from panel.lib.sequences import skip_numbers
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import fresh, nothing_changes, statements, submit_now

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(customer: Any, service: Any) -> Order:
    """An order that was sent: the mark names its attempt."""
    order = make.order(customer, service)
    submit_now()
    return fresh(order)


def forget(order: Order) -> None:
    """Put the order back to where a backup from before its sending has it."""
    Order.objects.filter(pk=order.pk).update(
        submission=Submission.QUEUED, upstream_id=None, upstream_number=None, accepted_attempt=None,
        accepted_at=None, next_poll_at=None, next_action_at=timezone.now(), attempts=0, claim_token="",
    )  # fmt: skip
    order.poll.delete()
    PlacementAttempt.objects.filter(order=order).delete()


def stop_reason() -> str | None:
    stop = open_stops().first()
    return stop.reason if stop else None


def mark_path() -> Path:
    return Path(settings.VAR_DIR) / storage.FILE


def test_mark_when_an_order_is_sent_then_names_its_attempt(sent: Order) -> None:
    attempt = PlacementAttempt.objects.get()
    mark = storage.read_file()
    assert mark is not None
    assert (mark.attempt, mark.token, mark.order) == (attempt.pk, attempt.token, sent.pk)
    identity = DatabaseIdentity.objects.get()
    assert (mark.identity, mark.generation) == (identity.token, 1)
    assert identity.marked_at is not None
    assert identity.site_url == settings.SITE_URL


def test_order_when_database_is_older_than_its_sending_then_not_sent(sent: Order, upstream: SandboxServer) -> None:
    forget(sent)
    assert submit_due_orders() == 0
    assert len(upstream.orders()) == 1
    assert stop_reason() == StopReason.OLDER
    assert Alert.objects.get(cause="sending").level == "danger"
    assert submit_due_orders() == 0


def test_claim_when_the_database_is_replaced_during_a_round_then_not_made(
    sent: Order, provider: Any, upstream: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "may_send", lambda: True)
    forget(sent)
    assert submit_due_orders() == 0
    assert len(upstream.orders()) == 1
    assert stop_reason() == StopReason.OLDER


def test_attempt_number_when_given_again_then_still_recognized(sent: Order, upstream: SandboxServer) -> None:
    """A restored database counts on: its next attempt gets the number of the one that it lost."""
    lost = PlacementAttempt.objects.get().pk
    forget(sent)
    PlacementAttempt.objects.create(pk=lost, order=sent, token="another")
    assert submit_due_orders() == 0
    assert stop_reason() == StopReason.OLDER


@pytest.mark.parametrize("text", [None, "", "{"])
def test_mark_when_missing_or_broken_beside_attempts_then_stopped(sent: Order, text: str | None) -> None:
    mark_path().unlink() if text is None else mark_path().write_text(text)
    storage._with_cache(lambda: storage.cache.clear())
    assert not guard.may_send()
    assert stop_reason() == StopReason.NO_MARK


def test_mark_when_only_the_cache_has_it_then_written_again(sent: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = storage.read_file()
    mark_path().unlink()
    monkeypatch.setattr(storage, "read_cache", lambda: mark)
    assert guard.may_send()
    written = storage.read_file()
    assert written is not None and written.token == mark.token


def test_installation_when_upgraded_to_marks_then_sends(sent: Order, customer: Any, service: Any) -> None:
    DatabaseIdentity.objects.all().delete()
    mark_path().unlink()
    storage._with_cache(lambda: storage.cache.clear())
    DatabaseIdentity.objects.create(pk=1, token="this", confirmed_at=timezone.now() - timedelta(minutes=5))
    make.order(customer, service, link="https://example.com/2")
    assert submit_due_orders() == 1
    assert stop_reason() is None


def test_backup_from_before_marks_when_restored_elsewhere_then_stopped(sent: Order) -> None:
    DatabaseIdentity.objects.all().delete()
    mark_path().unlink()
    storage._with_cache(lambda: storage.cache.clear())
    Heartbeat.objects.create(task="poll_orders")
    assert not guard.may_send()
    assert stop_reason() == StopReason.NO_MARK


def test_staging_copy_when_run_at_another_address_then_sends_nothing(
    sent: Order, customer: Any, service: Any, upstream: SandboxServer, settings: Any
) -> None:
    settings.SITE_URL = "https://staging.example.com"
    DatabaseIdentity.objects.update(site_url="https://panel.example.com")
    make.order(customer, service, link="https://example.com/2")
    assert submit_due_orders() == 0
    assert len(upstream.orders()) == 1
    assert stop_reason() == StopReason.OTHER_SITE


def test_order_when_the_mark_cannot_be_written_then_not_sent(
    customer: Any, service: Any, upstream: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = make.order(customer, service)
    assert guard.may_send()

    def fail(mark: storage.Mark) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(storage, "_replace", fail)
    submit_due_orders()
    assert upstream.orders() == []
    assert fresh(order).submission == Submission.QUEUED
    assert PlacementAttempt.objects.get().outcome == AttemptOutcome.NOT_SENT
    assert Alert.objects.filter(cause="mark", resolved_at=None).exists()


def test_round_when_the_mark_cannot_be_written_then_nothing_claimed(
    customer: Any, service: Any, tmp_path: Path, settings: Any
) -> None:
    make.order(customer, service)
    folder = settings.VAR_DIR
    (tmp_path / "file").write_text("")
    settings.VAR_DIR = tmp_path / "file"
    assert submit_due_orders() == 0
    assert not PlacementAttempt.objects.exists()
    settings.VAR_DIR = folder
    assert submit_due_orders() == 1
    assert not Alert.objects.filter(cause="mark", resolved_at=None).exists()


def test_numbers_when_an_older_database_is_found_then_skipped(sent: Order, customer: Any, service: Any) -> None:
    lost = make.order(customer, service, link="https://example.com/lost")
    guard.note_numbers()
    mark = storage.read_file()
    assert mark.order == lost.pk
    forget(sent)
    assert not guard.may_send()
    new = make.order(customer, service, link="https://example.com/2")
    assert new.pk > lost.pk + guard.SPARE_NUMBERS
    assert PlacementAttempt.objects.create(order=new, token="new").pk > mark.attempt + guard.SPARE_NUMBERS
    assert Entry.objects.latest("pk").pk > mark.entry + guard.SPARE_NUMBERS


def test_numbers_when_noted_often_then_written_once_a_second(sent: Order, customer: Any, service: Any) -> None:
    guard.note_numbers()
    before = storage.read_file()
    make.order(customer, service, link="https://example.com/2")
    guard.note_numbers()
    assert storage.read_file() == before


def test_withdrawal_when_the_database_is_older_then_refused(sent: Order, customer: Any) -> None:
    forget(sent)
    with nothing_changes(), pytest.raises(TooLate, match="checking which of them were sent"):
        withdraw_order(order=fresh(sent), actor=customer)


def test_queue_limit_when_restored_then_nothing_is_refunded(sent: Order) -> None:
    forget(sent)
    Order.objects.update(queued_at=timezone.now() - timedelta(days=9))
    guard.may_send()
    assert end_held_orders() == 0
    assert fresh(sent).refunded == 0


def test_sequence_when_ahead_already_then_not_set_back(sent: Order) -> None:
    before = PlacementAttempt.objects.create(order=sent, token="one").pk
    skip_numbers(model=PlacementAttempt, up_to=before - 1)
    assert PlacementAttempt.objects.create(order=sent, token="two").pk > before


def test_check_when_made_then_one_query(sent: Order) -> None:
    with statements() as found:
        guard.check_database()
    assert len(found) == 1


def test_withdrawal_when_a_web_server_has_no_mark_then_refused_and_nothing_stopped(
    sent: Order, customer: Any, service: Any
) -> None:
    """A web server of its own has no folder of the worker's, and its cache may rest for a moment."""
    order = make.order(customer, service, link="https://example.com/2")
    mark_path().unlink()
    storage._with_cache(lambda: storage.cache.clear())
    with nothing_changes(), pytest.raises(TooLate):
        withdraw_order(order=order, actor=customer)
    assert stop_reason() is None


def test_numbers_when_noted_on_another_machine_then_its_own_mark(sent: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = storage.read_file()
    mark_path().unlink()
    monkeypatch.setattr(storage, "read_cache", lambda: mark)
    monkeypatch.setattr(guard, "machine", lambda: "web")
    guard.note_numbers()
    assert storage.read_file().machine == "web"
    assert guard.is_latest()


def test_database_when_older_and_stopped_already_then_found_all_the_same(sent: Order) -> None:
    """The stop may be in the backup."""
    stop_sending(reason=StopReason.NO_MARK, text="Of the backup.")
    forget(sent)
    assert not guard.may_send()
    assert [stop.reason for stop in open_stops()] == [StopReason.NO_MARK, StopReason.OLDER]


def test_runs_and_refunds_when_the_database_is_older_then_wait_before_any_claim(
    sent: Order, customer: Any, service: Any
) -> None:
    forget(sent)
    drip = make.drip(customer, service, quantity=100, runs=3, interval=60)
    DripFeed.objects.filter(pk=drip.pk).update(next_run_at=timezone.now())
    Order.objects.update(queued_at=timezone.now() - timedelta(days=9))
    with nothing_changes():
        assert (begin_due_runs(), end_held_orders()) == (0, 0)
        with pytest.raises(NothingToStop):
            stop_drip_feed(drip=drip, actor=customer)
    assert stop_reason() == StopReason.OLDER


@pytest.fixture
def old_key(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Where workers of the release before keep the mark, in a cache that other processes share."""
    monkeypatch.setattr(storage, "has_shared_cache", lambda: True)
    before = {**settings.CACHES["release_before"], "KEY_PREFIX": f"old-{settings.PANEL_PREFIX}"}
    settings.CACHES = {**settings.CACHES, "release_before": before}
    return caches["release_before"]


def only_under_the_old_key(old_key: Any, mark: storage.Mark) -> None:
    """Leave what an upgrade finds on a machine that keeps no folder."""
    mark_path().unlink(missing_ok=True)
    cache.delete(storage._KEY)
    old_key.set(storage._KEY, json.dumps(asdict(mark)), None)


def test_mark_when_only_the_release_before_kept_it_then_found(sent: Order, old_key: Any) -> None:
    only_under_the_old_key(old_key, storage.read_file())
    assert guard.may_send() and stop_reason() is None


def test_restore_when_only_the_old_mark_knows_of_it_then_stops(sent: Order, old_key: Any) -> None:
    only_under_the_old_key(old_key, storage.read_file())
    forget(sent)
    assert not guard.may_send() and stop_reason() == StopReason.OLDER


def test_restore_when_an_older_worker_sent_last_then_stops(
    sent: Order, old_key: Any, customer: Any, service: Any
) -> None:
    before = storage.read_file()
    later = make.order(customer, service, link="https://example.com/later")
    submit_now()
    old_key.set(storage._KEY, json.dumps(asdict(storage.read_file())), None)
    storage._replace(before)
    cache.set(storage._KEY, json.dumps(asdict(before)), None)
    assert guard.may_send()
    forget(later)
    assert not guard.may_send() and stop_reason() == StopReason.OLDER


def test_mark_when_another_panel_wrote_the_old_one_then_ignored(sent: Order, old_key: Any) -> None:
    mark = storage.read_file()
    old_key.set(storage._KEY, json.dumps(asdict(replace(mark, identity="another", attempt=999))), None)
    assert guard.may_send() and stop_reason() is None
    only_under_the_old_key(old_key, replace(mark, identity="another", attempt=999))
    assert not guard.may_send() and stop_reason() == StopReason.NO_MARK
