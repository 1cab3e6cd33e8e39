"""What `status` tells of each state of an order: a panel that buys here gives back what we gave back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.upstream.parsing_many import parse_statuses
from orders.models import Order
from orders.refunds.policy import TOLERANCE_MICROS, Contradiction, Refund, refund_due
from orders.review.decisions import dismiss_review, refund_part
from orders.review.manual_close import close_accepted
from orders.states import FINAL, OPEN, ReviewReason, Status
from orders.tracking.interpret import charge_in_micros
from panel.api.status import read_statuses, tell
from panel.lib.money import EXCHANGE_ONE, format_plain, refund_for
from tests import make
from tests.api_calls import ask, key_of, stands
from tests.scenes import placed, says

CHARGES = st.integers(1, 10**12) | st.integers(1, 2_000)
QUANTITIES = st.integers(1, 10**9) | st.integers(1, 40)
REMAINS = st.none() | st.integers(-50, 2 * 10**9) | st.integers(-5, 60)


def heard(order: Order) -> tuple[Status, int, int]:
    """Status, charge in micro-units and remains, as the client of another panel reads our answer."""
    answer = {"7": tell(order).as_answer()}
    row = parse_statuses(json.dumps(answer), ["7"])["7"]
    charge = charge_in_micros(row.charge, EXCHANGE_ONE)
    assert charge is not None and row.remains is not None
    return Status(row.status.value), charge, row.remains


def due_there(order: Order, *, is_package: bool = False) -> Refund | Contradiction:
    """What another panel does with our answer: our charge is its expected cost, and its customer paid as much."""
    status, charge, remains = heard(order)
    sold = make.Sold(quantity=order.quantity, charge=order.charge, expected_cost=order.charge, is_package=is_package)
    return refund_due(sold, status=status, remains=remains, upstream_charge=charge)


def an_order(status, quantity, charge, refunded, remains, review=""):
    return Order(
        status=status, quantity=quantity, charge=charge, refunded=refunded, remains=remains, review_reason=review
    )


# -- every combination -------------------------------------------------------------------------------


@given(status=st.sampled_from(sorted(FINAL)), quantity=QUANTITIES, charge=CHARGES, remains=REMAINS, data=st.data())
def test_end_when_it_was_settled_by_a_number_then_the_same_share_is_given_back(status, quantity, charge, remains, data):
    """Whatever `remains` the provider said: what counts is what was settled."""
    undelivered = data.draw(st.integers(0, quantity))
    refunded = refund_for(charge, undelivered=undelivered, quantity=quantity)
    order = an_order(status, quantity, charge, refunded, remains)
    due = due_there(order)
    if isinstance(due, Contradiction):
        # Canceled, and all was kept: nobody can tell by numbers what that means.
        assert status == Status.CANCELED and not refunded
    else:
        assert due.target == refunded


@given(status=st.sampled_from(sorted(FINAL)), quantity=QUANTITIES, charge=CHARGES, remains=REMAINS, data=st.data())
def test_end_when_staff_gave_back_any_amount_then_never_more_is_given_back(status, quantity, charge, remains, data):
    refunded = data.draw(st.integers(0, charge) | st.sampled_from([0, 1, charge - 1, charge]))
    due = due_there(an_order(status, quantity, charge, refunded, remains))
    if isinstance(due, Refund):
        assert due.target <= refunded
        assert refunded - due.target <= -(-charge // quantity) + 1, "less than one piece"


@given(status=st.sampled_from(sorted(FINAL)), charge=CHARGES, remains=REMAINS, data=st.data())
def test_end_when_it_is_a_package_then_all_or_nothing_is_told_and_else_staff_decide(status, charge, remains, data):
    refunded = data.draw(st.sampled_from([0, charge]) | st.integers(0, charge))
    order = an_order(status, 1, charge, refunded, remains)
    due = due_there(order, is_package=True)
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
def test_end_when_its_provider_contradicts_itself_then_it_is_not_told_yet(status, quantity, charge, remains, part):
    order = an_order(status, quantity, charge, int(charge * part), remains, ReviewReason.CONTRADICTION)
    assert heard(order)[0] == Status.IN_PROGRESS
    assert due_there(order) == Refund(0, 0)


@given(status=st.sampled_from(sorted(OPEN)), quantity=QUANTITIES, charge=CHARGES, remains=REMAINS)
def test_open_when_its_provider_says_anything_then_numbers_stay_within_the_order(status, quantity, charge, remains):
    told_status, told_charge, told_remains = heard(an_order(status, quantity, charge, 0, remains))
    assert (told_status, told_charge) == (status, charge)
    assert told_remains == (quantity if remains is None else max(0, min(remains, quantity)))


@given(status=st.sampled_from(sorted(FINAL)), quantity=QUANTITIES, charge=CHARGES, remains=REMAINS, data=st.data())
def test_end_when_told_then_charge_and_remains_are_what_was_kept_and_given_back(
    status, quantity, charge, remains, data
):
    refunded = refund_for(charge, undelivered=data.draw(st.integers(0, quantity)), quantity=quantity)
    told_status, told_charge, told_remains = heard(an_order(status, quantity, charge, refunded, remains))
    assert told_charge == charge - refunded
    assert 0 <= told_remains <= quantity
    assert refund_for(charge, undelivered=told_remains, quantity=quantity) == refunded
    assert (told_status == Status.CANCELED) == (refunded == charge)
    assert told_status != Status.COMPLETED or not refunded


@given(count=st.none() | st.integers(-(10**6), 10**15))
def test_start_count_when_told_then_a_whole_number_from_0_on(count):
    order = an_order(Status.IN_PROGRESS, 100, 100, 0, 0)
    order.start_count = count
    assert int(tell(order).as_answer()["start_count"]) == max(count or 0, 0)


@given(charge=CHARGES)
def test_charge_when_told_then_plain_digits(charge):
    text = tell(an_order(Status.PENDING, 1, charge, 0, None)).as_answer()["charge"]
    assert text == format_plain(charge) and not set(text) - set("0123456789.")


# -- stories -----------------------------------------------------------------------------------------


@pytest.fixture
def told(db, customer, sound_books):
    def read(order):
        [answer] = read_statuses(customer=customer, ids=[order.pk]).values()
        return answer["status"], answer["charge"], answer["remains"]

    return read


@pytest.mark.parametrize(
    ("said", "expected"),
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
def test_status_when_the_provider_says_so_then_told_as_it_was_settled(
    told, upstream, service, customer, said, expected
):
    [order] = placed(customer, service)
    assert told(says(upstream, order, **said)) == expected


def test_status_when_staff_end_a_contradiction_then_their_decision_is_told(told, customer, service, staff):
    order = stands(make.order(customer, service), Status.PARTIAL, remains=40, review_reason=ReviewReason.CONTRADICTION)
    assert told(order)[0] == "In progress"
    close_accepted(order=order, status=Status.PARTIAL, delivered=30, note="Counted", actor=staff)
    assert told(order) == ("Partial", "0.075", "70")


def test_status_when_staff_find_nothing_to_give_back_then_nothing_remains(told, customer, service, staff):
    """Its provider said that 40 remain; whoever hears that gives 40 back, and got nothing."""
    order = stands(make.order(customer, service), Status.PARTIAL, remains=40, review_reason=ReviewReason.CONTRADICTION)
    dismiss_review(order=order, note="All is there", actor=staff)
    assert told(order) == ("Partial", "0.25", "0")


def test_status_when_a_completed_order_gave_a_part_back_then_it_is_partial(told, customer, service, staff):
    """Whoever hears "Completed" gives nothing back."""
    order = stands(make.order(customer, service), Status.COMPLETED, remains=0)
    assert told(order) == ("Completed", "0.25", "0")
    refund_part(order=order, amount=make.micros("0.1"), note="Dropped", actor=staff)
    assert told(order) == ("Partial", "0.15", "40")
    order.refresh_from_db()
    refund_part(order=order, amount=make.micros("0.0001"), note="Rounding", actor=staff)
    assert told(order) == ("Partial", "0.1499", "40"), "not 41: that would be more than was given back"
    order.refresh_from_db()
    refund_part(order=order, amount=order.net_charge, note="All of it", actor=staff)
    assert told(order) == ("Canceled", "0", "100")


def test_end_when_another_review_stood_before_then_it_is_not_told_either(told, upstream, service, customer):
    [order] = placed(customer, service)
    order = says(upstream, order, status="Wobbling", remains=50, charge="0.2")
    order = says(upstream, order, status="Canceled", remains=0, charge="0.2")
    assert (order.status, order.review_reason) == (Status.CANCELED, ReviewReason.UNKNOWN_STATUS)
    assert told(order)[:2] == ("In progress", "0.25")


def test_canceled_order_when_staff_give_nothing_back_then_it_is_no_longer_told_as_canceled(
    told, upstream, service, customer, staff
):
    """Whoever hears "Canceled" gives all of it back."""
    [order] = placed(customer, service)
    order = says(upstream, order, status="Canceled", remains=0, charge="0.2")
    dismiss_review(order=order, note="All of it was delivered.", actor=staff)
    assert told(order) == ("Completed", "0.25", "0")


def test_cancel_when_the_end_waits_for_staff_then_it_is_no_success(upstream, service, customer, sound_books):
    key = key_of(customer)
    [order] = placed(customer, service)
    order = says(upstream, order, status="Canceled", remains=0, charge="0.2")
    refused = {"error": "Cannot cancel: it has ended, and our team looks at what comes back"}
    assert ask(key, "cancel", order=order.pk) == refused
    assert ask(key, "cancel", orders=order.pk) == [{"order": order.pk, "cancel": refused}]


def test_cancel_when_the_order_ended_in_part_then_it_is_no_success(upstream, service, customer, sound_books):
    key = key_of(customer)
    [order] = placed(customer, service)
    order = says(upstream, order, status="Canceled", remains=40, charge="0.12")
    assert ask(key, "cancel", order=order.pk) == {"error": "Order already completed"}
