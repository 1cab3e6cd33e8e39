"""Posting refunds, and canceling orders that were not accepted, also from outdated reads."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from orders.common.transitions import OrderMoved, write_answers
from orders.models import Order
from orders.refunds.posting import cancel_unaccepted, refund_up_to
from orders.states import Status, Submission
from tests import make
from tests.scenes import fresh, money_of, nothing_changes, refunds_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def order(customer: Any, service: Any) -> Order:
    """100 for $0.25, accepted."""
    return make.accepted_order(customer, service)


def refund(order: Order, target: int) -> int:
    with transaction.atomic():
        return refund_up_to(order=order, target=target, text="not delivered")


def test_refund_when_the_target_rises_then_the_difference_is_posted(customer, order):
    assert (refund(order, 100_000), refund(order, 175_000), refund(order, 250_000)) == (100_000, 75_000, 75_000)
    assert (refunds_of(order), money_of(customer)[0]) == ([100_000, 75_000, 75_000], 10_000_000)


@pytest.mark.parametrize("target", [0, 50_000, 100_000])
def test_refund_when_target_does_not_rise_then_nothing_is_reversed(order, target):
    refund(order, 100_000)
    with nothing_changes():
        assert refund(order, target) == 0


@pytest.mark.parametrize("target", [50_000, 100_000, 150_000])
def test_refund_when_order_was_refunded_meanwhile_then_not_posted(order, target):
    """Two processes that had read a refund of 0 each posted theirs, one of them for the second time."""
    stale = fresh(order)
    refund(order, 100_000)
    with nothing_changes(), pytest.raises(OrderMoved):
        refund(stale, target)


def test_refund_when_target_is_above_charge_then_nothing_is_posted(order):
    with nothing_changes(), pytest.raises(OrderMoved):
        refund(order, order.charge + 1)


def cancel(order: Order) -> None:
    with transaction.atomic():
        cancel_unaccepted(order=order, submission=Submission.REFUSED, note="Not taken")


def test_cancel_when_partly_refunded_then_only_rest_is_refunded(customer, service):
    order = make.order(customer, service)
    refund(order, 100_000)
    cancel(fresh(order))
    assert (fresh(order).status, refunds_of(order)) == (Status.CANCELED, [100_000, 150_000])
    assert money_of(customer)[0] == 10_000_000


@pytest.mark.parametrize(
    "moved",
    [
        {"submission": Submission.SUBMITTING},
        {"claim_token": "another"},
        {"review_reason": "doubt"},
        {"submission": Submission.ACCEPTED, "upstream_id": "77"},
    ],
    ids=lambda moved: "-".join(moved),
)
def test_cancel_when_the_order_moved_meanwhile_then_nothing_changes(customer, service, moved):
    stale = make.order(customer, service)
    Order.objects.filter(pk=stale.pk).update(**moved)
    with nothing_changes(), pytest.raises(OrderMoved):
        cancel(stale)


def test_cancel_when_the_order_is_accepted_then_nothing_changes(order):
    """An accepted order must never be refunded like one that was not sent."""
    with nothing_changes(), pytest.raises(OrderMoved):
        cancel(order)


# -- writing what a batch of answers changed ---------------------------------------------------------


@pytest.mark.parametrize("moved", [{"status": Status.CANCELED}, {"submission": Submission.IN_DOUBT}])
def test_answers_when_one_order_moved_meanwhile_then_none_written(customer, service, moved):
    stale = [make.accepted_order(customer, service, upstream_id=upstream_id) for upstream_id in ("1", "2")]
    Order.objects.filter(pk=stale[1].pk).update(**moved, doubt_until=timezone.now() + timedelta(hours=1))
    for order in stale:
        order.status, order.remains = Status.PARTIAL, 40
    with nothing_changes(), pytest.raises(OrderMoved), transaction.atomic():
        write_answers(orders=stale, was={order.pk: (Status.PENDING, 0) for order in stale})


def test_answers_when_written_then_every_followed_column_is_stored(customer, service):
    orders = [make.accepted_order(customer, service, upstream_id=upstream_id) for upstream_id in ("1", "2")]
    now = timezone.now()
    values = {
        "status": Status.PARTIAL,
        "remains": -(10**15),
        "start_count": 10**15,
        "upstream_charge": 120_000,
        "finished_at": now,
        "checked_at": now,
    }
    for name, value in values.items():
        setattr(orders[0], name, value)
    write_answers(orders=orders, was={order.pk: (Status.PENDING, 0) for order in orders})
    stored = fresh(orders[0])
    assert {name: getattr(stored, name) for name in values} == values
    other = fresh(orders[1])
    assert {name: getattr(other, name) for name in values} == {name: getattr(orders[1], name) for name in values}
