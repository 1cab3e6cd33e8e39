"""From a restored database to one that sends again, without anything sent twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Provider
from orders.checkout.drip_feeds import begin_due_runs
from orders.common.stops import open_stops, resume_sending, stop_sending
from orders.dispatch.submit import submit_due_orders
from orders.dispatch.timeouts import expire_leases, meet_deadlines
from orders.marks import guard, storage
from orders.models import DatabaseIdentity, DripFeed, Order, PlacementAttempt, Refill, SendingStop
from orders.recovery import after_restore
from orders.recovery.after_restore import (
    NotConfirmable,
    NotStopped,
    begin_after_restore,
    confirm_latest,
    last_known,
)
from orders.states import AttemptOutcome, RefillState, StopReason, Submission
from panel.alerts.models import Alert
from panel.sandbox.server import SandboxServer
from tests import make
from tests.orders.conftest import rolled_back
from tests.scenes import (
    Killed,
    count_adds,
    create_in_doubt,
    create_known_orders,
    fresh,
    make_all_due,
    nothing_changes,
    reconcile_now,
    submit_now,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


def submissions(orders: list[Order]) -> list[str]:
    return [fresh(order).submission for order in orders]


def test_restored_queue_when_walked_through_then_nothing_is_sent_twice(
    queued: list[Order], upstream: SandboxServer, staff: Any
) -> None:
    adds = count_adds(upstream)
    make_all_due()
    assert submit_due_orders() == 0
    assert [stop.reason for stop in open_stops()] == [StopReason.OLDER]
    done = begin_after_restore(actor=staff)
    assert (done.doubts, done.runs, done.providers) == (3, 0, 1)
    assert submissions(queued) == [Submission.IN_DOUBT] * 3
    assert {attempt.outcome for attempt in PlacementAttempt.objects.filter(order__in=queued)} == {
        AttemptOutcome.AFTER_BACKUP
    }
    [stop] = open_stops()
    assert (stop.provider, stop.reason) == (queued[0].provider, StopReason.RESTORED)
    make_all_due()
    submit_due_orders()
    reconcile_now()
    assert submissions(queued) == [Submission.IN_DOUBT] * 3
    assert count_adds(upstream) == adds


def test_new_order_when_its_provider_is_resumed_then_sent(
    queued: list[Order], upstream: SandboxServer, customer: Any, service: Any, staff: Any
) -> None:
    guard.may_send()
    begin_after_restore(actor=staff)
    new = make.order(customer, service, quantity=500)
    submit_now()
    assert fresh(new).submission == Submission.QUEUED
    resume_sending(stop=open_stops().get(), actor=staff)
    submit_now()
    assert fresh(new).submission == Submission.ACCEPTED
    assert submissions(queued) == [Submission.IN_DOUBT] * 3


def test_numbers_when_given_after_the_backup_then_not_given_again(queued: list[Order], staff: Any) -> None:
    mark = storage.read_file()
    assert mark is not None
    guard.may_send()
    begin_after_restore(actor=staff)
    new = make.order(queued[0].customer, queued[0].service, quantity=500)
    assert new.pk > mark.order
    assert PlacementAttempt.objects.latest("pk").pk > mark.attempt


def test_numbers_when_no_mark_says_them_then_far_ahead(queued: list[Order], staff: Any) -> None:
    storage_path = guard.settings.VAR_DIR / storage.FILE
    storage_path.unlink()
    storage._with_cache(lambda: storage.cache.clear())
    stop_sending(reason=StopReason.RESTORED, text="Restored.")
    highest = PlacementAttempt.objects.latest("pk").pk
    begin_after_restore(actor=staff)
    assert PlacementAttempt.objects.latest("pk").pk > highest + after_restore.MIN_UNKNOWN_NUMBERS
    new = make.order(queued[0].customer, queued[0].service, quantity=500)
    assert new.pk > queued[-1].pk + after_restore.MIN_UNKNOWN_NUMBERS


def test_search_when_one_id_agrees_after_a_restore_then_not_bound(
    upstream: SandboxServer, customer: Any, service: Any, staff: Any
) -> None:
    create_known_orders(upstream, customer, service)
    order = make.order(customer, service, quantity=100)
    with rolled_back():
        submit_now()
    guard.may_send()
    begin_after_restore(actor=staff)
    reconcile_now()
    assert fresh(order).submission == Submission.IN_DOUBT
    note = PlacementAttempt.objects.get(order=order).search_note
    assert "After a restore you decide" in note


def test_walk_through_when_repeated_or_killed_then_goes_on(
    queued: list[Order], staff: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard.may_send()
    doubt = after_restore._doubt

    def die(order: Order) -> bool:
        if order.pk == queued[1].pk:
            raise Killed
        return doubt(order)

    monkeypatch.setattr(after_restore, "_doubt", die)
    with pytest.raises(Killed):
        begin_after_restore(actor=staff)
    assert submissions(queued) == [Submission.IN_DOUBT, Submission.QUEUED, Submission.QUEUED]
    assert not guard.may_send()
    monkeypatch.undo()
    assert begin_after_restore(actor=staff).doubts == 2
    assert PlacementAttempt.objects.filter(outcome=AttemptOutcome.AFTER_BACKUP).count() == 3
    with pytest.raises(NotStopped):
        begin_after_restore(actor=staff)


def test_order_when_created_after_the_stop_then_stays_queued(queued: list[Order], staff: Any) -> None:
    guard.may_send()
    new = make.order(queued[0].customer, queued[0].service, quantity=500)
    begin_after_restore(actor=staff)
    assert fresh(new).submission == Submission.QUEUED


def test_order_in_review_when_queued_at_the_backup_then_in_doubt(queued: list[Order], staff: Any) -> None:
    Order.objects.filter(pk=queued[0].pk).update(review_reason="would_lose", review_since=timezone.now())
    guard.may_send()
    begin_after_restore(actor=staff)
    order = fresh(queued[0])
    assert (order.submission, order.review_reason) == (Submission.IN_DOUBT, "")


def test_order_being_sent_when_backed_up_then_in_doubt_and_waits(
    upstream: SandboxServer, customer: Any, service: Any, staff: Any
) -> None:
    make.order(customer, service)
    submit_now()
    order = make.order(customer, service, quantity=200)
    Order.objects.filter(pk=order.pk).update(
        submission=Submission.SUBMITTING, claim_token="t", lease_until=timezone.now() - timedelta(seconds=1)
    )
    PlacementAttempt.objects.create(order=order, token="t")
    stop_sending(reason=StopReason.RESTORED, text="Restored.")
    begin_after_restore(actor=staff)
    expire_leases()
    assert fresh(order).submission == Submission.IN_DOUBT
    assert open_stops().get().provider == order.provider


def test_doubts_when_past_their_deadline_then_reviewed_not_refunded(queued: list[Order], staff: Any) -> None:
    guard.may_send()
    begin_after_restore(actor=staff)
    Order.objects.update(doubt_until=timezone.now() - timedelta(days=9), queued_at=timezone.now() - timedelta(days=9))
    meet_deadlines()
    assert [fresh(order).refunded for order in queued] == [0, 0, 0]
    assert {fresh(order).review_reason for order in queued} == {"doubt"}


def test_drip_feed_when_runs_began_after_the_backup_then_they_are_doubts(
    upstream: SandboxServer, customer: Any, service: Any, staff: Any
) -> None:
    drip = make.drip(customer, service, quantity=100, runs=4, interval=60)
    submit_now()
    due = timezone.now() - timedelta(minutes=90)
    DripFeed.objects.filter(pk=drip.pk).update(next_run_at=due)
    with rolled_back():
        assert begin_due_runs() == 1
        submit_now()
    guard.may_send()
    assert begin_due_runs() == 0
    done = begin_after_restore(actor=staff)
    assert done.runs == 2
    runs = Order.objects.filter(drip_feed=drip, run__gt=1).order_by("run")
    assert [run.submission for run in runs] == [Submission.IN_DOUBT] * 2
    drip.refresh_from_db()
    assert drip.next_run_at == due + timedelta(minutes=120)
    assert drip.begun == 3


def test_refill_when_it_waited_at_the_backup_then_not_sent_again(
    upstream: SandboxServer, customer: Any, service: Any, staff: Any
) -> None:
    order = make.order(customer, service)
    submit_now()
    refill = Refill.objects.create(order=order, provider=order.provider)
    stop_sending(reason=StopReason.RESTORED, text="Restored.")
    assert begin_after_restore(actor=staff).refills == 1
    refill.refresh_from_db()
    assert refill.state == RefillState.UNFOLLOWED


def test_database_when_confirmed_as_latest_then_sends(
    upstream: SandboxServer, customer: Any, service: Any, staff: Any, settings: Any
) -> None:
    make.order(customer, service)
    submit_now()
    settings.SITE_URL = "https://new.example.com"
    DatabaseIdentity.objects.update(site_url="https://old.example.com")
    order = make.order(customer, service, quantity=200)
    assert submit_due_orders() == 0
    confirm_latest(actor=staff)
    assert submit_due_orders() == 1
    assert fresh(order).submission == Submission.ACCEPTED
    assert SendingStop.objects.get().ended_by == staff
    assert not Alert.objects.filter(cause="sending", resolved_at=None).exists()
    assert DatabaseIdentity.objects.get().generation == 2


def test_new_machine_when_confirmed_then_needs_no_mark_for_a_while(
    upstream: SandboxServer, customer: Any, service: Any, staff: Any
) -> None:
    make.order(customer, service)
    submit_now()
    path = guard.settings.VAR_DIR / storage.FILE
    path.unlink()
    storage._with_cache(lambda: storage.cache.clear())
    assert not guard.may_send()
    confirm_latest(actor=staff)
    path.unlink()  # The worker runs on another machine than the page.
    assert guard.may_send()


def test_new_machine_when_orders_were_sent_since_then_needs_a_mark(
    upstream: SandboxServer, customer: Any, service: Any, staff: Any
) -> None:
    """A backup from after the confirmation may be restored within minutes, too."""
    stop_sending(reason=StopReason.NO_MARK, text="Unknown.")
    DatabaseIdentity.objects.get_or_create(pk=1, defaults={"token": "this"})
    confirm_latest(actor=staff)
    make.order(customer, service)
    submit_now()
    (guard.settings.VAR_DIR / storage.FILE).unlink()
    storage._with_cache(lambda: storage.cache.clear())
    assert not guard.may_send()


def test_other_database_when_confirmed_then_its_marks_are_covered(
    upstream: SandboxServer, customer: Any, service: Any, staff: Any
) -> None:
    make.order(customer, service)
    submit_now()
    mark = storage.read_file()
    DatabaseIdentity.objects.update(token="copy")
    assert not guard.may_send()
    assert open_stops().get().reason == StopReason.OTHER_DATABASE
    confirm_latest(actor=staff)
    (guard.settings.VAR_DIR / storage.FILE).unlink()
    storage.write(mark)  # Of another worker, which has not sent since.
    assert guard.may_send()


def test_database_when_an_attempt_is_missing_then_cannot_be_confirmed(queued: list[Order], staff: Any) -> None:
    with nothing_changes(), pytest.raises(NotStopped):
        confirm_latest(actor=staff)
    guard.may_send()
    with nothing_changes(), pytest.raises(NotConfirmable):
        confirm_latest(actor=staff)


def test_last_known_when_shown_then_the_newest_moment_of_each_kind(queued: list[Order]) -> None:
    known = last_known()
    assert known.order == max(order.created_at for order in queued)
    assert known.latest is not None and known.entry is not None
    assert known.deposit is None


def test_doubt_when_it_was_one_at_the_backup_then_not_repeated_nor_bound(
    upstream: SandboxServer, customer: Any, service: Any, provider: Any, staff: Any
) -> None:
    """Staff may have sent it again after the backup, under a request id that the backup does not have."""
    create_known_orders(upstream, customer, service)
    Provider.objects.update(request_id_parameter="request_id")
    order = create_in_doubt(upstream, customer, service)
    adds = count_adds(upstream)
    stop_sending(reason=StopReason.RESTORED, text="Restored.")
    begin_after_restore(actor=staff)
    for stop in open_stops():
        resume_sending(stop=stop, actor=staff)
    reconcile_now()
    assert fresh(order).submission == Submission.IN_DOUBT
    assert count_adds(upstream) == adds
