"""How panels lose money, through the served API. Each guard is also switched off to show the loss."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from django.test import Client

from billing.models import Entry, Wallet
from orders.checkout.create import CreatedOrder
from orders.models import CancelRequest, DripFeed, Order, Refill
from orders.states import Status
from panel.accounts.models import ApiKey
from panel.api.key_use import LimitReached
from panel.ops.invariants import find_breaches
from tests import make, unguarded
from tests.api_calls import ADDRESS, LINK, add, call_api, new_key, read_answer, set_order_state
from tests.scenes import at_once, kill_at_each_statement, nothing_changes

racing = pytest.mark.django_db(transaction=True)
pytestmark = pytest.mark.django_db

THREADS = 8
NO_FUNDS = "Not enough funds on balance"
NOT_MINE = {"error": "Incorrect order ID"}
NO_REFILL = {"error": "Incorrect refill ID"}


@pytest.fixture
def service(db):
    """Followers: 100 for $0.25."""
    return make.service(make.provider())


def count_answers(results):
    """Count the answers by error; an order's id counts as "order"."""
    assert [one for one in results if isinstance(one, BaseException)] == []
    return Counter(one.get("error", "order") for one in results)


def debits():
    return list(Entry.objects.filter(kind="order").values_list("amount", flat=True))


# -- the wallet --------------------------------------------------------------------------------------


@racing
def test_wallet_when_96_orders_at_once_then_each_created_is_paid(service):
    """Lesson: 400 parallel orders charged 720, debited 684. Here there are 96, and money for 70."""
    alice = make.customer(funds="17.60")
    key = new_key(alice)
    batches = at_once(THREADS, lambda number: [add(key, service) for _ in range(96 // THREADS)])
    assert [one for one in batches if isinstance(one, BaseException)] == []
    answers = [one for batch in batches for one in batch]
    assert count_answers(answers) == {"order": 70, NO_FUNDS: 26}
    assert len({one["order"] for one in answers if "order" in one}) == 70 == Order.objects.count()
    assert debits() == [-250_000] * 70
    assert make.wallet(alice).balance == 100_000
    assert find_breaches() == []


@racing
def test_wallet_when_balance_is_overwritten_then_debits_are_lost(service, monkeypatch):
    """Guards off: an `add` that reads the balance, computes, and writes it back."""
    alice = make.customer(funds="10")
    key = new_key(alice)
    all_have_read = threading.Barrier(THREADS)

    def naive(**arguments):
        wallet = Wallet.objects.get(customer=alice)
        all_have_read.wait(60)
        with unguarded.no_foreign_keys():
            unguarded.wallets().filter(pk=wallet.pk).update(balance=wallet.balance - 250_000)
        return CreatedOrder(Order(pk=1, charge=250_000), created=True)

    monkeypatch.setattr("panel.api.add.create_order", naive)
    assert count_answers(at_once(THREADS, lambda number: add(key, service))) == {"order": THREADS}
    assert make.wallet(alice).balance == 9_750_000, "eight orders, one debit"
    assert find_breaches() != []


@racing
def test_wallet_when_three_of_eight_fit_then_never_below_zero(service):
    alice = make.customer(funds="0.75")
    key = new_key(alice)
    assert count_answers(at_once(THREADS, lambda number: add(key, service))) == {"order": 3, NO_FUNDS: 5}
    assert (make.wallet(alice).balance, len(debits())) == (0, 3)
    assert find_breaches() == []


@racing
def test_debit_when_it_fails_then_no_order_is_left(service, customer, monkeypatch):
    """Lesson: when the debit follows the order, a failed debit leaves a free order."""
    key = new_key(customer)

    def fails(**_):
        raise RuntimeError("the ledger is away")

    monkeypatch.setattr("orders.checkout.create.ledger.post", fails)
    with nothing_changes():
        response = Client().post(
            ADDRESS, {"key": key, "action": "add", "service": service.pk, "link": LINK, "quantity": 100}
        )
    assert (response.status_code, response.json()) == (500, {"error": "Internal error"})
    assert Order.objects.count() == 0

    # Guard off: without the one transaction the order exists, and is free.
    monkeypatch.setattr("orders.checkout.create.transaction", SimpleNamespace(atomic=nullcontext))
    # PostgreSQL locks nothing outside a transaction.
    monkeypatch.setattr("orders.checkout.create._lock_and_find", lambda *_: None)
    Client().post(ADDRESS, {"key": key, "action": "add", "service": service.pk, "link": LINK, "quantity": 100})
    assert (Order.objects.count(), debits()) == (1, [])
    assert find_breaches() != []


@racing
@pytest.mark.parametrize("plan", [{}, {"runs": 2, "interval": 5}])
def test_add_when_killed_at_any_statement_then_all_or_nothing(settings, service, customer, plan):
    settings.API_DUPLICATE_WINDOW = 60
    key = new_key(customer, daily_limit=make.micros("5"))
    cost = 500_000 if plan else 250_000

    def check():
        assert find_breaches() == []
        assert (Order.objects.count(), DripFeed.objects.count(), Entry.objects.exclude(kind="deposit").count()) == (
            0,
            0,
            0,
        )
        assert ApiKey.objects.get().spent == 0

    assert kill_at_each_statement(lambda: add(key, service, **plan), check) >= 10
    assert (make.wallet(customer).balance, ApiKey.objects.get().spent) == (10_000_000 - cost, cost)
    assert find_breaches() == []


# -- a double click ----------------------------------------------------------------------------------


@racing
@pytest.mark.parametrize("limited", [False, True])
def test_request_id_when_eight_threads_send_it_then_one_order(service, customer, limited):
    key = new_key(customer, daily_limit=make.micros("0.25") if limited else None)
    results = at_once(THREADS, lambda number: add(key, service, request_id="once"))
    order = Order.objects.get()
    assert results == [{"order": order.pk}] * THREADS
    assert debits() == [-250_000]
    assert ApiKey.objects.get().spent == (250_000 if limited else 0)
    assert find_breaches() == []


@racing
def test_request_id_when_runs_sent_eight_times_then_one_drip_feed(service, customer):
    key = new_key(customer)
    results = at_once(THREADS, lambda number: add(key, service, request_id="once", runs=2, interval=5))
    assert results == [{"order": Order.objects.get().pk}] * THREADS
    assert (DripFeed.objects.count(), make.wallet(customer).balance) == (1, 9_500_000)
    assert find_breaches() == []


@racing
def test_request_id_when_missing_then_eight_clicks_are_eight_orders(service, customer):
    """Guard off."""
    key = new_key(customer)
    assert count_answers(at_once(THREADS, lambda number: add(key, service))) == {"order": THREADS}
    assert len(debits()) == THREADS


@racing
def test_window_when_eight_threads_order_the_same_then_one_created(settings, service, customer):
    """With the window off there are eight, as above."""
    settings.API_DUPLICATE_WINDOW = 60
    key = new_key(customer)
    busy = "You have active order with this link"
    assert count_answers(at_once(THREADS, lambda number: add(key, service))) == {"order": 1, busy: THREADS - 1}
    assert debits() == [-250_000]
    assert find_breaches() == []


@racing
def test_daily_limit_when_three_of_eight_fit_then_three_created(service, customer):
    key = new_key(customer, daily_limit=make.micros("0.99"))
    results = at_once(THREADS, lambda number: add(key, service))
    limit = f"{NO_FUNDS}: the daily limit of this key is reached"
    assert count_answers(results) == {"order": 3, limit: THREADS - 3}
    assert (ApiKey.objects.get().spent, len(debits())) == (750_000, 3)
    assert find_breaches() == []


@racing
def test_daily_limit_when_checked_before_it_is_spent_then_exceeded(service, customer, monkeypatch):
    """Guard off: the spending is read first and written afterwards."""
    key = new_key(customer, daily_limit=make.micros("0.99"))
    all_have_read = threading.Barrier(THREADS)

    def spends(*, key, charge):
        spent = ApiKey.objects.get(pk=key.pk).spent
        all_have_read.wait(60)
        if spent + charge > key.daily_limit:
            raise LimitReached
        ApiKey.objects.filter(pk=key.pk).update(spent=spent + charge)

    monkeypatch.setattr("panel.api.add.spend", spends)
    monkeypatch.setattr("panel.api.add.transaction", SimpleNamespace(atomic=nullcontext))
    assert count_answers(at_once(THREADS, lambda number: add(key, service))) == {"order": THREADS}
    assert make.wallet(customer).balance == 8_000_000, "two dollars with a limit of one"


@racing
def test_cancel_when_eight_threads_send_it_then_refunded_once(service, customer):
    key = new_key(customer)
    number = add(key, service)["order"]
    results = at_once(THREADS, lambda _: call_api(key, "cancel", order=number))
    assert results == [{"success": "The order is canceled."}] * THREADS
    assert make.wallet(customer).balance == 10_000_000
    assert find_breaches() == []


@racing
def test_refill_when_eight_threads_send_it_then_one_is_requested(service, customer):
    key = new_key(customer)
    order = set_order_state(make.order(customer, service), Status.COMPLETED)
    results = at_once(THREADS, lambda _: call_api(key, "refill", order=order.pk))
    refill = Refill.objects.get()
    late = "Refill was requested less than 24 hours ago"
    assert Counter(one.get("refill", one.get("error")) for one in results) == {str(refill.pk): 1, late: THREADS - 1}


# -- money is whole numbers --------------------------------------------------------------------------


def test_money_when_tenths_are_spent_then_sums_are_exact(service):
    """0.3 − 0.1 − 0.1 − 0.1 is nothing, and 0.1 + 0.2 is 0.3."""
    alice = make.customer(funds="0.3")
    key = new_key(alice)
    balances = []
    for _ in range(3):
        add(key, service, quantity=40)
        balances.append(call_api(key, "balance")["balance"])
    assert balances == ["0.2", "0.1", "0"]
    assert add(key, service, quantity=10) == {"error": NO_FUNDS}


# -- other people's numbers --------------------------------------------------------------------------


@pytest.fixture
def bobs_objects(other, service):
    """Return Bob's queued order, one with the provider, a completed one with its refill, and a drip-feed."""
    completed = set_order_state(make.order(other, service), Status.COMPLETED)
    run = Order.objects.get(drip_feed=make.drip(other, service))
    orders = [make.order(other, service), make.accepted_order(other, service), completed, run]
    return orders, Refill.objects.create(order=completed, provider=completed.provider)


def test_ids_when_another_customers_then_unknown_and_unchanged(customer, service, bobs_objects):
    """Lesson: customer A reads, refills or cancels customer B's order by its id."""
    orders, refill = bobs_objects
    key = new_key(customer)
    many = ",".join(str(one.pk) for one in orders)
    refills, drips = list(Refill.objects.values()), list(DripFeed.objects.values())
    with nothing_changes():
        for action in ("status", "cancel", "refill"):
            assert [call_api(key, action, order=one.pk) for one in orders] == [NOT_MINE] * 4
        assert call_api(key, "status", orders=many) == {str(one.pk): NOT_MINE for one in orders}
        for action in ("cancel", "refill"):
            assert call_api(key, action, orders=many) == [{"order": one.pk, action: NOT_MINE} for one in orders]
        assert call_api(key, "refill_status", refill=refill.pk) == NO_REFILL
        assert call_api(key, "refill_status", refills=refill.pk) == [{"refill": refill.pk, "status": NO_REFILL}]
    assert (list(Refill.objects.values()), list(DripFeed.objects.values())) == (refills, drips)
    assert CancelRequest.objects.count() == 0
    # The same as for ids that do not exist.
    assert call_api(key, "status", order=999_999) == NOT_MINE


def test_ids_when_ours_are_among_others_then_only_ours_are_answered(customer, service, bobs_objects):
    orders, _ = bobs_objects
    mine = make.order(customer, service)
    answer = call_api(new_key(customer), "cancel", orders=",".join(str(one.pk) for one in [orders[0], mine, orders[1]]))
    assert [one["cancel"] for one in answer] == [NOT_MINE, 1, NOT_MINE]
    mine.refresh_from_db()
    assert mine.refunded == mine.charge
    assert Order.objects.exclude(pk=mine.pk).exclude(refunded=0).count() == 0
    assert find_breaches() == []


def test_ids_when_owner_is_unchecked_then_others_orders_accessible(customer, service, bobs_objects, monkeypatch):
    """Guard off."""
    orders, _ = bobs_objects
    for module in ("status", "cancel_refill"):
        monkeypatch.setattr(f"panel.api.{module}.orders_of", lambda *, customer: Order.objects.order_by("-pk"))
    key = new_key(customer)
    assert call_api(key, "status", order=orders[0].pk)["status"] == "Pending"
    assert "success" in call_api(key, "cancel", order=orders[0].pk)
    assert "error" in call_api(key, "refill", order=orders[2].pk)
    orders[0].refresh_from_db()
    assert orders[0].status == Status.CANCELED


def test_keys_when_customers_differ_then_each_sees_own_balance(customer, other, service):
    make.deposit(other, "5")
    assert [call_api(new_key(one), "balance")["balance"] for one in (customer, other)] == ["10", "15"]
    assert read_answer(Client().get(ADDRESS, {"action": "balance"})) == {"error": "Invalid API key"}
