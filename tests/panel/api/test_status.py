"""`status` in each state of an order: a panel that buys here refunds what we refunded."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from catalog.upstream.parsing_many import parse_statuses
from orders.models import Order, OrderPoll
from orders.refunds.policy import TOLERANCE_MICROS, Contradiction, Refund, refund_due
from orders.review.decisions import dismiss_review, refund_part
from orders.review.manual_close import close_accepted
from orders.states import FINAL, OPEN, ReviewReason, Status
from orders.tracking.interpret import charge_in_micros
from panel.api.status import read_statuses, served_status
from panel.lib.money import EXCHANGE_ONE, format_plain, refund_for
from tests import make
from tests.api_calls import call_api, new_key, set_order_state
from tests.scenes import create_accepted, set_and_poll

CHARGES = st.integers(1, 10**12) | st.integers(1, 2_000)
QUANTITIES = st.integers(1, 10**9) | st.integers(1, 40)
REMAINS = st.none() | st.integers(-50, 2 * 10**9) | st.integers(-5, 60)


def read_by_client(order: Order) -> tuple[Status, int, int]:
    """Return status, charge in micro-units and remains, as the client of another panel reads our answer."""
    answer = {"7": served_status(order).as_answer()}
    row = parse_statuses(json.dumps(answer), ["7"])["7"]
    charge = charge_in_micros(row.charge, EXCHANGE_ONE)
    assert charge is not None and row.remains is not None
    return Status(row.status.value), charge, row.remains


def refund_by_client(order: Order, *, is_package: bool = False) -> Refund | Contradiction:
    """Return what another panel does: our charge is its expected cost, and its customer paid as much."""
    status, charge, remains = read_by_client(order)
    sold = make.SoldOrder(
        quantity=order.quantity, charge=order.charge, expected_cost=order.charge, is_package=is_package
    )
    return refund_due(sold, status=status, remains=remains, upstream_charge=charge)


def order_with(status, quantity, charge, refunded, remains, review=""):
    return Order(
        status=status, quantity=quantity, charge=charge, refunded=refunded, remains=remains, review_reason=review
    )


# -- every combination -------------------------------------------------------------------------------


@given(status=st.sampled_from(sorted(FINAL)), quantity=QUANTITIES, charge=CHARGES, remains=REMAINS, data=st.data())
def test_end_when_refunded_by_quantity_then_client_refunds_same(status, quantity, charge, remains, data):
    """Only the refund counts, whichever `remains` the provider reported."""
    undelivered = data.draw(st.integers(0, quantity))
    refunded = refund_for(charge, undelivered=undelivered, quantity=quantity)
    order = order_with(status, quantity, charge, refunded, remains)
    due = refund_by_client(order)
    if isinstance(due, Contradiction):
        # Canceled with everything kept: the numbers alone are ambiguous.
        assert status == Status.CANCELED and not refunded
    else:
        assert due.target == refunded


@given(status=st.sampled_from(sorted(FINAL)), quantity=QUANTITIES, charge=CHARGES, remains=REMAINS, data=st.data())
def test_end_when_staff_refund_any_sum_then_client_refunds_no_more(status, quantity, charge, remains, data):
    refunded = data.draw(st.integers(0, charge) | st.sampled_from([0, 1, charge - 1, charge]))
    due = refund_by_client(order_with(status, quantity, charge, refunded, remains))
    if isinstance(due, Refund):
        assert due.target <= refunded
        assert refunded - due.target <= -(-charge // quantity) + 1, "less than one piece"


@given(status=st.sampled_from(sorted(FINAL)), charge=CHARGES, remains=REMAINS, data=st.data())
def test_end_when_a_package_then_all_or_nothing_or_left_to_staff(status, charge, remains, data):
    refunded = data.draw(st.sampled_from([0, charge]) | st.integers(0, charge))
    order = order_with(status, 1, charge, refunded, remains)
    due = refund_by_client(order, is_package=True)
    if refunded == charge:
        assert due == Refund(charge, 1)
    elif refunded > max(TOLERANCE_MICROS, charge // 20):
        assert isinstance(due, Contradiction)
    elif isinstance(due, Refund):
        assert due.target == 0
    else:
        assert status == Status.CANCELED


@given(
    status=st.sampled_from(sorted(FINAL)), quantity=QUANTITIES, charge=CHARGES, remains=REMAINS, part=st.floats(0, 1)
)
def test_end_when_provider_contradicts_itself_then_not_reported(status, quantity, charge, remains, part):
    order = order_with(status, quantity, charge, int(charge * part), remains, ReviewReason.CONTRADICTION)
    assert read_by_client(order)[0] == Status.IN_PROGRESS
    assert refund_by_client(order) == Refund(0, 0)


@given(status=st.sampled_from(sorted(OPEN)), quantity=QUANTITIES, charge=CHARGES, remains=REMAINS)
def test_open_when_provider_sends_any_values_then_numbers_in_range(status, quantity, charge, remains):
    read_status, read_charge, read_remains = read_by_client(order_with(status, quantity, charge, 0, remains))
    assert (read_status, read_charge) == (status, charge)
    assert read_remains == (quantity if remains is None else max(0, min(remains, quantity)))


@given(status=st.sampled_from(sorted(FINAL)), quantity=QUANTITIES, charge=CHARGES, remains=REMAINS, data=st.data())
def test_end_when_reported_then_charge_kept_and_remains_refunded(status, quantity, charge, remains, data):
    refunded = refund_for(charge, undelivered=data.draw(st.integers(0, quantity)), quantity=quantity)
    read_status, read_charge, read_remains = read_by_client(order_with(status, quantity, charge, refunded, remains))
    assert read_charge == charge - refunded
    assert 0 <= read_remains <= quantity
    assert refund_for(charge, undelivered=read_remains, quantity=quantity) == refunded
    assert (read_status == Status.CANCELED) == (refunded == charge)
    assert read_status != Status.COMPLETED or not refunded


@given(count=st.none() | st.integers(-(10**6), 10**15))
def test_start_count_when_reported_then_a_whole_number_from_0_on(count):
    order = order_with(Status.IN_PROGRESS, 100, 100, 0, 0)
    order.start_count = count
    assert int(served_status(order).as_answer()["start_count"]) == max(count or 0, 0)


@given(charge=CHARGES)
def test_charge_when_reported_then_plain_digits(charge):
    text = served_status(order_with(Status.PENDING, 1, charge, 0, None)).as_answer()["charge"]
    assert text == format_plain(charge) and not set(text) - set("0123456789.")


# -- stories -----------------------------------------------------------------------------------------


@pytest.fixture
def served(db, customer, invariants_hold):
    def read(order):
        [answer] = read_statuses(customer=customer, ids=[order.pk]).values()
        return answer["status"], answer["charge"], answer["remains"]

    return read


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"status": "In progress", "remains": 130, "charge": "0.2"}, ("In progress", "0.25", "100")),
        ({"status": "Completed", "remains": 0, "charge": "0.2"}, ("Completed", "0.25", "0")),
        ({"status": "Completed", "remains": 12, "charge": "0.2"}, ("Completed", "0.25", "0")),
        ({"status": "Completed", "remains": -30, "charge": "0.2"}, ("Completed", "0.25", "0")),
        ({"status": "Partial", "remains": 40, "charge": "0.12"}, ("Partial", "0.15", "40")),
        ({"status": "Partial", "remains": 40, "charge": "0.2"}, ("In progress", "0.25", "40")),
        ({"status": "Partial", "remains": 100, "charge": "0"}, ("Canceled", "0", "100")),
        ({"status": "Partial", "remains": 400, "charge": "0"}, ("Canceled", "0", "100")),
        ({"status": "Partial", "remains": 0, "charge": "0.2"}, ("Partial", "0.25", "0")),
        ({"status": "Canceled", "remains": 0, "charge": "0"}, ("Canceled", "0", "100")),
        ({"status": "Canceled", "remains": 40, "charge": "0.12"}, ("Partial", "0.15", "40")),
        ({"status": "Canceled", "remains": 0, "charge": "0.2"}, ("In progress", "0.25", "0")),
        ({"status": "Processing", "remains": -5, "charge": "0.2"}, ("Processing", "0.25", "0")),
    ],
)
def test_status_when_the_provider_reports_it_then_as_it_was_refunded(
    served, upstream, service, customer, row, expected
):
    [order] = create_accepted(customer, service)
    assert served(set_and_poll(upstream, order, **row)) == expected


def test_status_when_staff_end_a_contradiction_then_as_they_decided(served, customer, service, staff):
    order = set_order_state(
        make.order(customer, service), Status.PARTIAL, remains=40, review_reason=ReviewReason.CONTRADICTION
    )
    assert served(order)[0] == "In progress"
    close_accepted(order=order, status=Status.PARTIAL, delivered=30, note="Counted", actor=staff)
    assert served(order) == ("Partial", "0.075", "70")


def test_status_when_staff_refund_nothing_then_nothing_remains(served, customer, service, staff):
    """Its provider reported 40 remains, for which a client would refund 40 without getting anything."""
    order = set_order_state(
        make.order(customer, service), Status.PARTIAL, remains=40, review_reason=ReviewReason.CONTRADICTION
    )
    dismiss_review(order=order, note="All is there", actor=staff)
    assert served(order) == ("Partial", "0.25", "0")


def test_status_when_completed_order_partly_refunded_then_partial(served, customer, service, staff):
    """A client refunds nothing for "Completed"."""
    order = set_order_state(make.order(customer, service), Status.COMPLETED, remains=0)
    assert served(order) == ("Completed", "0.25", "0")
    refund_part(order=order, amount=make.micros("0.1"), note="Dropped", actor=staff)
    assert served(order) == ("Partial", "0.15", "40")
    order.refresh_from_db()
    refund_part(order=order, amount=make.micros("0.0001"), note="Rounding", actor=staff)
    assert served(order) == ("Partial", "0.1499", "40"), "not 41: that would be more than was given back"
    order.refresh_from_db()
    refund_part(order=order, amount=order.net_charge, note="All of it", actor=staff)
    assert served(order) == ("Canceled", "0", "100")


def test_end_when_another_review_was_open_then_not_reported_either(served, upstream, service, customer):
    [order] = create_accepted(customer, service)
    set_and_poll(upstream, order, status="Wobbling", remains=50, charge="0.2")
    OrderPoll.objects.update(unknown_since=timezone.now() - timedelta(days=2))
    order = set_and_poll(upstream, order, status="Wobbling")
    order = set_and_poll(upstream, order, status="Canceled", remains=0, charge="0.2")
    assert (order.status, order.review_reason) == (Status.CANCELED, ReviewReason.UNKNOWN_STATUS)
    assert served(order)[:2] == ("In progress", "0.25")


@pytest.mark.parametrize("review", [ReviewReason.RECANTED, ReviewReason.DUPLICATE_ID])
def test_end_when_doubted_after_it_was_reported_then_unchanged(review):
    """The client refunded its own customer by the end: it must not see the order open again."""
    canceled = order_with(Status.CANCELED, 100, 250_000, 250_000, 100, review)
    assert read_by_client(canceled) == (Status.CANCELED, 0, 100)
    partial = order_with(Status.PARTIAL, 100, 250_000, 100_000, 40, review)
    assert read_by_client(partial) == (Status.PARTIAL, 150_000, 40)


def test_canceled_order_when_staff_refund_nothing_then_not_canceled(served, upstream, service, customer, staff):
    """A client refunds everything for "Canceled"."""
    [order] = create_accepted(customer, service)
    order = set_and_poll(upstream, order, status="Canceled", remains=0, charge="0.2")
    dismiss_review(order=order, note="All of it was delivered.", actor=staff)
    assert served(order) == ("Completed", "0.25", "0")


def test_cancel_when_the_end_waits_for_staff_then_no_success(upstream, service, customer, invariants_hold):
    key = new_key(customer)
    [order] = create_accepted(customer, service)
    order = set_and_poll(upstream, order, status="Canceled", remains=0, charge="0.2")
    refused = {"error": "Cannot cancel: it has ended, and our team looks at what comes back"}
    assert call_api(key, "cancel", order=order.pk) == refused
    assert call_api(key, "cancel", orders=order.pk) == [{"order": order.pk, "cancel": refused}]


def test_cancel_when_the_order_ended_in_part_then_no_success(upstream, service, customer, invariants_hold):
    key = new_key(customer)
    [order] = create_accepted(customer, service)
    order = set_and_poll(upstream, order, status="Canceled", remains=40, charge="0.12")
    assert call_api(key, "cancel", order=order.pk) == {"error": "Order already completed"}
