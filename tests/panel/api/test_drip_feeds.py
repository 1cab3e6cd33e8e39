"""Drip-feeds of the served API: one order to the customer's program, whichever runs have begun."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from catalog.models import UpstreamService
from catalog.service_types import SPECS
from orders.checkout.drip_feeds import begin_due_runs, pause_drip_feed, stop_drip_feed
from orders.models import CancelRequest, DripFeed, Order, Refill
from orders.refunds.policy import Refund, refund_due
from orders.states import FINAL, DripState, ReviewReason, Status
from panel.accounts.models import ApiKey
from panel.api.status import served_drip_status
from panel.lib.money import refund_for
from tests import make
from tests.api_calls import ADDRESS, LINK, add, call_api, new_key, set_order_state
from tests.scenes import money_of, nothing_changes, statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

STATUSES = st.sampled_from(list(Status))


@pytest.fixture
def service(db):
    """Followers: 100 for $0.25."""
    return make.service(make.provider())


@pytest.fixture
def key(customer):
    return new_key(customer)


def begin_all(drip):
    while DripFeed.objects.get(pk=drip.pk).is_running:
        DripFeed.objects.filter(pk=drip.pk).update(next_run_at=timezone.now() - timedelta(seconds=1))
        begin_due_runs()


def runs_of(number):
    return list(Order.objects.filter(drip_feed__orders=number).order_by("run"))


def status_of(key, number):
    answer = call_api(key, "status", order=number)
    return answer["status"], answer["charge"], answer["remains"]


@pytest.fixture
def number(service, key):
    """Return the id of three runs of 100, an hour apart."""
    return add(key, service, runs=3, interval=60)["order"]


# -- placing -----------------------------------------------------------------------------------------


def test_add_when_runs_are_ordered_then_all_paid_and_first_begins(customer, service, key, number):
    drip = DripFeed.objects.get()
    [first] = runs_of(number)
    assert (drip.runs, drip.interval, drip.begun, drip.quantity, drip.charge) == (3, 60, 1, 100, 750_000)
    assert (first.pk, first.run, first.api_key_ref) == (number, 1, ApiKey.objects.get().pk)
    assert money_of(customer) == (9_250_000, [("deposit", 10_000_000), ("drip_feed", -750_000)])


def test_add_when_ordered_in_browser_too_then_drip_feeds_equal(customer, service, key, number):
    client = Client()
    client.force_login(customer)
    form = {"service": service.pk, "link": LINK, "quantity": 100, "runs": 3, "interval": 60}
    client.post("/orders/new/", {**form, "request_key": uuid4().hex, "seen_charge": 10**9})
    by_api, by_form = DripFeed.objects.order_by("pk").values()
    own = {"id", "created_at", "next_run_at"}
    assert {name for name in by_api if by_api[name] != by_form[name]} <= own
    first, second = Order.objects.order_by("pk").values()
    own |= {"request_key", "api_key_ref", "queued_at", "next_action_at", "turn", "drip_feed_id"}
    assert {name for name in first if first[name] != second[name]} <= own


@pytest.mark.parametrize("plan", [{"runs": 1}, {"runs": 0, "interval": 0}, {"runs": "1", "interval": 60}, {"runs": ""}])
def test_add_when_it_is_one_run_then_a_plain_order(service, key, plan):
    add(key, service, **plan)
    assert Order.objects.get().drip_feed is None


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({"runs": 2}, "interval"),
        ({"runs": 2, "interval": 0}, "interval"),
        ({"runs": 2, "interval": -5}, "interval"),
        ({"runs": 2, "interval": "5m"}, "interval"),
        ({"runs": 2, "interval": 43_201}, "interval"),
        ({"runs": 1_000, "interval": 43_200}, "interval"),
        ({"runs": 1_001, "interval": 5}, "runs"),
        ({"runs": -1, "interval": 5}, "runs"),
        ({"runs": "２", "interval": 5}, "runs"),
        ({"runs": "1" + "0" * 30, "interval": 5}, "runs"),
        ({"runs": 0, "interval": 5}, "runs"),
    ],
)
def test_add_when_runs_or_interval_invalid_then_error_no_change(service, key, plan, field):
    with nothing_changes():
        assert add(key, service, **plan) == {"error": f"Incorrect {field}"}
    assert DripFeed.objects.count() == 0


@pytest.mark.parametrize("service_type", [name for name, spec in SPECS.items() if not spec.drips])
def test_add_when_the_type_has_no_runs_then_refused(key, service_type):
    service = make.service(make.provider(), type=service_type, low=1)
    with nothing_changes():
        assert add(key, service, runs=2, interval=5) == {"error": "Incorrect runs"}


def test_add_when_the_wallet_covers_only_one_run_then_refused(service):
    poor = make.customer("poor@example.org", funds="0.3")
    with nothing_changes():
        assert add(new_key(poor), service, runs=2, interval=5) == {"error": "Not enough funds on balance"}


def test_request_id_when_a_drip_feed_is_repeated_then_the_same_id(customer, service, key):
    plan = {"runs": 3, "interval": 60, "request_id": "1"}
    response = add(key, service, **plan)
    begin_all(DripFeed.objects.get())
    with nothing_changes():
        assert add(key, service, **plan) == response
        for change in ({"runs": 2}, {"interval": 61}, {"quantity": 101}, {"runs": 1}):
            assert "another order" in add(key, service, **{**plan, **change})["error"]
    assert DripFeed.objects.count() == 1


# -- how they stand ----------------------------------------------------------------------------------


def test_status_when_runs_begin_and_end_then_of_the_whole_drip_feed(key, number):
    drip = DripFeed.objects.get()
    assert status_of(key, number) == ("Pending", "0.75", "300")
    set_order_state(runs_of(number)[0], Status.IN_PROGRESS, remains=30, start_count=1_000)
    assert status_of(key, number) == ("In progress", "0.75", "230")
    set_order_state(runs_of(number)[0], Status.COMPLETED, remains=0)
    assert status_of(key, number) == ("In progress", "0.75", "200")
    begin_all(drip)
    runs = runs_of(number)
    assert status_of(key, number) == ("In progress", "0.75", "200")
    set_order_state(runs[1], Status.COMPLETED, remains=0, start_count=5_000)
    assert status_of(key, number) == ("In progress", "0.75", "100")
    set_order_state(runs[2], Status.COMPLETED, remains=0)
    assert status_of(key, number) == ("Completed", "0.75", "0")
    assert call_api(key, "status", order=number)["start_count"] == "1000"


def test_status_when_paused_then_as_if_it_were_not(key, number):
    """The protocol has no word for it, and clients would take a new one for an error."""
    before = status_of(key, number)
    pause_drip_feed(drip=DripFeed.objects.get())
    assert status_of(key, number) == before
    set_order_state(runs_of(number)[0], Status.COMPLETED, remains=0)
    assert status_of(key, number) == ("In progress", "0.75", "200")


def test_status_when_a_later_run_is_read_then_of_that_run_only(key, number):
    begin_all(DripFeed.objects.get())
    second = runs_of(number)[1]
    assert status_of(key, second.pk) == ("Pending", "0.25", "100")


def test_status_when_stopped_then_partial_with_the_refund(customer, key, number):
    set_order_state(runs_of(number)[0], Status.COMPLETED, remains=0)
    stop_drip_feed(drip=DripFeed.objects.get(), actor=customer)
    assert status_of(key, number) == ("Partial", "0.25", "200")


def test_status_when_drip_feeds_and_orders_read_then_three_queries(customer, service, key, number):
    numbers = [number, make.order(customer, service).pk] + [
        add(key, service, runs=2, interval=5)["order"] for _ in range(9)
    ]

    def count(*ids):
        with statements() as found:
            answer = call_api(key, "status", orders=",".join(map(str, ids)))
        assert list(answer) == [str(one) for one in ids]
        return len(found)

    assert count(number) == count(*numbers) == 4, "one of them finds the key"


@st.composite
def runs(draw):
    """Draw a drip-feed in any state, with its runs that began."""
    planned, quantity = draw(st.integers(2, 6)), draw(st.integers(1, 1_000))
    state = draw(st.sampled_from(list(DripState)))
    begun = planned if state == DripState.COMPLETED else draw(st.integers(1, planned - 1))
    charge = draw(st.integers(1_000, 10**9))
    refunded = charge * (planned - begun) if state == DripState.STOPPED else 0
    drip = DripFeed(
        state=state,
        runs=planned,
        begun=begun,
        quantity=quantity,
        run_charge=charge,
        charge=charge * planned,
        refunded=refunded,
    )
    orders = []
    for run in range(1, begun + 1):
        status = draw(STATUSES)
        undelivered = {Status.CANCELED: quantity, Status.PARTIAL: draw(st.integers(0, quantity))}.get(status, 0)
        orders.append(
            Order(
                status=status,
                run=run,
                quantity=quantity,
                charge=charge,
                refunded=refund_for(charge, undelivered=undelivered, quantity=quantity) if status in FINAL else 0,
                remains=draw(st.none() | st.integers(-5, 1_500)),
                review_reason=draw(st.sampled_from(["", "", ReviewReason.CONTRADICTION])),
            )
        )
    return drip, orders


@given(made=runs())
def test_status_when_in_any_state_then_it_agrees_with_the_books(made):
    drip, orders = made
    answer = served_drip_status(drip, orders)
    assert answer.charge == drip.charge - drip.refunded - sum(one.refunded for one in orders)
    assert 0 <= answer.remains <= drip.quantity * drip.runs
    open_runs = [one for one in orders if one.status not in FINAL or one.review_reason]
    if drip.is_running or open_runs:
        assert answer.status in (Status.PENDING, Status.IN_PROGRESS)
        return
    given_back = drip.charge - answer.charge
    if not given_back:
        assert answer.status in (Status.COMPLETED, Status.PARTIAL) and answer.remains == 0
    else:
        assert answer.status == (Status.CANCELED if given_back == drip.charge else Status.PARTIAL)
    # Another panel that bought all runs as one order refunds the same share, but for a micro-unit per run.
    sold = make.SoldOrder(quantity=drip.quantity * drip.runs, charge=drip.charge, expected_cost=drip.charge)
    due = refund_due(sold, status=answer.status, remains=answer.remains, upstream_charge=answer.charge)
    assert isinstance(due, Refund)
    assert abs(due.target - given_back) <= drip.runs


# -- cancelling --------------------------------------------------------------------------------------


def test_cancel_when_the_first_run_waits_then_all_money_is_refunded(customer, key, number):
    assert "success" in call_api(key, "cancel", order=number)
    assert make.wallet(customer).balance == 10_000_000
    assert status_of(key, number) == ("Canceled", "0", "300")
    with nothing_changes():
        assert "success" in call_api(key, "cancel", order=number), "the first answer was lost"


def test_cancel_when_a_run_is_at_provider_then_rest_is_refunded(customer, key, number):
    run = set_order_state(runs_of(number)[0], Status.IN_PROGRESS, remains=50)
    assert call_api(key, "cancel", orders=number) == [{"order": number, "cancel": 1}]
    assert make.wallet(customer).balance == 9_750_000
    assert CancelRequest.objects.get().order == run
    assert status_of(key, number) == ("In progress", "0.25", "250")
    set_order_state(run, Status.COMPLETED, remains=0)
    assert status_of(key, number) == ("Partial", "0.25", "200")
    with nothing_changes():
        response = call_api(key, "cancel", order=number)
        assert response == {"success": "What had not begun is canceled. Runs that have begun go on."}, (
            "as the first time"
        )


def test_cancel_when_all_runs_begun_then_each_canceled_if_possible(customer, key, number):
    begin_all(DripFeed.objects.get())
    runs = runs_of(number)
    set_order_state(runs[0], Status.COMPLETED, remains=0)
    set_order_state(runs[1], Status.IN_PROGRESS, remains=50)
    assert "success" in call_api(key, "cancel", order=number)
    assert [one.status for one in runs_of(number)] == [Status.COMPLETED, Status.IN_PROGRESS, Status.CANCELED]
    assert make.wallet(customer).balance == 9_500_000
    assert CancelRequest.objects.get().order == runs[1]


def test_cancel_when_all_runs_have_ended_then_refused(key, number):
    begin_all(DripFeed.objects.get())
    for run in runs_of(number):
        set_order_state(run, Status.COMPLETED, remains=0)
    with nothing_changes():
        assert call_api(key, "cancel", order=number) == {"error": "Order already completed"}


def test_cancel_when_only_open_run_refuses_then_reason_returned(key, number):
    begin_all(DripFeed.objects.get())
    for run, status in zip(runs_of(number), [Status.COMPLETED, Status.IN_PROGRESS, Status.COMPLETED], strict=True):
        set_order_state(run, status, remains=0)
    UpstreamService.objects.update(cancel=False)
    with nothing_changes():
        response = call_api(key, "cancel", order=number)
    assert response == {"error": "Cannot cancel: This service cannot be canceled once it was sent."}


def test_cancel_when_a_later_run_is_named_then_only_it_is_canceled(customer, key, number):
    begin_all(DripFeed.objects.get())
    call_api(key, "cancel", order=runs_of(number)[1].pk)
    assert [one.status for one in runs_of(number)] == [Status.PENDING, Status.CANCELED, Status.PENDING]
    assert make.wallet(customer).balance == 9_500_000


# -- refilling ---------------------------------------------------------------------------------------


def test_refill_when_some_runs_are_completed_then_each_is_refilled(key, number):
    begin_all(DripFeed.objects.get())
    runs = runs_of(number)
    assert call_api(key, "refill", order=number) == {"error": "Order is not completed"}
    for run in runs[1:]:
        set_order_state(run, Status.COMPLETED, remains=0)
    response = call_api(key, "refill", order=number)
    refills = Refill.objects.order_by("pk")
    assert [one.order_id for one in refills] == [one.pk for one in runs[1:]]
    assert response == {"refill": str(refills[0].pk)}
    assert "error" in call_api(key, "refill", order=number)
    assert Refill.objects.count() == 2


def test_refill_when_many_runs_then_next_request_continues(key, number, monkeypatch):
    """Each refill is a transaction, and a drip-feed has up to a thousand runs."""
    monkeypatch.setattr("panel.api.cancel_refill.MAX_RUNS", 2)
    begin_all(DripFeed.objects.get())
    for run in runs_of(number):
        set_order_state(run, Status.COMPLETED, remains=0)
    assert "refill" in call_api(key, "refill", order=number)
    assert Refill.objects.count() == 2
    assert "refill" in call_api(key, "refill", order=number)
    assert Refill.objects.count() == 3
    assert "error" in call_api(key, "refill", order=number)


@pytest.mark.parametrize("action", ["cancel", "refill"])
def test_one_order_when_it_crashes_then_the_request_does(client, key, number, monkeypatch, action):
    """HTTP 200 with an error is a refusal, which no client would check again."""

    def crashes(**_):
        raise RuntimeError

    monkeypatch.setattr(
        "panel.api.cancel_refill.stop_drip_feed" if action == "cancel" else "panel.api.cancel_refill.request_refill",
        crashes,
    )
    answer = client.post(ADDRESS, {"key": key, "action": action, "order": number})
    assert (answer.status_code, answer.json()) == (500, {"error": "Internal error"})
