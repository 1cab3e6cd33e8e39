"""A paused drip-feed begins no run, by this release's worker or the one before, and goes on as it was resumed."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from orders.checkout import drip_feeds
from orders.checkout.drip_feeds import (
    CannotPause,
    begin_due_runs,
    begin_next_run,
    pause_drip_feed,
    resume_drip_feed,
    stop_drip_feed,
)
from orders.models import DripFeed, Order
from panel.ops.invariants import find_breaches
from tests import make
from tests.orders.checkout.test_drip_feeds import due_drips, fresh, make_due, next_run, runs
from tests.scenes import at_once, kill_at_each_statement, money_of, nothing_changes
from tests.threads import in_threads

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

RACE = pytest.mark.django_db(transaction=True)


@pytest.fixture
def drip(customer, service) -> DripFeed:
    """Three runs an hour apart, of which one has begun."""
    return make.drip(customer, service)


@pytest.mark.usefixtures("frozen_clock")
def test_pause_when_running_then_no_run_begins_until_resumed(drip, customer):
    in_ten = timezone.now() + timedelta(minutes=10)
    DripFeed.objects.filter(pk=drip.pk).update(next_run_at=in_ten)
    before = money_of(customer)
    assert pause_drip_feed(drip=drip) is True
    assert (drip.is_paused, drip.is_running, drip.next_run_at, drip.wait_left) == (True, True, None, 600)
    assert begin_due_runs() == 0
    assert begin_next_run(pk=drip.pk) is False
    assert resume_drip_feed(drip=drip) is True
    assert (drip.is_paused, drip.wait_left, drip.next_run_at) == (False, None, in_ten)
    assert next_run(drip).run == 2
    assert money_of(customer) == before


@pytest.mark.usefixtures("frozen_clock")
def test_resume_when_the_run_was_overdue_then_it_is_due_at_once(drip):
    make_due(drip, late=timedelta(days=3))
    pause_drip_feed(drip=drip)
    assert drip.wait_left == 0
    resume_drip_feed(drip=drip)
    assert begin_due_runs() == 1


def test_pause_and_resume_when_repeated_then_nothing_changes(drip):
    with nothing_changes():
        assert resume_drip_feed(drip=drip) is False
    pause_drip_feed(drip=drip)
    with nothing_changes():
        assert pause_drip_feed(drip=drip) is False


def test_stop_when_paused_then_the_runs_that_never_began_are_refunded(drip, customer):
    pause_drip_feed(drip=drip)
    assert stop_drip_feed(drip=drip, actor=customer) == 500_000
    assert (drip.state, drip.paused_at, drip.shown_state) == ("stopped", None, "stopped")
    for change in (pause_drip_feed, resume_drip_feed):
        with nothing_changes(), pytest.raises(CannotPause):
            change(drip=drip)


def test_pause_when_orders_may_be_missing_here_then_refused(drip, monkeypatch):
    monkeypatch.setattr(drip_feeds, "may_lack_orders", lambda *, provider_id: True)
    for change in (pause_drip_feed, resume_drip_feed):
        with nothing_changes(), pytest.raises(CannotPause, match="try again later"):
            change(drip=drip)


def test_plan_when_running_then_the_last_run_is_known(drip):
    assert drip.last_run_at == fresh(drip).next_run_at + timedelta(hours=1)
    pause_drip_feed(drip=drip)
    assert drip.last_run_at is None


def test_overview_when_paused_then_its_runs_are_still_owed(drip, staff_client):
    pause_drip_feed(drip=drip)
    assert "$9.75" in staff_client.get("/admin/").content.decode()


def test_database_when_a_paused_one_would_have_a_next_run_then_refused(drip):
    """The release before picks runs by `next_run_at` alone."""
    pause_drip_feed(drip=drip)
    with pytest.raises(IntegrityError), transaction.atomic():
        DripFeed.objects.filter(pk=drip.pk).update(next_run_at=timezone.now())


def test_pause_and_resume_when_killed_at_any_statement_then_all_or_nothing(drip):
    def is_whole() -> None:
        now = fresh(drip)
        assert (now.paused_at is None, now.next_run_at is None) in ((True, False), (False, True))

    for change in (pause_drip_feed, resume_drip_feed):
        assert kill_at_each_statement(lambda change=change: change(drip=fresh(drip)), is_whole) >= 2


# -- at once -----------------------------------------------------------------------------------------


@RACE
@pytest.mark.parametrize("attempt", range(3))
def test_pause_and_begin_when_at_once_then_the_run_begins_or_waits(attempt):
    [drip] = due_drips(1)
    begun, paused = in_threads(lambda: begin_next_run(pk=drip.pk), lambda: pause_drip_feed(drip=fresh(drip)))
    now = fresh(drip)
    assert paused is True
    assert (now.is_paused, now.next_run_at) == (True, None)
    assert runs(drip) == ([1, 2] if begun else [1])
    assert begin_due_runs() == 0
    assert find_breaches() == []


@RACE
def test_run_when_it_was_read_before_the_pause_then_it_does_not_begin():
    """Without the lock, the condition on the pause alone keeps a worker from beginning the run."""
    [drip] = due_drips(1)
    read = DripFeed.objects.select_related("service__upstream__provider").get(pk=drip.pk)
    pause_drip_feed(drip=fresh(drip))
    with pytest.raises(RuntimeError, match="moved"), transaction.atomic():
        drip_feeds._begin(read, read.service, timezone.now(), "late", service_type="default")
    assert (runs(drip), fresh(drip).is_paused) == ([1], True)
    assert Order.objects.count() == 1


@RACE
def test_pause_and_resume_when_eight_threads_send_them_then_each_once():
    [drip] = due_drips(1)
    assert Counter(at_once(8, lambda _: pause_drip_feed(drip=fresh(drip)))) == {True: 1, False: 7}
    assert Counter(at_once(8, lambda _: resume_drip_feed(drip=fresh(drip)))) == {True: 1, False: 7}
    assert begin_due_runs() == 1


@RACE
@pytest.mark.parametrize("attempt", range(3))
def test_pause_and_stop_when_at_once_then_refunded_once(attempt):
    [drip] = due_drips(1)

    def pause() -> None:
        with suppress(CannotPause):
            pause_drip_feed(drip=fresh(drip))

    in_threads(pause, lambda: stop_drip_feed(drip=fresh(drip), actor=drip.customer))
    assert (fresh(drip).state, fresh(drip).refunded) == ("stopped", 500_000)
    assert find_breaches() == []
