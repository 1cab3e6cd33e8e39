"""Polling: which orders are polled, what each answer changes, and that each refund is posted once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing import ledger
from billing.models import Entry
from catalog.models import Provider, Service
from catalog.pace import take_permit
from catalog.provider_accounts import client_for, leave_polling_lane, take_polling_lane
from catalog.upstream.errors import ErrorCode
from catalog.upstream.results import NOT_ASKED, RowError
from orders.common.poll_queue import adopt_unfollowed
from orders.models import Order, OrderEvent, OrderPoll
from orders.states import ReviewReason, Status, Submission
from orders.tracking import poll
from orders.tracking.apply import apply_answers
from orders.tracking.interpret import change_of
from orders.tracking.poll import claim_batch, poll_due_orders, poll_provider
from panel.alerts.models import Alert
from panel.lib.money import EXCHANGE_ONE
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import (
    at_once,
    create_accepted,
    fresh,
    money_of,
    nothing_changes,
    poll_now,
    polls_of,
    refunds_of,
    set_and_poll,
    statements,
    use_short_timeouts,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def order(customer: Any, service: Service) -> Order:
    return create_accepted(customer, service, 1)[0]


# -- how many calls, how many statements -------------------------------------------------------------


@pytest.fixture
def small_batch(monkeypatch):
    """Ten orders per call: a hundred, as the protocol allows, take long to create."""
    assert poll.BATCH == 100
    monkeypatch.setattr(poll, "BATCH", 10)


def test_round_when_many_are_due_then_as_many_as_fit_share_a_call(upstream, customer, service, small_batch):
    """With one call and log line per order, 1,000 orders took 1,000 calls, and only the newest 100 were ever polled."""
    made = create_accepted(customer, service, 12)
    upstream.clear_requests()
    assert poll_now() == 12
    calls = [request.params["orders"].split(",") for request in upstream.requests_of("status")]
    assert [len(ids) for ids in calls] == [10, 2]
    assert sorted(sum(calls, [])) == sorted(str(one.upstream_id) for one in made)
    assert poll_due_orders() == 0


def test_round_when_provider_is_asked_singly_then_each_order_once(upstream, customer, service):
    made = create_accepted(customer, service, 23)
    Provider.objects.update(dialect={"asks_singly": True})
    upstream.clear_requests()
    assert poll_now() == 23
    asked = [request.params for request in upstream.requests_of("status")]
    assert sorted(one["order"] for one in asked) == sorted(str(one.upstream_id) for one in made)
    assert not any("orders" in one for one in asked)
    assert poll_due_orders() == 0


def test_round_when_singly_and_time_ran_out_then_the_rest_is_not_blamed(
    upstream, provider, customer, service, monkeypatch
):
    """Orders that were not asked about count no error, and are due again when their claim ends."""
    made = create_accepted(customer, service, 3)
    Provider.objects.update(dialect={"asks_singly": True})
    provider.refresh_from_db()
    client = client_for(provider)
    asked = client.clear_statuses
    rest = [RowError(str(one.upstream_id), ErrorCode.THROTTLED, NOT_ASKED) for one in made[1:]]
    monkeypatch.setattr(
        client,
        "clear_statuses",
        lambda ids: asked(ids[:1]) | {row.order_id: row for row in rest if row.order_id in ids[1:]},
    )
    monkeypatch.setattr(poll, "client_for", lambda one: client)
    assert poll_now() == 1
    assert OrderPoll.objects.filter(errors__gt=0).count() == 0
    assert OrderPoll.objects.filter(checked_at__isnull=False).count() == 1
    assert not Alert.objects.exists()


def test_round_when_not_all_fit_then_the_longest_waiting_go_first(upstream, provider, customer, service, small_batch):
    """The newest orders were polled and the older ones never."""
    made = create_accepted(customer, service, 13)
    oldest = made[-3:]
    OrderPoll.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    OrderPoll.objects.filter(pk__in=[one.pk for one in oldest]).update(due_at=timezone.now() - timedelta(days=1))
    upstream.clear_requests()
    poll_provider(provider=provider, seconds=10)
    first = upstream.requests_of("status")[0].params["orders"].split(",")
    assert first[:3] == [one.upstream_id for one in oldest]


def test_batch_when_nothing_changed_then_its_statements_do_not_grow(upstream, provider, customer, service, small_batch):
    counts = {}
    for count, more in ((2, 2), (10, 8)):
        create_accepted(customer, service, more)
        poll_now()
        OrderPoll.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        with statements() as unchanged:
            assert poll_provider(provider=provider) == count
        counts[count] = len(unchanged)
    print(f"statements of an unchanged batch: {counts}")
    # 3 for a batch, and 3 for a round: the lane (2), and the alert to resolve. After a full batch comes another claim.
    assert counts[2] == 3 + 3
    assert counts[10] == 3 + 3 + 1
    assert Entry.objects.filter(kind="refund").count() == 0


def test_batch_when_many_refunds_then_statements_grow_per_wallet(upstream, customer, other, service):
    """Each refund took eight statements, so a hundred canceled orders held the wallets' locks for long."""
    counts = {}
    for who, count in (((customer,), 2), ((customer,), 8), ((customer, other), 8)):
        made = [one for each in who for one in create_accepted(each, service, count // len(who))]
        poll_now()
        for one in made:
            upstream.set_order(int(one.upstream_id), status="Partial", remains=50, charge="0.1")
        OrderPoll.objects.filter(pk__in=[one.pk for one in made]).update(due_at=timezone.now() - timedelta(seconds=1))
        with statements() as changed:
            poll_due_orders()
        counts[len(who), count] = len(changed)
        assert [refunds_of(one) for one in made] == [[125_000]] * count
    print(f"statements of a batch with refunds, by wallets and refunds: {counts}")
    assert counts[1, 8] == counts[1, 2]
    assert counts[2, 8] == counts[1, 8] + 2


# -- whose answer it is ------------------------------------------------------------------------------


def test_answer_when_providers_share_an_id_then_right_one_refunded(upstream, provider, customer, other, service):
    """Matched by the upstream id alone, an answer refunded the order with that id at another provider."""
    with SandboxServer(key="second-key", speed=0) as second_upstream:
        second_upstream.set_service(1, rate="2", min=10, max=10_000, type="Default")
        second = make.provider(name="Second", url=second_upstream.url, api_key=second_upstream.key)
        [alices] = create_accepted(customer, service, 1)
        [bobs] = create_accepted(other, make.service(second), 1)
        assert alices.upstream_id == bobs.upstream_id
        second_upstream.set_order(int(bobs.upstream_id), status="Canceled", remains=100, charge="0")
        poll_now()
    assert (fresh(alices).status, fresh(bobs).status) == (Status.PENDING, Status.CANCELED)
    assert (refunds_of(alices), refunds_of(bobs)) == ([], [250_000])
    assert (make.wallet(customer).balance, make.wallet(other).balance) == (9_750_000, 10_000_000)


def test_answers_when_they_have_no_ids_then_position_is_not_used(upstream, customer, service):
    made = create_accepted(customer, service, 2)
    rows = [{"status": "Canceled", "charge": "0", "remains": "100"}, {"status": "Completed", "remains": "0"}]
    upstream.inject(faults.reply(body=json.dumps(rows).encode(), action="status"))
    poll_now()
    assert [fresh(one).status for one in made] == [Status.PENDING, Status.PENDING]
    assert money_of(customer)[0] == 9_500_000


def test_answer_when_it_has_rows_not_polled_then_they_are_ignored(upstream, provider, customer, service):
    due, not_due = create_accepted(customer, service, 2)
    OrderPoll.objects.filter(pk=not_due.pk).update(due_at=timezone.now() + timedelta(hours=1))
    OrderPoll.objects.filter(pk=due.pk).update(due_at=timezone.now())
    rows = {str(one.upstream_id): {"status": "Canceled", "charge": "0", "remains": "100"} for one in (due, not_due)}
    upstream.inject(faults.reply(body=json.dumps(rows).encode(), action="status"))
    poll_due_orders()
    assert (fresh(due).status, fresh(not_due).status) == (Status.CANCELED, Status.PENDING)


# -- one bad row -------------------------------------------------------------------------------------

BAD_ROWS: dict[str, dict[str, Any]] = {
    "omitted": {"omitted": True},
    "unknown there": {"answer": {"error": "Incorrect order ID"}},
    "error as a string": {"answer": "Incorrect order ID"},
    "a number": {"answer": 5},
    "null": {"answer": None},
    "a list": {"answer": []},
    "no status": {"answer": {"charge": "0", "remains": "100"}},
    "status is a flag": {"answer": {"status": True, "charge": "0", "remains": "100"}},
    "error beside a status": {"answer": {"status": "Canceled", "remains": "100", "error": "x"}},
}


@pytest.mark.usefixtures("frozen_clock")
@pytest.mark.parametrize("row", BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_row_when_malformed_then_only_its_own_order_waits_longer(upstream, customer, service, row):
    """One row that could not be read stopped the whole batch, each time."""
    first, bad, last = create_accepted(customer, service, 3)
    upstream.set_order(int(bad.upstream_id), **row)
    for one in (first, last):
        upstream.set_order(int(one.upstream_id), status="Partial", remains=50, charge="0.1")
    for round_number in range(1, 4):
        assert poll_now() == 3
        stored = fresh(bad)
        assert (stored.status, stored.refunded, stored.poll.errors) == (Status.PENDING, 0, round_number)
        assert (stored.review_reason, stored.next_check_at > timezone.now()) == ("", True)
    assert [fresh(one).status for one in (first, last)] == [Status.PARTIAL, Status.PARTIAL]
    assert money_of(customer)[0] == 10_000_000 - 750_000 + 2 * 125_000
    # The next valid answer counts.
    upstream.set_order(int(bad.upstream_id), omitted=False)
    upstream._book.force(int(bad.upstream_id), {"answer": {"status": "Canceled", "charge": "0", "remains": "100"}})
    poll_now()
    assert (fresh(bad).status, fresh(bad).poll.errors, refunds_of(bad)) == (Status.CANCELED, 0, [250_000])


@pytest.mark.usefixtures("frozen_clock")
def test_row_when_it_cannot_be_written_then_only_it_is_retried_soon(upstream, customer, service, monkeypatch):
    first, bad, last = made = create_accepted(customer, service, 3)
    for one in made:
        upstream.set_order(int(one.upstream_id), status="Canceled", remains=100, charge="0")
    post_all = ledger.post_all

    def refuses(*, lines: Any) -> None:
        if any(line.order_ref == bad.pk for line in lines):
            raise ledger.InvalidPosting("no")
        post_all(lines=lines)

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "post_all", refuses)
        poll_now()
    assert [fresh(one).status for one in made] == [Status.CANCELED, Status.PENDING, Status.CANCELED]
    stored = fresh(bad)
    assert (stored.refunded, stored.poll.errors, stored.finished_at, refunds_of(bad)) == (0, 1, None, [])
    # Its end is not written, so it must not wait for the daily poll of ended orders.
    assert stored.next_check_at < timezone.now() + timedelta(hours=1)
    poll_now()
    assert (fresh(bad).status, refunds_of(bad)) == (Status.CANCELED, [250_000])


def test_call_when_refused_for_an_unknown_id_then_others_answered(upstream, customer, service):
    """A provider that answers the whole call with "Incorrect order ID" stopped a hundred orders for one."""
    made = create_accepted(customer, service, 5)
    upstream.set_order(int(made[1].upstream_id), answer={"error": "Incorrect order ID"})
    for one in (made[0], made[4]):
        upstream.set_order(int(one.upstream_id), status="Partial", remains=50, charge="0.1")
    upstream.clear_requests()
    upstream.inject(faults.reply(body=b'{"error": "Incorrect order ID"}', action="status"))
    upstream.inject(faults.reply(body=b'{"error": "Incorrect order ID"}', action="status"))
    assert poll_now() == 5
    calls = [request.params for request in upstream.requests_of("status")]
    sizes = [len((params.get("orders") or params["order"]).split(",")) for params in calls]
    # Halves; a single unknown id is sent again as `order`, the only form that some providers accept.
    assert sizes[:2] == [5, 2] and sorted(sizes[2:]) in ([1, 1, 3], [1, 1, 1, 3])
    assert [fresh(one).status for one in made] == ["partial", "pending", "pending", "pending", "partial"]
    assert [fresh(one).poll.errors for one in made] == [0, 1, 0, 0, 0]


def test_order_when_provider_no_longer_knows_it_then_in_review(upstream, customer, order):
    upstream.set_order(int(order.upstream_id), answer={"error": "Incorrect order ID"})
    for _ in range(12):
        poll_now()
    assert fresh(order).review_reason == ""  # Right after the order was accepted it may be temporary.
    Order.objects.update(accepted_at=timezone.now() - timedelta(hours=2))
    poll_now()
    assert fresh(order).review_reason == ReviewReason.LOST_UPSTREAM
    poll_now()
    assert OrderEvent.objects.filter(order=order, kind="review").count() == 1
    assert (fresh(order).status, refunds_of(order)) == (Status.PENDING, [])


def test_row_when_its_numbers_are_too_large_then_they_are_limited(upstream, customer, order):
    stored = set_and_poll(
        upstream, order, status="In progress", remains=10**15, start_count=-(10**15), charge="999999999999"
    )
    assert (stored.status, stored.refunded) == (Status.IN_PROGRESS, 0)
    assert stored.upstream_charge is None


# -- money -------------------------------------------------------------------------------------------


def test_partial_when_answered_repeatedly_then_it_is_refunded_once(upstream, customer, order):
    """Two polls of the same Partial refunded twice."""
    stored = set_and_poll(upstream, order, status="Partial", remains=40, charge="0.12")
    assert (stored.status, stored.refunded, stored.delivered) == (Status.PARTIAL, 100_000, 60)
    assert stored.finished_at is not None
    for _ in range(5):
        poll_now()
    assert refunds_of(order) == [100_000]
    assert money_of(customer)[0] == 9_850_000


def test_partial_when_remains_grow_then_the_difference_is_refunded(upstream, customer, order):
    set_and_poll(upstream, order, status="Partial", remains=40, charge="0.12")
    set_and_poll(upstream, order, status="Partial", remains=70, charge="0.06")
    stored = set_and_poll(upstream, order, status="Partial", remains=100, charge="0")
    assert (stored.refunded, refunds_of(order)) == (250_000, [100_000, 75_000, 75_000])
    assert money_of(customer)[0] == 10_000_000


def test_partial_when_remains_shrink_then_no_refund_is_reversed(upstream, customer, order):
    set_and_poll(upstream, order, status="Partial", remains=40, charge="0.12")
    stored = set_and_poll(upstream, order, status="Partial", remains=10, charge="0.18")
    assert (stored.refunded, refunds_of(order)) == (100_000, [100_000])


def test_completed_when_it_was_partial_then_no_refund_is_taken_back(upstream, customer, order):
    set_and_poll(upstream, order, status="Partial", remains=40, charge="0.12")
    stored = set_and_poll(upstream, order, status="Completed", remains=0, charge="0.2")
    assert (stored.status, stored.refunded, refunds_of(order)) == (Status.COMPLETED, 100_000, [100_000])
    stored = set_and_poll(upstream, order, status="Partial", remains=50, charge="0.1")
    assert (stored.refunded, refunds_of(order)) == (125_000, [100_000, 25_000])


@pytest.mark.parametrize("late", ["Canceled", "Refunded", "canceled", "CANCELLED"])
def test_canceled_when_it_was_completed_then_it_is_refunded(upstream, customer, order, late):
    assert set_and_poll(upstream, order, status="Completed", remains=0, charge="0.2").refunded == 0
    stored = set_and_poll(upstream, order, status=late, remains=100, charge="0")
    assert (stored.status, refunds_of(order)) == (Status.CANCELED, [250_000])
    assert money_of(customer)[0] == 10_000_000


@pytest.mark.parametrize("later", ["Completed", "Partial", "In progress", "Pending"])
def test_canceled_when_a_later_answer_differs_then_it_stays_canceled(upstream, customer, order, later):
    set_and_poll(upstream, order, status="Canceled", remains=100, charge="0")
    stored = set_and_poll(upstream, order, status=later, remains=10, charge="0.18")
    assert (stored.status, stored.refunded, refunds_of(order)) == (Status.CANCELED, 250_000, [250_000])


@pytest.mark.parametrize("later", ["In progress", "Pending", "Processing"])
def test_completed_when_provider_reopens_it_then_stays_completed(upstream, order, later):
    set_and_poll(upstream, order, status="Completed", remains=0, charge="0.2")
    stored = set_and_poll(upstream, order, status=later, remains=100, charge="0")
    assert (stored.status, stored.refunded) == (Status.COMPLETED, 0)


@pytest.mark.parametrize(
    ("status", "remains", "charge", "balance"),
    [
        ("Partial", 150, "0", 10_000_000),
        ("Partial", -10, "0.2", 9_750_000),
        ("Partial", 0, "0.2", 9_750_000),
        ("Canceled", 0, "0", 10_000_000),
        ("Canceled", None, None, 10_000_000),
        ("Completed", -50, "0.2", 9_750_000),
    ],
)
def test_remains_when_out_of_range_then_the_refund_is_still_right(
    upstream, customer, order, status, remains, charge, balance
):
    set_and_poll(upstream, order, status=status, remains=remains, charge=charge)
    assert make.wallet(customer).balance == balance


@pytest.mark.parametrize(
    ("status", "remains", "charge"),
    [("Partial", 50, "0.2"), ("Partial", None, None), ("Partial", 0, "0"), ("Canceled", 0, "0.2")],
)
def test_answer_when_contradictory_then_in_review_and_not_refunded(upstream, customer, order, status, remains, charge):
    stored = set_and_poll(upstream, order, status=status, remains=remains, charge=charge)
    assert (stored.status, stored.review_reason) == (status.lower(), ReviewReason.CONTRADICTION)
    for _ in range(3):
        poll_now()
    assert (fresh(order).refunded, refunds_of(order)) == (0, [])
    assert OrderEvent.objects.filter(order=order, kind="review").count() == 1
    # A later answer without the contradiction refunds without staff.
    stored = set_and_poll(
        upstream, order, status="Canceled" if status == "Canceled" else "Partial", remains=100, charge="0"
    )
    assert refunds_of(order) == [250_000]


def test_refund_when_it_fails_then_the_status_is_not_written_either(upstream, customer, order, monkeypatch):
    """Posted in a second transaction, the refund was lost by a crash in between: a Partial was never polled again."""
    upstream.set_order(int(order.upstream_id), status="Partial", remains=40, charge="0.12")

    def die(**values: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "post_all", die)
        with pytest.raises(RuntimeError):
            poll_now()
    stored = fresh(order)
    assert (stored.status, stored.refunded, stored.remains, stored.finished_at) == ("pending", 0, None, None)
    assert (refunds_of(order), OrderEvent.objects.filter(order=order, kind="status").count()) == ([], 0)
    poll_now()
    assert (fresh(order).status, refunds_of(order)) == (Status.PARTIAL, [100_000])


def test_partial_when_shown_to_customer_first_then_still_refunded(upstream, customer, order):
    """A Partial written by the customer's own refresh was never polled again and never refunded."""
    Order.objects.filter(pk=order.pk).update(status=Status.PARTIAL)
    stored = set_and_poll(upstream, order, status="Partial", remains=40, charge="0.12")
    assert (stored.refunded, refunds_of(order)) == (100_000, [100_000])


def test_refund_when_charge_is_in_another_currency_then_converted(upstream, customer, service):
    Provider.objects.update(exchange_rate=EXCHANGE_ONE // 2)
    [order] = create_accepted(customer, service, 1)
    # 0.24 in their currency is $0.12 in ours.
    stored = set_and_poll(upstream, order, status="In progress", remains=40, charge="0.24")
    assert (stored.exchange_rate, stored.upstream_charge) == (EXCHANGE_ONE // 2, 120_000)


def test_refund_when_exchange_rate_changed_then_sent_rate_is_used(upstream, customer, order):
    """At today's rate, the charge of an older order would contradict its remains."""
    Provider.objects.update(exchange_rate=3 * EXCHANGE_ONE)
    stored = set_and_poll(upstream, order, status="Partial", remains=40, charge="0.12")
    assert (stored.review_reason, stored.upstream_charge, refunds_of(order)) == ("", 120_000, [100_000])


def test_charge_when_in_unexpected_currency_then_alert_is_raised(upstream, customer, order):
    """A provider switched from dollars to its own currency, and every charge was a hundred times wrong."""
    row = {"status": "Partial", "remains": "40", "charge": "12", "currency": "INR"}
    stored = set_and_poll(upstream, order, answer=row)
    assert (stored.status, stored.upstream_charge, refunds_of(order)) == (Status.PARTIAL, None, [100_000])
    alert = Alert.objects.get(cause=f"provider:{stored.provider_id}:charge-currency")
    assert "INR" in alert.text


@pytest.mark.parametrize("words", ["Fail", "failed", "FAIL"])
def test_failed_status_when_nothing_was_charged_then_all_is_refunded(upstream, customer, order, words):
    stored = set_and_poll(upstream, order, status=words, remains=100, charge="0")
    assert (stored.status, refunds_of(order)) == (Status.CANCELED, [250_000])


@pytest.mark.parametrize(("charge", "review"), [("0.2", "contradiction"), (None, ""), ("Unknown", "")])
def test_failed_status_when_charged_then_not_refunded(upstream, customer, order, charge, review):
    stored = set_and_poll(upstream, order, answer={"status": "Fail", "remains": "100", "charge": charge})
    assert (stored.status, stored.review_reason, bool(stored.poll.unknown_word)) == ("pending", review, not review)
    assert refunds_of(order) == []


def test_start_count_when_provider_counts_later_then_updated(upstream, order):
    """A zero from before the provider had counted stayed for good."""
    assert set_and_poll(upstream, order, status="Pending", start_count=0).start_count == 0
    assert set_and_poll(upstream, order, status="In progress", remains=90, start_count=4_200).start_count == 4_200
    set_and_poll(upstream, order, status="Completed", remains=0, start_count=4_200, charge="0.2")
    assert set_and_poll(upstream, order, start_count=9).start_count == 4_200


def test_start_count_when_staff_corrected_it_then_polls_leave_it(upstream, order):
    Order.objects.filter(pk=order.pk).update(start_count=77, start_corrected_at=timezone.now())
    found = set_and_poll(upstream, order, status="In progress", remains=90, start_count=4_200)
    assert (found.start_count, found.status) == (77, Status.IN_PROGRESS)


# -- when it is polled -------------------------------------------------------------------------------


@pytest.mark.usefixtures("frozen_clock")
def test_order_when_ended_then_it_is_polled_daily_for_a_week(upstream, customer, order):
    set_and_poll(upstream, order, status="Completed", remains=0, charge="0.2")
    looks = 0
    while fresh(order).next_check_at is not None and looks < 20:
        stored = fresh(order)
        wait = stored.next_check_at - timezone.now()
        assert timedelta(hours=23, minutes=59) < wait <= timedelta(days=1)
        looks += 1
        # A day passes.
        Order.objects.update(finished_at=stored.finished_at - timedelta(days=1))
        assert poll_now() == 1
    assert looks == 7
    assert timezone.now() - fresh(order).finished_at < timedelta(days=7, minutes=1)
    upstream.clear_requests()
    assert (poll_due_orders(), upstream.requests) == (0, [])


def test_order_when_it_ends_again_then_the_week_does_not_restart(upstream, customer, order):
    set_and_poll(upstream, order, status="Completed", remains=0, charge="0.2")
    ended = timezone.now() - timedelta(days=5, hours=1)
    Order.objects.update(finished_at=ended)
    stored = set_and_poll(upstream, order, status="Partial", remains=50, charge="0.1")
    assert (stored.finished_at, stored.refunded) == (ended, 125_000)


@pytest.mark.usefixtures("frozen_clock")
def test_order_when_nothing_changes_then_its_waits_grow(upstream, order):
    waits = []
    for _ in range(20):
        poll_now()
        waits.append((fresh(order).next_check_at - timezone.now()).total_seconds())
    assert 47 <= waits[0] <= 72
    assert all(47 <= wait <= 3_600 * 1.2 for wait in waits)
    assert waits[-1] > 2_800
    set_and_poll(upstream, order, status="In progress", remains=90)
    assert (fresh(order).next_check_at - timezone.now()).total_seconds() <= 72


def test_order_when_not_accepted_then_it_is_never_polled(upstream, customer, service, provider):
    for submission in ("queued", "placing", "in_doubt"):
        one = make.order(customer, service)
        Order.objects.filter(pk=one.pk).update(
            submission=submission,
            next_poll_at=timezone.now(),
            next_action_at=timezone.now() + timedelta(hours=1),
            doubt_until=timezone.now() + timedelta(hours=1),
        )
    assert adopt_unfollowed() == 0
    assert claim_batch(provider_id=provider.pk) == []
    assert poll_due_orders() == 0
    Order.objects.update(submission="queued")


# -- trouble with the provider -----------------------------------------------------------------------

TROUBLE = {
    "down": [faults.drop_before("status", times=None)],
    "reset": [faults.reset_after("status", times=None)],
    "page": [faults.reply(status=503, body=b"<html>maintenance</html>", action="status", times=None)],
    "200 page": [faults.reply(body=b"<html>Just a moment</html>", action="status", times=None)],
    "empty": [faults.reply(body=b"", action="status", times=None)],
    "truncated": [faults.truncate("status", times=None)],
    "key": [faults.reply(body=b'{"error": "Invalid API key"}', action="status", times=None)],
    "throttled": [faults.reply(status=429, body=b"", action="status", times=None)],
    "slow": [faults.delay_after(1.0, "status", times=None)],
}


@pytest.mark.usefixtures("frozen_clock")
@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE.keys())
def test_round_when_the_provider_fails_then_its_orders_do_not_change(upstream, customer, service, monkeypatch, trouble):
    use_short_timeouts(monkeypatch, seconds=0.4)
    made = create_accepted(customer, service, 2)
    for one in made:
        upstream.set_order(int(one.upstream_id), status="Canceled", remains=100, charge="0")
    for fault in trouble:
        upstream.inject(fault)
    columns = ("status", "refunded", "remains", "upstream_charge", "poll__errors", "review_reason")
    before = list(Order.objects.order_by("pk").values(*columns))
    assert poll_now() == 0
    assert list(Order.objects.order_by("pk").values(*columns)) == before
    assert Entry.objects.filter(kind="refund").count() == 0
    # The batch is polled again only when its claim runs out.
    for one in made:
        assert timedelta(seconds=100) < fresh(one).next_check_at - timezone.now() < timedelta(seconds=121)
    assert Alert.objects.filter(resolved_at=None).count() == 1
    upstream.clear_faults()
    assert poll_now() == 2
    assert Entry.objects.filter(kind="refund").count() == 2
    assert Alert.objects.filter(resolved_at=None).count() == 0


def test_round_when_one_provider_unreachable_then_other_is_polled(upstream, provider, customer, service):
    dead = make.provider(name="Dead")
    stuck = make.accepted_order(customer, make.service(dead))
    [fine] = create_accepted(customer, service, 1)
    upstream.set_order(int(fine.upstream_id), status="Completed", remains=0)
    OrderPoll.objects.filter(pk=stuck.pk).update(due_at=timezone.now() - timedelta(days=1))
    OrderPoll.objects.filter(pk=fine.pk).update(due_at=timezone.now())
    assert poll_due_orders() == 1
    assert (fresh(stuck).status, fresh(fine).status) == (Status.PENDING, Status.COMPLETED)


def test_round_when_provider_is_off_then_open_orders_still_polled(upstream, customer, order):
    """When a provider was switched off, its open orders were never refunded."""
    Provider.objects.update(is_active=False)
    upstream.set_order(int(order.upstream_id), status="Canceled", remains=100, charge="0")
    assert poll_now() == 1
    assert refunds_of(order) == [250_000]


def test_round_when_our_own_limit_is_used_up_then_it_did_not_fail(upstream, provider, order):
    """The provider was not asked: no failed round, no alert, and no error of the order."""
    Provider.objects.update(dialect={"requests_a_minute": 1})
    provider.refresh_from_db()
    assert take_permit(provider_id=provider.pk, limit=1, for_order=True) == 0
    asked = len(upstream.requests_of("status"))
    for _ in range(3):
        OrderPoll.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        poll_provider(provider=provider)
        provider.refresh_from_db()
        assert (provider.polling_failures, provider.polling_until) == (0, None)
    assert len(upstream.requests_of("status")) == asked
    assert OrderPoll.objects.get(order=order).errors == 0
    assert not Alert.objects.exists()


def test_round_when_another_worker_polls_the_provider_then_skipped(upstream, provider, order):
    """Each tick put one more thread on a slow provider, until none was left for the others."""
    assert take_polling_lane(provider=provider, seconds=60)
    OrderPoll.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    upstream.clear_requests()
    assert poll_provider(provider=provider) == 0
    assert upstream.requests == []
    leave_polling_lane(provider=provider, failures=None)
    assert poll_provider(provider=provider) == 1


@pytest.mark.usefixtures("frozen_clock")
def test_round_when_the_provider_fails_then_the_next_one_waits(upstream, provider, order):
    upstream.inject(faults.reply(status=503, action="status", times=None))
    poll_now()
    provider.refresh_from_db()
    assert provider.polling_until > timezone.now() + timedelta(seconds=20)


def test_charge_when_above_the_rate_then_one_alert_per_service(upstream, customer, service, order):
    """A provider charged ten times its rate, and the panel sold at a loss for weeks."""
    other_order = create_accepted(customer, service, 1)[0]
    for one in (order, other_order):
        upstream.set_order(int(one.upstream_id), status="Completed", remains=0, charge="25.0")
    poll_now()
    alert = Alert.objects.get(cause=f"service:{service.pk}:overcharge")
    assert (alert.level, alert.count) == ("danger", 1)
    assert "$25.00" in alert.text


def test_order_when_missing_from_answers_for_a_day_then_in_review(upstream, customer, order):
    upstream.set_order(int(order.upstream_id), omitted=True)
    Order.objects.filter(pk=order.pk).update(accepted_at=timezone.now() - timedelta(days=2))
    for _ in range(10):
        poll_now()
    assert fresh(order).review_reason == ReviewReason.LOST_UPSTREAM
    assert refunds_of(order) == []


# -- two at once -------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("row", [{"status": "Partial", "remains": 40, "charge": "0.12"}, {"status": "Canceled"}])
def test_pollers_when_applying_same_answers_then_refunded_once(upstream, customer, other, service, row):
    """Two polls of the same Partial at the same moment refunded twice; only a text in a column guarded it."""
    provider = service.upstream.provider
    batch = create_accepted(customer, service, 3) + create_accepted(other, service, 3)
    for one in batch:
        upstream.set_order(int(one.upstream_id), **row)
    answers = client_for(provider).statuses([str(one.upstream_id) for one in batch])
    # Both read the orders before one of them writes.
    seen = [polls_of(batch) for _ in range(6)]
    results = at_once(6, lambda number: apply_answers(provider=provider, batch=seen[number], answers=answers))
    assert results == [None] * 6
    amount = 100_000 if row["status"] == "Partial" else 250_000
    assert [refunds_of(one) for one in batch] == [[amount]] * 6
    assert {fresh(one).poll.errors for one in batch} == {0}
    assert OrderEvent.objects.filter(kind="status").count() == 6
    assert make.wallet(customer).balance == make.wallet(other).balance == 10_000_000 - 750_000 + 3 * amount


@pytest.mark.django_db(transaction=True)
def test_pollers_when_claiming_at_once_then_no_order_claimed_twice(upstream, customer, service):
    provider = service.upstream.provider
    create_accepted(customer, service, 20)
    OrderPoll.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    batches = at_once(6, lambda number: [one.pk for one in claim_batch(provider_id=provider.pk)])
    claimed = sum(batches, [])
    assert len(claimed) == len(set(claimed)) == 20


@pytest.mark.django_db(transaction=True)
def test_answers_when_older_applied_last_then_no_refund_reversed(upstream, customer, service):
    provider = service.upstream.provider
    [one] = create_accepted(customer, service, 1)
    client = client_for(provider)
    upstream.set_order(int(one.upstream_id), status="Partial", remains=40, charge="0.12")
    older = client.statuses([one.upstream_id])
    upstream.set_order(int(one.upstream_id), status="Partial", remains=70, charge="0.06")
    newer = client.statuses([one.upstream_id])
    seen = [polls_of([one]) for _ in range(3)]
    for read_before, answers in zip(seen, (newer, older, newer), strict=True):
        apply_answers(provider=provider, batch=read_before, answers=answers)
    assert refunds_of(one) == [175_000]


def test_answer_when_nothing_differs_then_there_is_nothing_to_write(upstream, customer, order):
    poll_now()
    stored = fresh(order)
    [row] = client_for(stored.provider).statuses([stored.upstream_id]).values()
    assert not change_of(order=stored, row=row)
    with nothing_changes():
        apply_answers(provider=stored.provider, batch=[], answers={stored.upstream_id: row})
    assert stored.submission == Submission.ACCEPTED
