"""What is pruned, and what must stay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import Entry
from catalog.models import Service, SyncRun
from orders.models import (
    CancelRequest,
    DailySpending,
    Order,
    OrderEvent,
    OrderPoll,
    PlacementAttempt,
    PruningProgress,
    Refill,
)
from orders.refunds.posting import cancel_unaccepted
from orders.states import AttemptOutcome, CancelState, EventKind, RefillState, ReviewReason, Status, Submission
from orders.web.selectors import timeline_of
from panel.alerts.models import Alert
from panel.ops.pruning import ended_orders, old_rows
from panel.ops.pruning import prune as module
from panel.ops.pruning.ended_orders import prune_answers, prune_events
from panel.ops.pruning.prune import prune
from tests import make
from tests.scenes import at_once, fresh, kill_at_each_statement, statements

pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(days=400)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0)


@pytest.fixture
def customer(db: Any) -> Any:
    return make.customer("alice@example.org", funds="1000")


@pytest.fixture
def service(db: Any) -> Service:
    return make.service(make.provider())


def ended(customer: Any, service: Service, *, ago: timedelta = LONG_AGO, **values: Any) -> Order:
    """Create an order that was completed so long ago, with the events and attempts of a usual one."""
    number = Order.objects.count()
    order = make.accepted_order(customer, service, upstream_id=f"9{number}", link=f"https://example.com/{number}")
    end = timezone.now() - ago
    began = end - timedelta(hours=2)
    refused = attempt(order, AttemptOutcome.REFUSED, '{"error": "busy"}', began)
    accepted = attempt(order, AttemptOutcome.ACCEPTED, f'{{"order": 9{number}}}', began)
    assert refused.pk < accepted.pk
    Order.objects.filter(pk=order.pk).update(
        **{
            "created_at": began,
            "accepted_at": began + timedelta(minutes=1),
            "finished_at": end,
            "status": Status.COMPLETED,
            "next_poll_at": None,
            "accepted_attempt": accepted,
            **values,
        }
    )
    OrderPoll.objects.filter(order=order).delete()
    for kind, new, text in (
        (EventKind.SUBMISSION, "placed", "Sent to the provider"),
        (EventKind.STATUS, "in_progress", ""),
        (EventKind.STATUS, "completed", ""),
    ):
        OrderEvent.objects.create(order=order, kind=kind, new=new, text=text)
    OrderEvent.objects.create(order=order, kind=EventKind.REVIEW, new="doubt", is_public=False)
    OrderEvent.objects.filter(order=order).update(created_at=end)
    return fresh(order)


def attempt(order: Order, outcome: str, body: str, moment: Any) -> PlacementAttempt:
    return PlacementAttempt.objects.create(
        order=order,
        token=f"{order.pk}-{outcome}",
        outcome=outcome,
        body=body,
        sent={"host": "a.example", "header": "", "fields": []},
        started_at=moment,
        finished_at=moment,
        detail="kept",
    )


def bodies(order: Order) -> dict[str, str]:
    return dict(order.submission_attempts.values_list("outcome", "body"))


def lines(order: Order) -> list[tuple[str, str, str]]:
    return [(event.kind, event.new, event.text) for event in timeline_of(order=order)]


# -- ended orders --------------------------------------------------------------------------------------


def test_order_when_ended_long_ago_then_events_and_answers_pruned(customer, service):
    order = ended(customer, service)
    assert prune() == 7
    assert not order.events.exists()
    assert bodies(order) == {"refused": "", "placed": '{"order": 90}'}
    assert set(order.submission_attempts.values_list("detail", "sent")) == {("kept", None)}
    assert prune() == 0


def test_order_when_ended_lately_then_everything_stays(customer, service):
    order = ended(customer, service, ago=timedelta(days=29))
    events, answers = list(order.events.values()), bodies(order)
    assert prune() == 0
    assert (list(order.events.values()), bodies(order)) == (events, answers)


def test_answers_when_older_than_their_limit_alone_then_events_stay(customer, service):
    order = ended(customer, service, ago=timedelta(days=100))
    assert prune() == 2
    assert (order.events.count(), bodies(order)["refused"]) == (5, "")


def test_settings_when_changed_then_other_days_are_kept(customer, service, settings):
    order = ended(customer, service, ago=timedelta(days=100))
    settings.KEEP_EVENTS_DAYS, settings.KEEP_ANSWERS_DAYS = "99", "101"
    assert prune() == 5
    assert bodies(order)["refused"] != ""


OPEN: dict[str, dict[str, Any]] = {
    "in review": {"review_reason": ReviewReason.RECANTED},
    "in doubt": {"submission": Submission.IN_DOUBT, "doubt_until": timezone.now()},
    "not ended": {"status": Status.IN_PROGRESS},
    "without an end": {"finished_at": None, "status": Status.PENDING},
    "queued": {"submission": Submission.QUEUED},
    "being sent": {"submission": Submission.SUBMITTING},
}


@pytest.mark.parametrize("values", OPEN.values(), ids=OPEN)
def test_order_when_open_then_nothing_is_pruned(customer, service, values):
    order = ended(customer, service, **values)
    assert prune() == 0
    assert (order.events.count(), bodies(order)["refused"]) == (5, '{"error": "busy"}')


@pytest.mark.parametrize("model", [CancelRequest, Refill, OrderPoll])
def test_order_when_a_request_or_poll_is_open_then_nothing_pruned(customer, service, model):
    order = ended(customer, service)
    values: dict[type, dict[str, Any]] = {
        CancelRequest: {"state": CancelState.ACCEPTED},
        Refill: {"state": RefillState.IN_PROGRESS},
        OrderPoll: {"due_at": timezone.now()},
    }
    model.objects.create(order=order, provider=order.provider, **values[model])
    assert prune() == 0
    assert order.events.count() == 5


def test_request_when_it_ended_then_pruned(customer, service):
    order = ended(customer, service)
    CancelRequest.objects.create(order=order, provider=order.provider, state=CancelState.ENDED)
    assert prune() == 7


def test_order_when_settled_after_it_was_passed_then_in_next_pass(customer, service):
    order = ended(customer, service, review_reason=ReviewReason.RECANTED)
    assert prune() == 0
    Order.objects.update(review_reason="")
    assert prune() == 0
    PruningProgress.objects.update(began_at=timezone.now() - ended_orders.PASS)
    assert prune() == 0  # This round ends the pass.
    assert prune() == 7
    assert not order.events.exists()


def test_events_when_of_people_or_money_then_they_stay(customer, service, staff):
    order = ended(customer, service)
    kept = [
        OrderEvent.objects.create(order=order, kind=EventKind.REFUND, new="1", text="Refunded"),
        OrderEvent.objects.create(order=order, kind=EventKind.REFUND, new="1", is_public=False),
        *(OrderEvent.objects.create(order=order, kind=kind, actor=staff, is_public=False) for kind in EventKind),
        OrderEvent.objects.create(order=order, kind=EventKind.CANCEL, text="Cancel requested"),
        OrderEvent.objects.create(order=order, kind=EventKind.REFILL, text="Refill requested"),
    ]
    LogEntry.objects.log_actions(staff.pk, [order], 2, single_object=True)
    entries = list(Entry.objects.values())
    assert prune() == 7
    assert list(order.events.order_by("pk")) == kept
    assert list(Entry.objects.values()) == entries
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize("outcome", [AttemptOutcome.UNKNOWN, AttemptOutcome.UNCLEAR, AttemptOutcome.NOT_SENT])
def test_answers_when_not_accepted_then_emptied_and_attempt_stays(customer, service, outcome):
    order = ended(customer, service)
    other = attempt(order, outcome, "<html>", timezone.now())
    prune()
    other.refresh_from_db()
    assert (other.body, other.sent, other.outcome, other.detail) == ("", None, outcome, "kept")


# -- what customers see --------------------------------------------------------------------------------


def test_timeline_when_pruned_then_received_sent_and_ended(customer, service):
    order = ended(customer, service)
    OrderEvent.objects.create(order=order, kind=EventKind.REFUND, new="1", text="Refunded $0.01")
    prune()
    assert lines(order) == [
        ("ordered", "", "Order received"),
        ("placement", "", "Sent to the provider"),
        ("status", "completed", ""),
        ("refund", "1", "Refunded $0.01"),
    ]
    moments = [event.created_at for event in timeline_of(order=order)]
    assert moments == sorted(moments)


def test_timeline_when_nothing_is_pruned_then_as_stored(customer, service):
    order = ended(customer, service)
    assert timeline_of(order=order) == list(order.events.filter(is_public=True))


def test_timeline_when_staff_ended_it_then_the_end_once(customer, service, staff):
    order = ended(customer, service)
    OrderEvent.objects.create(order=order, kind=EventKind.STATUS, new="completed", text="By hand", actor=staff)
    prune()
    assert [line for line in lines(order) if line[0] == "status"] == [("status", "completed", "By hand")]


def test_timeline_when_an_unsent_order_was_pruned_then_why_it_ended(customer, service):
    order = make.order(customer, service)
    with transaction.atomic():
        cancel_unaccepted(order=order, submission=Submission.WITHDRAWN, note="You canceled it.")
    end = timezone.now() - LONG_AGO
    Order.objects.update(finished_at=end, created_at=end - timedelta(hours=1))
    prune()
    found = lines(fresh(order))
    assert [line[:2] for line in found] == [("ordered", ""), ("status", "canceled"), ("refund", "250000")]
    assert found[1][2] == "You canceled it."


def test_timeline_when_a_run_was_pruned_then_says_which(customer, service):
    drip = make.drip(customer, service, runs=3)
    run = drip.orders.get()
    Order.objects.update(api_key_ref=7)
    run.events.all().delete()
    assert lines(run)[0] == ("ordered", "", "Run 1 of 3 began")
    single = make.order(customer, service)
    Order.objects.filter(pk=single.pk).update(api_key_ref=7)
    single.events.all().delete()
    assert lines(fresh(single)) == [("ordered", "", "Order received through the API")]


# -- old rows ------------------------------------------------------------------------------------------


def import_run(service: Service, outcome: str, *, days: int = 400, **values: Any) -> SyncRun:
    moment = timezone.now() - timedelta(days=days)
    return SyncRun.objects.create(
        provider=service.upstream.provider, outcome=outcome, started_at=moment, finished_at=moment, **values
    )


def test_imports_when_old_then_all_but_the_last_and_those_of_people(service, staff):
    looked_at = import_run(service, "refused")
    gone = [import_run(service, outcome) for outcome in ("applied", "refused", "failed") for _ in range(2)]
    kept = [
        looked_at,
        import_run(service, "applied", actor=staff, accepts=looked_at),
        import_run(service, "queued"),
        import_run(service, "running"),
        import_run(service, "running"),
        *(import_run(service, outcome) for outcome in ("applied", "refused", "failed")),
        import_run(service, "applied", days=89),
    ]
    # A newer one was applied: the last but one may go.
    gone.append(kept.pop(5))
    assert prune() == 7
    assert set(SyncRun.objects.all()) == set(kept)
    assert {one.pk for one in gone}.isdisjoint(SyncRun.objects.values_list("pk", flat=True))


def test_alerts_when_resolved_long_ago_then_deleted_and_open_ones_stay():
    old = timezone.now() - LONG_AGO
    Alert.objects.create(cause="a", resolved_at=old, created_at=old)
    kept = [
        Alert.objects.create(cause="b", created_at=old, last_seen_at=old),
        Alert.objects.create(cause="c", created_at=old, resolved_at=timezone.now() - timedelta(days=179)),
    ]
    assert prune() == 1
    assert list(Alert.objects.order_by("pk")) == kept


def test_spending_when_of_past_days_then_deleted(service):
    today = timezone.localdate()
    for days in (0, 1, 30, 31, 400):
        DailySpending.objects.create(provider=service.upstream.provider, day=today - timedelta(days=days), sent=1)
    assert prune() == 2
    assert {(today - row.day).days for row in DailySpending.objects.all()} == {0, 1, 30}


# -- batches -------------------------------------------------------------------------------------------


def test_sessions_when_over_then_deleted_in_batches(monkeypatch):
    monkeypatch.setattr(old_rows, "BATCH", 2)
    over = timezone.now() - timedelta(seconds=1)
    Session.objects.bulk_create(Session(session_key=f"over{number}", expire_date=over) for number in range(5))
    Session.objects.create(session_key="live", expire_date=timezone.now() + timedelta(minutes=1))
    assert prune() == 5
    assert Session.objects.get().session_key == "live"


def test_batches_when_several_then_each_order_is_pruned_once(customer, service, monkeypatch):
    monkeypatch.setattr(ended_orders, "BATCH", 2)
    orders = [ended(customer, service) for _ in range(5)]
    # At one moment: then they follow each other by number.
    Order.objects.update(finished_at=orders[0].finished_at)
    assert [prune_events() for _ in range(4)] == [10, 10, 5, None]
    assert [prune_answers() for _ in range(4)] == [4, 4, 2, None]
    assert not OrderEvent.objects.exists()


def test_batch_when_orders_are_many_then_as_few_statements(customer, service):
    ended(customer, service)
    with statements() as few:
        assert prune_events() == 5
    for _ in range(9):
        ended(customer, service, ago=LONG_AGO - timedelta(days=1))
    with statements() as many:
        assert prune_events() == 45
    assert (len(few), len(many)) == (7, 5)  # The first one makes the row of the progress.


def test_round_when_its_time_is_over_then_the_rest_is_left(customer, service, monkeypatch):
    ended(customer, service)
    assert prune(seconds=0) == 0
    assert prune() == 7


def test_round_when_a_step_fails_then_the_others_prune(customer, service, monkeypatch):
    ended(customer, service)

    def broken() -> int | None:
        raise RuntimeError("broken")

    monkeypatch.setattr(module, "STEPS", (broken, *module.STEPS))
    with pytest.raises(RuntimeError, match="broken"):
        prune()
    assert not OrderEvent.objects.exists()


def test_batch_when_killed_at_any_statement_then_all_or_nothing(customer, service):
    order = ended(customer, service)

    def check() -> None:
        left, progress = order.events.count(), PruningProgress.objects.exclude(finished_at=None)
        assert (left, progress.exists()) == (5, False)

    assert kill_at_each_statement(prune_events, check) >= 4
    assert not order.events.exists()


def test_order_when_its_end_is_read_then_by_the_index(customer, service):
    """A scan would read every order in each round."""
    order = ended(customer, service)
    prune_events()
    Order.objects.filter(pk=order.pk).update(finished_at=timezone.now() - timedelta(days=300))
    with CaptureQueriesContext(connection) as found:
        assert prune_events() == 0
    [sql] = [one["sql"] for one in found.captured_queries if "LIMIT 500" in one["sql"]]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN {'' if connection.vendor == 'postgresql' else 'QUERY PLAN'} {sql}")
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    assert "order_by_end" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


@pytest.mark.django_db(transaction=True)
def test_rounds_when_at_once_then_each_row_is_pruned_once(customer, service, monkeypatch):
    monkeypatch.setattr(ended_orders, "BATCH", 2)
    monkeypatch.setattr(old_rows, "BATCH", 2)
    for _ in range(6):
        ended(customer, service)
    for number in range(6):
        Alert.objects.create(cause=f"{number}", resolved_at=timezone.now() - LONG_AGO)
    results = at_once(4, lambda number: prune())
    assert all(isinstance(result, int) for result in results), results
    # Who meets a lock leaves the rest to the one that holds it.
    assert sum(results) + prune() == 6 * 7 + 6
    assert not OrderEvent.objects.exists() and not Alert.objects.exists()
