"""Drip-feeds: all runs are paid at the start, each becomes an order when due, and the rest is refunded."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from billing.models import Entry
from catalog.models import CustomerPrice, Service, UpstreamService
from orders.checkout import drip_feeds
from orders.checkout.create import AlreadyOrdered, CreatedOrder, NotEnoughFunds, PriceChanged, create_order
from orders.checkout.drip_feeds import (
    NothingToStop,
    begin_due_runs,
    begin_next_run,
    start_drip_feed,
    stop_drip_feed,
)
from orders.checkout.validation import BadPlan, BadQuantity, NotOnSale, OrderInput, OrderRefused
from orders.models import DripFeed, Order
from orders.states import Status, Submission
from panel.alerts.models import Alert
from panel.ops.invariants import find_breaches
from tests import make
from tests.scenes import at_once, kill_at_each_statement, money_of, nothing_changes, set_and_poll, submit_now
from tests.threads import in_threads

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

LINK = "https://example.com/a"
RACE = pytest.mark.django_db(transaction=True)


def start(customer: Any, service: Service, **values: Any) -> CreatedOrder:
    """Start three runs of 100 at $0.25, an hour apart."""
    ordered = {"link": LINK, "quantity": 100, "params": {}, "runs": 3, "interval": 60}
    sent = {"request_key": uuid4().hex, "seen_charge": None, "api_key_ref": None}
    for name, value in values.items():
        (ordered if name in ordered else sent)[name] = value
    return start_drip_feed(customer=customer, order_input=OrderInput(service.pk, **ordered), **sent)


def fresh(drip: DripFeed) -> DripFeed:
    return DripFeed.objects.get(pk=drip.pk)


def make_due(drip: DripFeed, *, late: timedelta = timedelta(seconds=1)) -> None:
    DripFeed.objects.filter(pk=drip.pk, state="running").update(next_run_at=timezone.now() - late)


def next_run(drip: DripFeed) -> Order:
    make_due(drip)
    assert begin_due_runs() == 1
    return drip.orders.get(run=fresh(drip).begun)


def runs(drip: DripFeed) -> list[int]:
    return list(drip.orders.order_by("run").values_list("run", flat=True))


def state_of(drip: DripFeed) -> tuple[int, int, str]:
    drip = fresh(drip)
    return drip.begun, drip.refunded, drip.state


@pytest.fixture
def drip(customer, service) -> DripFeed:
    return fresh(start(customer, service).order.drip_feed)


# -- the start ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("frozen_clock")
def test_start_when_valid_then_all_runs_are_paid_and_first_begins(customer, service):
    drip = fresh(start(customer, service).order.drip_feed)
    assert money_of(customer) == (9_250_000, [("deposit", 10_000_000), ("drip_feed", -750_000)])
    assert Entry.objects.get(kind="drip_feed").drip_ref == drip.pk
    order = drip.orders.get()
    assert (order.run, order.charge, order.quantity, order.link, order.submission) == (1, 250_000, 100, LINK, "queued")
    assert (drip.run_charge, drip.charge, drip.begun, drip.state) == (250_000, 750_000, 1, "running")
    assert timedelta(minutes=59) < drip.next_run_at - timezone.now() <= timedelta(minutes=60)


def test_charge_when_a_run_is_rounded_up_then_total_is_a_multiple(customer, service):
    Service.objects.update(price=2_500_001)
    drip = fresh(start(customer, service, quantity=10, runs=7).order.drip_feed)
    assert (drip.run_charge, drip.charge) == (25_001, 175_007)


def test_start_when_repeated_then_the_first_is_returned(customer, service):
    key = uuid4().hex
    first = start(customer, service, request_key=key)
    Service.objects.update(price=9_000_000)
    with nothing_changes():
        again = start(customer, service, request_key=key)
    assert (again.order.drip_feed_id, first.created, again.created) == (first.order.drip_feed_id, True, False)


@pytest.mark.parametrize("other", [{"runs": 4}, {"interval": 61}, {"quantity": 200}])
def test_start_when_its_key_has_other_contents_then_it_is_refused(other, customer, service):
    key = uuid4().hex
    start(customer, service, request_key=key)
    with nothing_changes(), pytest.raises(AlreadyOrdered):
        start(customer, service, request_key=key, **other)


def test_key_when_order_and_drip_feed_share_it_then_second_refused(customer, service):
    ordered = {"customer": customer, "order_input": OrderInput(service.pk, LINK, 100, {}), "seen_charge": None}
    create_order(**ordered, request_key="a" * 32)
    start(customer, service, request_key="b" * 32)
    with nothing_changes():
        with pytest.raises(AlreadyOrdered):
            start(customer, service, request_key="a" * 32)
        with pytest.raises(AlreadyOrdered):
            create_order(**ordered, request_key="b" * 32)


def test_start_when_balance_does_not_cover_all_runs_then_refused(service):
    poor = make.customer("poor@example.org", funds="0.74")
    with nothing_changes(), pytest.raises(NotEnoughFunds) as refused:
        start(poor, service)
    assert refused.value.missing == 10_000
    assert DripFeed.objects.count() == 0


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"runs": 1}, BadPlan),
        ({"runs": 0}, BadPlan),
        ({"runs": -3}, BadPlan),
        ({"runs": 1_001}, BadPlan),
        ({"runs": None}, BadPlan),
        ({"interval": 0}, BadPlan),
        ({"interval": None}, BadPlan),
        ({"interval": 43_201}, BadPlan),
        ({"runs": 1_000, "interval": 43_200}, BadPlan),
        ({"quantity": 5}, BadQuantity),
        ({"quantity": 10**15}, BadQuantity),
        ({"quantity": None}, BadQuantity),
        ({"seen_charge": 749_999}, PriceChanged),
        ({"seen_charge": 250_000}, PriceChanged),
    ],
)
def test_start_when_the_input_is_not_valid_then_nothing_is_charged(values, error, customer, service):
    with nothing_changes(), pytest.raises(error):
        start(customer, service, **values)
    assert DripFeed.objects.count() == 0


def test_start_when_its_runs_exceed_any_wallet_then_it_is_refused(customer, service):
    Service.objects.update(price=10**15)
    with nothing_changes(), pytest.raises(OrderRefused, match="too large"):
        start(customer, service, quantity=500)


def test_start_when_service_is_gone_or_cannot_drip_then_refused(customer, service):
    package = make.service(service.upstream.provider, external_id="2", type="package")
    Service.objects.filter(pk=service.pk).update(is_on_sale=False)
    with nothing_changes():
        with pytest.raises(NotOnSale):
            start(customer, service)
        with pytest.raises(BadPlan):
            start(customer, package, quantity=None)


def test_start_when_killed_at_any_statement_then_all_or_nothing(customer, service):
    key = uuid4().hex

    def nothing() -> None:
        assert (DripFeed.objects.count(), Order.objects.count()) == (0, 0)
        assert money_of(customer) == (10_000_000, [("deposit", 10_000_000)])

    assert kill_at_each_statement(lambda: start(customer, service, request_key=key), nothing) > 8
    assert money_of(customer)[0] == 9_250_000


# -- the runs ----------------------------------------------------------------------------------------


def test_run_when_not_due_then_it_does_not_begin(drip):
    assert begin_due_runs() == 0
    assert begin_next_run(pk=drip.pk) is False
    assert runs(drip) == [1]


def test_runs_when_due_then_each_becomes_an_order_and_no_money_moves(drip, customer):
    for run in (2, 3):
        order = next_run(drip)
        assert (order.run, order.charge, order.price, order.customer) == (run, 250_000, drip.price, customer)
        assert order.events.get().text == f"Run {run} of 3 began"
    assert state_of(drip) == (3, 0, "completed")
    assert fresh(drip).ended_at is not None
    assert money_of(customer) == (9_250_000, [("deposit", 10_000_000), ("drip_feed", -750_000)])
    make_due(drip)
    assert begin_due_runs() == 0


@pytest.mark.usefixtures("frozen_clock")
def test_worker_when_down_for_days_then_only_one_run_begins(drip):
    make_due(drip, late=timedelta(days=3))
    assert [begin_due_runs() for _ in range(3)] == [1, 0, 0]
    assert fresh(drip).next_run_at - timezone.now() > timedelta(minutes=59)


def test_price_when_changed_after_start_then_runs_keep_old_price(drip, customer, service):
    Service.objects.filter(pk=service.pk).update(price=2_600_000)
    CustomerPrice.objects.create(customer=customer, service=service, price=2_700_000)
    assert next_run(drip).charge == 250_000
    assert make.order(customer, service).charge != 250_000


def test_service_type_when_changed_upstream_then_runs_keep_old_one(drip, service):
    UpstreamService.objects.filter(pk=service.upstream_id).update(type="custom_comments")
    assert next_run(drip).service_type == "default"


def test_service_when_renamed_then_runs_keep_the_original_name(drip, service):
    Service.objects.filter(pk=service.pk).update(name="Something else")
    assert next_run(drip).service_name == drip.service_name
    stop_drip_feed(drip=drip, actor=None)
    # The chart of spending groups by name.
    assert set(Entry.objects.filter(drip_ref=drip.pk).values_list("memo", flat=True)) == {drip.service_name}


def test_service_when_off_sale_then_its_runs_continue(drip, service):
    Service.objects.filter(pk=service.pk).update(is_on_sale=False)
    assert next_run(drip).run == 2


def test_run_when_cost_rose_above_charge_then_it_goes_to_review(drip, service, upstream):
    Service.objects.filter(pk=service.pk).update(cost=2_600_000, price=3_000_000)
    order = next_run(drip)
    submit_now()
    order.refresh_from_db()
    assert (order.submission, order.review_reason) == (Submission.QUEUED, "would_lose")
    assert upstream.requests_of("add") == []


def test_runs_when_submitted_then_each_is_refunded_by_its_own_status(drip, customer, upstream):
    submit_now()
    first = drip.orders.get(run=1)
    assert first.submission == Submission.ACCEPTED
    assert set_and_poll(upstream, first, status="Completed", remains=0).status == Status.COMPLETED
    second = next_run(drip)
    submit_now()
    second = set_and_poll(upstream, Order.objects.get(pk=second.pk), status="Partial", remains=40, charge="0.12")
    assert (second.status, second.refunded) == (Status.PARTIAL, 100_000)
    third = next_run(drip)
    submit_now()
    third = set_and_poll(upstream, Order.objects.get(pk=third.pk), status="Canceled", remains=100, charge="0")
    assert (third.status, third.refunded) == (Status.CANCELED, 250_000)
    assert state_of(drip) == (3, 0, "completed")
    assert money_of(customer)[0] == 9_250_000 + 350_000


def test_run_when_provider_refuses_then_refunded_and_next_begins(drip, customer, upstream):
    upstream.set_service(1, rate="2", min=500, max=10_000, type="Default")
    submit_now()
    first = drip.orders.get(run=1)
    assert (first.submission, first.refunded) == (Submission.REFUSED, 250_000)
    assert next_run(drip).run == 2
    stop_drip_feed(drip=drip, actor=customer)
    assert money_of(customer)[0] == 10_000_000 - 250_000


@pytest.mark.usefixtures("frozen_clock")
def test_run_when_it_cannot_begin_then_others_do_and_alert_raised(drip, customer, service, monkeypatch):
    other = fresh(start(customer, service).order.drip_feed)
    make_due(drip, late=timedelta(hours=1))
    make_due(other)
    begin = drip_feeds.begin_next_run

    def broken(*, pk: int) -> bool:
        if pk == drip.pk:
            raise RuntimeError("broken")
        return begin(pk=pk)

    with monkeypatch.context() as patched:
        patched.setattr(drip_feeds, "begin_next_run", broken)
        assert [begin_due_runs() for _ in range(2)] == [1, 0]
    assert (runs(drip), runs(other)) == ([1], [1, 2])
    assert fresh(drip).next_run_at > timezone.now()  # It left the head of the queue.
    alert = Alert.objects.get(resolved_at=None)
    assert f"drip-feed {drip.pk}" in alert.text
    next_run(drip)
    assert not Alert.objects.filter(resolved_at=None).exists()


@pytest.mark.usefixtures("frozen_clock")
def test_run_when_killed_at_any_statement_then_begun_or_still_due(drip):
    make_due(drip)

    def still_due() -> None:
        assert (runs(drip), state_of(drip)) == ([1], (1, 0, "running"))
        assert fresh(drip).next_run_at < timezone.now()

    assert kill_at_each_statement(lambda: begin_next_run(pk=drip.pk), still_due) >= 4
    assert (runs(drip), state_of(drip)) == ([1, 2], (2, 0, "running"))


# -- stopping ----------------------------------------------------------------------------------------


def test_stop_when_runs_are_left_then_exactly_these_are_refunded(drip, customer):
    next_run(drip)
    assert stop_drip_feed(drip=drip, actor=customer) == 250_000
    assert state_of(drip) == (2, 250_000, "stopped")
    assert money_of(customer)[1][-1] == ("refund", 250_000)
    refund = Entry.objects.get(kind="refund")
    assert (refund.drip_ref, refund.order_ref, refund.actor) == (drip.pk, None, customer)
    assert begin_due_runs() == 0


def test_stop_when_a_run_could_not_begin_then_its_alert_is_resolved(drip, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(drip_feeds, "new_order", lambda **values: 1 / 0)
        make_due(drip)
        begin_due_runs()
    assert Alert.objects.filter(resolved_at=None).count() == 1
    stop_drip_feed(drip=fresh(drip), actor=None)
    assert not Alert.objects.filter(resolved_at=None).exists()


def test_books_when_a_run_began_without_payment_then_they_show_it(drip):
    """An order for a run that never began would be delivered for free."""
    stop_drip_feed(drip=drip, actor=None)
    values = Order.objects.filter(drip_feed=drip, run=1).values().get()
    free = Order(**{**values, "id": None, "run": 2, "request_key": "free", "upstream_id": None})
    free.save()
    assert [breach.invariant for breach in find_breaches()] == [
        "each run that began is one order of the drip-feed, at its charge and of its customer"
    ]
    free.delete()


def test_overview_when_paid_runs_have_not_begun_then_money_is_owed(drip, customer, staff_client):
    page = staff_client.get("/admin/").content.decode()
    assert "$9.75" in page  # $10.00 less the one run that began: $9.25 in the wallet, $0.50 for two runs.


def test_stop_when_repeated_then_it_refunds_once(drip, customer):
    stop_drip_feed(drip=drip, actor=customer)
    with nothing_changes(), pytest.raises(NothingToStop):
        stop_drip_feed(drip=drip, actor=customer)


def test_stop_when_all_runs_have_begun_then_it_is_refused(drip, customer):
    next_run(drip)
    next_run(drip)
    with nothing_changes(), pytest.raises(NothingToStop):
        stop_drip_feed(drip=drip, actor=customer)


def test_stop_when_begun_run_is_refunded_too_then_capped_at_charge(drip, customer, upstream):
    stop_drip_feed(drip=drip, actor=customer)
    submit_now()
    set_and_poll(upstream, drip.orders.get(), status="Canceled", remains=100, charge="0")
    assert money_of(customer)[0] == 10_000_000


def test_stop_when_killed_at_any_statement_then_all_or_nothing(drip, customer):
    untouched = ((1, 0, "running"), 9_250_000)
    stopped = ((1, 500_000, "stopped"), 9_750_000)
    found = []

    def stop() -> None:
        with suppress(NothingToStop):
            stop_drip_feed(drip=drip, actor=customer)

    kill_at_each_statement(stop, lambda: found.append((state_of(drip), money_of(customer)[0])))
    assert found.count(untouched) >= 4
    assert set(found) <= {untouched, stopped}
    assert (state_of(drip), money_of(customer)[0]) == stopped


# -- at once -----------------------------------------------------------------------------------------


@RACE
def test_start_when_eight_threads_try_then_started_and_paid_once():
    """With money for one only, the other threads get the first drip-feed, not an error about the balance."""
    alice = make.customer("alice@example.org", funds="0.75")
    service = make.service(make.provider())
    results = at_once(8, lambda _: start(alice, service, request_key="a" * 32))
    assert Counter(getattr(one, "created", one) for one in results) == {True: 1, False: 7}
    assert (DripFeed.objects.count(), Order.objects.count(), make.wallet(alice).balance) == (1, 1, 0)
    assert find_breaches() == []


@RACE
def test_start_when_the_keys_differ_then_each_is_paid():
    """Without the shared key, the same clicks start four drip-feeds."""
    alice = make.customer("alice@example.org", funds="10")
    service = make.service(make.provider())
    at_once(4, lambda _: start(alice, service))
    assert (DripFeed.objects.count(), make.wallet(alice).balance) == (4, 7_000_000)


@RACE
def test_run_when_two_workers_begin_it_at_once_then_it_is_one_order():
    drips = due_drips(5)
    results = at_once(4, lambda _: begin_due_runs())
    assert sum(results) == 5
    assert all(runs(drip) == [1, 2] for drip in drips)
    assert find_breaches() == []


@RACE
def test_run_when_two_workers_read_same_state_then_second_fails():
    """Without the lock, the condition on `begun` alone keeps the second worker from beginning the run."""
    [drip] = due_drips(1)
    # A copy for each worker: beginning a run reloads the drip-feed.
    read = [DripFeed.objects.select_related("service__upstream__provider").get(pk=drip.pk) for _ in range(2)]
    results = at_once(
        2, lambda n: drip_feeds._begin(read[n], read[n].service, timezone.now(), f"run-{n}", service_type="default")
    )
    assert Counter(type(one) for one in results) == {Order: 1, RuntimeError: 1}
    assert runs(drip) == [1, 2]


@RACE
@pytest.mark.parametrize("attempt", range(3))
def test_stop_and_begin_when_at_once_then_runs_ordered_or_refunded(attempt):
    [drip] = due_drips(1)
    alice = drip.customer
    begun, back = in_threads(lambda: begin_next_run(pk=drip.pk), lambda: stop_drip_feed(drip=fresh(drip), actor=alice))
    assert (begun, back) in ((True, 250_000), (False, 500_000))
    drip = fresh(drip)
    assert drip.run_charge * drip.orders.count() + drip.refunded == drip.charge
    assert find_breaches() == []


@RACE
def test_stop_when_eight_threads_send_it_then_it_refunds_once():
    [drip] = due_drips(1)
    results = at_once(8, lambda _: stop_drip_feed(drip=fresh(drip), actor=drip.customer))
    assert Counter(one if isinstance(one, int) else type(one) for one in results) == {500_000: 1, NothingToStop: 7}
    assert find_breaches() == []


def due_drips(count: int) -> list[DripFeed]:
    """Return one customer's drip-feeds, each with one run begun and two left, the next due now."""
    alice = make.customer("alice@example.org", funds="100")
    service = make.service(make.provider())
    made = [fresh(start(alice, service).order.drip_feed) for _ in range(count)]
    for one in made:
        make_due(one)
    return made
