"""Many threads create orders at the same moment, on the real database."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from billing.models import Entry, Wallet
from catalog.models import Service
from orders.checkout.create import AlreadyOrdered, CreatedOrder, NotEnoughFunds, create_order
from orders.checkout.validation import OrderInput
from orders.models import Order
from panel.ops.invariants import find_breaches
from tests import make, unguarded
from tests.scenes import at_once

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 8


@pytest.fixture
def service() -> Service:
    return make.service(make.provider())


def create(customer: Any, service: Service, *, key: str, quantity: int = 1_000) -> CreatedOrder:
    order_input = OrderInput(service.pk, "https://example.com/a", quantity, {})
    return create_order(customer=customer, order_input=order_input, request_key=key, seen_charge=None)


def debits() -> list[int]:
    return list(Entry.objects.filter(kind="order").values_list("amount", flat=True))


def test_same_request_when_concurrent_then_one_order_and_one_debit(service):
    """Eight clicks at once create and charge one order, and each returns it."""
    alice = make.customer(funds="100")
    results = at_once(THREADS, lambda number: create(alice, service, key="same"))
    assert [result for result in results if isinstance(result, BaseException)] == []
    assert Counter(result.created for result in results) == {True: 1, False: THREADS - 1}
    assert len({result.order.pk for result in results}) == 1
    assert (Order.objects.count(), debits(), make.wallet(alice).balance) == (1, [-2_500_000], 97_500_000)
    assert find_breaches() == []


def test_same_request_when_keys_differ_then_each_is_an_order(service):
    """Without the shared key, the same clicks create eight orders."""
    alice = make.customer(funds="100")
    results = at_once(THREADS, lambda number: create(alice, service, key=f"key {number}"))
    assert all(result.created for result in results)
    assert (Order.objects.count(), make.wallet(alice).balance) == (THREADS, 80_000_000)
    assert find_breaches() == []


def test_same_key_when_concurrent_orders_differ_then_one_created(service):
    alice = make.customer(funds="100")
    results = at_once(THREADS, lambda number: create(alice, service, key="same", quantity=1_000 + number))
    assert Counter(type(result) for result in results) == {CreatedOrder: 1, AlreadyOrdered: THREADS - 1}
    [order] = Order.objects.all()
    assert debits() == [-order.charge]
    assert find_breaches() == []


def test_funds_for_three_when_eight_orders_race_then_three_created(service):
    """With a check before the debit, the balance went negative and all eight orders were created."""
    alice = make.customer(funds="9")  # three orders of $2.50, and $1.50 left
    results = at_once(THREADS, lambda number: create(alice, service, key=f"key {number}"))
    assert Counter(type(result) for result in results) == {CreatedOrder: 3, NotEnoughFunds: THREADS - 3}
    assert (Order.objects.count(), debits(), make.wallet(alice).balance) == (3, [-2_500_000] * 3, 1_500_000)
    assert find_breaches() == []


def test_balance_when_read_and_written_back_then_debits_are_lost():
    """Shows that the test detects lost updates: a naive read and write back loses seven of eight $1 debits from $9."""
    alice = make.customer(funds="9")
    all_have_read = threading.Barrier(THREADS)

    def naive(number: int) -> None:
        wallet = Wallet.objects.get(customer=alice)
        all_have_read.wait(60)
        with unguarded.no_foreign_keys():
            unguarded.wallets().filter(pk=wallet.pk).update(balance=wallet.balance - 1_000_000)

    assert at_once(THREADS, naive) == [None] * THREADS
    assert make.wallet(alice).balance == 8_000_000
    [breach] = [breach for breach in find_breaches() if breach.invariant == "balance = sum of entries"]
    assert breach.rows == [f"wallet {make.wallet(alice).pk}: balance 8000000, entries sum up to 9000000"]


def test_many_customers_when_ordering_at_once_then_no_debit_lost(service):
    users = [make.customer(f"user{number}@example.org", funds="10") for number in range(4)]

    def work(number: int) -> None:
        for step in range(5):
            create(users[(number + step) % 4], service, key=f"{number}/{step}", quantity=100)

    assert at_once(THREADS, work) == [None] * THREADS
    assert Order.objects.count() == THREADS * 5
    assert sum(make.wallet(user).balance for user in users) == 40_000_000 - THREADS * 5 * 250_000
    assert find_breaches() == []
