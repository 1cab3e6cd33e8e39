"""Races for one wallet: first the naive ways, which lose money, then the ledger, which does not."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from billing import ledger
from billing.models import Entry, Wallet
from billing.wallets import wallet_of
from panel.ops.invariants import find_breaches
from tests import make, unguarded
from tests.threads import MAX_WAIT_SECONDS, in_threads

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 8


@pytest.fixture
def wallet():
    """A wallet with 1,000 micro-units."""
    user = make.customer("carol@example.org")
    wallet = wallet_of(customer=user)
    ledger.post(wallet_id=wallet.pk, amount=1_000, kind=Entry.Kind.DEPOSIT, key="in")
    return wallet


def debit(wallet, amount, key):
    return ledger.post(wallet_id=wallet.pk, amount=-amount, kind=Entry.Kind.ORDER, key=key)


def balance(wallet):
    return Wallet.objects.values_list("balance", flat=True).get(pk=wallet.pk)


def debits(wallet):
    return Entry.objects.filter(wallet=wallet, amount__lt=0)


def books_balance():
    """Check that the money adds up; these debits have no orders, which does not matter here."""
    of_orders = {"an order's", "exactly one charge", "an entry of an order"}
    return not [breach for breach in find_breaches() if not breach.invariant.startswith(tuple(of_orders))]


# -- what loses money --------------------------------------------------------------------------------


def naive_debit(wallet, amount, meeting):
    """Read, compute, write back. A barrier makes both read before either writes."""
    read = balance(wallet)
    meeting.wait(MAX_WAIT_SECONDS)
    with unguarded.no_foreign_keys():
        unguarded.wallets().filter(pk=wallet.pk).update(balance=read - amount)
    return "debited"


def test_naive_read_compute_write_when_raced_then_a_debit_is_lost(wallet):
    meeting = threading.Barrier(2)
    assert in_threads(*[lambda: naive_debit(wallet, 100, meeting)] * 2) == ["debited", "debited"]
    # Two debits of 100 each, one of them lost.
    assert balance(wallet) == 900


@pytest.mark.postgresql
def test_naive_read_compute_write_when_atomic_then_debit_is_lost(wallet):
    meeting = threading.Barrier(2)
    guarded = transaction.atomic(naive_debit)
    assert in_threads(*[lambda: guarded(wallet, 100, meeting)] * 2) == ["debited", "debited"]
    assert balance(wallet) == 900


def check_then_debit(wallet, amount, meeting):
    """Check, then decrement: the decrement is atomic, the check is not part of it."""
    enough = balance(wallet) >= amount
    meeting.wait(MAX_WAIT_SECONDS)
    if not enough:
        return "refused"
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA ignore_check_constraints = {'ON' if meeting.unguarded else 'OFF'}")
    with unguarded.no_foreign_keys():
        unguarded.wallets().filter(pk=wallet.pk).update(balance=F("balance") - amount)
    return "debited"


@contextmanager
def no_overdraft_constraint():
    """Remove the constraint; on SQLite each connection does so for itself."""
    constraint = next(one for one in Wallet._meta.constraints if one.name == "wallet_not_overdrawn")
    if connection.vendor == "sqlite":
        yield
        return
    with connection.schema_editor() as editor:
        editor.remove_constraint(Wallet, constraint)
    try:
        yield
    finally:
        with unguarded.no_foreign_keys():
            unguarded.wallets().update(balance=0)
        with connection.schema_editor() as editor:
            editor.add_constraint(Wallet, constraint)


def test_naive_check_then_decrement_when_raced_then_overdrawn(wallet):
    meeting = threading.Barrier(2)
    meeting.unguarded = True
    with no_overdraft_constraint():
        results = in_threads(*[lambda: check_then_debit(wallet, 700, meeting)] * 2)
        assert results == ["debited", "debited"]
        assert balance(wallet) == -400


def test_naive_check_then_decrement_when_guarded_then_one_rejected(wallet):
    meeting = threading.Barrier(2)
    meeting.unguarded = False
    results = in_threads(*[lambda: check_then_debit(wallet, 700, meeting)] * 2)
    assert sorted(str(type(one).__name__) for one in results) == ["IntegrityError", "str"]
    assert any(isinstance(one, IntegrityError) for one in results)
    assert balance(wallet) == 300


# -- the ledger under the same interleavings ---------------------------------------------------------


def read_then_post(wallet, amount, key, meeting):
    """Post through the ledger in the naive interleaving: both have read before either posts."""
    assert balance(wallet) == 1_000
    meeting.wait(MAX_WAIT_SECONDS)
    return debit(wallet, amount, key).created


def test_post_when_two_read_before_either_writes_then_both_count(wallet):
    meeting = threading.Barrier(2)
    results = in_threads(
        lambda: read_then_post(wallet, 100, "out:1", meeting),
        lambda: read_then_post(wallet, 100, "out:2", meeting),
    )
    assert results == [True, True]
    assert balance(wallet) == 800
    assert books_balance()


@pytest.mark.postgresql
def test_post_when_both_read_before_either_writes_then_both_count(wallet):
    meeting = threading.Barrier(2)
    guarded = transaction.atomic(read_then_post)
    results = in_threads(
        lambda: guarded(wallet, 100, "out:1", meeting),
        lambda: guarded(wallet, 100, "out:2", meeting),
    )
    assert results == [True, True]
    assert balance(wallet) == 800
    assert books_balance()


def test_post_when_two_see_enough_for_one_then_one_is_refused(wallet):
    meeting = threading.Barrier(2)
    results = in_threads(
        lambda: read_then_post(wallet, 700, "out:1", meeting),
        lambda: read_then_post(wallet, 700, "out:2", meeting),
    )
    refused = [one for one in results if isinstance(one, ledger.InsufficientFunds)]
    assert results.count(True) == 1
    assert [(one.needed, one.available) for one in refused] == [(700, 300)]
    assert balance(wallet) == 300
    assert debits(wallet).count() == 1
    assert books_balance()


# -- in numbers --------------------------------------------------------------------------------------


def test_post_when_400_debits_over_8_threads_then_all_count(wallet):
    ledger.post(wallet_id=wallet.pk, amount=719_000, kind=Entry.Kind.DEPOSIT, key="in:2")

    def fifty(worker):
        return [debit(wallet, 1_800, f"order:{worker}:{number}").created for number in range(50)]

    results = in_threads(*[lambda worker=worker: fifty(worker) for worker in range(THREADS)])
    assert results == [[True] * 50] * THREADS
    # 720,000 in, 400 × 1,800 out: to the last micro-unit.
    wallet.refresh_from_db()
    assert (wallet.balance, wallet.entry_count) == (0, 402)
    assert debits(wallet).count() == 400
    assert list(Entry.objects.filter(wallet=wallet).order_by("seq").values_list("seq", flat=True)) == list(
        range(1, 403)
    )
    assert books_balance()


def test_post_when_debits_exceed_the_balance_then_only_those_covered(wallet):
    def ten(worker):
        outcomes = Counter()
        for number in range(10):
            try:
                debit(wallet, 30, f"order:{worker}:{number}")
            except ledger.InsufficientFunds as shortage:
                assert shortage.available < 30
                outcomes["refused"] += 1
            else:
                outcomes["debited"] += 1
        return outcomes

    results = in_threads(*[lambda worker=worker: ten(worker) for worker in range(THREADS)])
    # 1,000 cover 33 debits of 30 and leave 10.
    assert sum(results, Counter()) == {"debited": 33, "refused": 47}
    assert balance(wallet) == 10
    assert debits(wallet).count() == 33
    assert books_balance()


def test_post_when_8_threads_use_one_key_then_money_moves_once(wallet):
    results = in_threads(*[lambda: debit(wallet, 700, "order:1:charge")] * THREADS)
    assert sorted(posting.created for posting in results) == [False] * 7 + [True]
    assert len({posting.entry.pk for posting in results}) == 1
    wallet.refresh_from_db()
    assert (wallet.balance, wallet.entry_count) == (300, 2)
    assert books_balance()


def test_post_when_8_transactions_use_same_key_then_posted_once(wallet):
    @transaction.atomic
    def place():
        return debit(wallet, 700, "order:1:charge").created

    assert sorted(in_threads(*[place] * THREADS)) == [False] * 7 + [True]
    assert balance(wallet) == 300
    assert books_balance()


def test_post_when_two_wallets_race_for_one_key_then_one_conflict(wallet):
    other = wallet_of(customer=make.customer("dave@example.org", funds="1"))
    results = in_threads(lambda: debit(wallet, 10, "k"), lambda: debit(other, 10, "k"))
    assert sorted(type(one).__name__ for one in results) == ["KeyConflict", "Posting"]
    assert balance(wallet) + balance(other) == 1_000 + 1_000_000 - 10
    assert books_balance()


def test_wallet_of_when_8_threads_call_it_first_then_one_wallet():
    user = make.customer("erin@example.org")
    results = in_threads(*[lambda: wallet_of(customer=user).pk] * THREADS)
    assert len(set(results)) == 1
    assert Wallet.objects.count() == 1
