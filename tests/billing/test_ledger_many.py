"""Many postings at once, to one wallet or to several: all of them or none, each with its own entry."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing import ledger
from billing.ledger import Line
from billing.models import Entry, Wallet
from billing.wallets import wallet_of
from panel.lib.money import MAX_MICROS
from tests import make
from tests.threads import in_threads


def make_wallet(amount=1_000):
    wallet = wallet_of(customer=make.customer("carol@example.org"))
    ledger.post(wallet_id=wallet.pk, amount=amount, kind=Entry.Kind.DEPOSIT, key="in")
    return wallet


def lines(wallet, *amounts, prefix="k"):
    return [
        Line(
            wallet_id=wallet.pk,
            amount=-amount,
            kind=Entry.Kind.ORDER,
            key=f"{prefix}:{place}",
            order_ref=place,
            memo="x" * 400,
        )
        for place, amount in enumerate(amounts)
    ]


def state(wallet):
    balance, entry_count = Wallet.objects.values_list("balance", "entry_count").get(pk=wallet.pk)
    entries = Entry.objects.filter(wallet=wallet).order_by("seq")
    return balance, entry_count, list(entries.values_list("seq", "amount", "balance_after", "key"))


@pytest.mark.django_db
def test_post_all_when_debits_then_same_entries_as_single_posts():
    wallet = make_wallet()
    ledger.post_all(lines=lines(wallet, 100, 250, 50))
    assert state(wallet) == (
        600,
        4,
        [(1, 1_000, 1_000, "in"), (2, -100, 900, "k:0"), (3, -250, 650, "k:1"), (4, -50, 600, "k:2")],
    )
    entry = Entry.objects.get(key="k:1")
    assert (entry.order_ref, entry.kind, len(entry.memo)) == (1, "order", 300)


@pytest.mark.django_db
def test_post_all_when_it_empties_the_wallet_then_not_one_micro_more():
    wallet = make_wallet()
    before = state(wallet)
    with pytest.raises(ledger.InsufficientFunds) as refusal:
        ledger.post_all(lines=lines(wallet, 500, 501))
    assert (refusal.value.needed, refusal.value.available) == (1_001, 1_000)
    assert state(wallet) == before
    ledger.post_all(lines=lines(wallet, 500, 500))
    assert Wallet.objects.get(pk=wallet.pk).balance == 0


@pytest.mark.django_db
@pytest.mark.parametrize("keys", [("k:1", "new"), ("new", "new")], ids=["used before", "twice in one"])
def test_post_all_when_a_key_was_used_then_nothing_moves(keys):
    wallet = make_wallet()
    ledger.post_all(lines=lines(wallet, 1, 1))
    before = state(wallet)
    with pytest.raises(ledger.KeyConflict):
        ledger.post_all(lines=[Line(wallet_id=wallet.pk, amount=-1, kind="order", key=key) for key in keys])
    assert state(wallet) == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong",
    [[], [(0, "a")], [(5, "a"), (-1, "b")], [(-5, "")], [(-MAX_MICROS, "a"), (-1, "b")]],
    ids=["none", "zero", "a credit and a debit", "no key", "out of range"],
)
def test_post_all_when_lines_do_not_fit_together_then_refused(wrong):
    wallet = make_wallet()
    before = state(wallet)
    with pytest.raises(ledger.InvalidPosting):
        ledger.post_all(lines=[Line(wallet.pk, amount, "order", key) for amount, key in wrong])
    assert state(wallet) == before


@pytest.mark.django_db
def test_post_all_when_several_wallets_then_all_or_nothing():
    alice, bob = (wallet_of(customer=make.customer(f"{name}@example.org")) for name in ("alice", "bob"))
    gifts = [Line(bob.pk, 5, "refund", "b"), Line(alice.pk, 7, "refund", "a"), Line(alice.pk, 1, "refund", "c")]
    with pytest.raises(ledger.InvalidPosting):
        ledger.post_all(lines=[*gifts, Line(10**9, 1, "refund", "nobody")])
    assert state(alice) == state(bob) == (0, 0, [])
    ledger.post_all(lines=gifts)
    assert state(bob) == (5, 1, [(1, 5, 5, "b")])
    assert state(alice) == (8, 2, [(1, 7, 7, "a"), (2, 1, 8, "c")])


@pytest.mark.django_db
def test_post_all_when_several_wallets_then_locked_by_id(monkeypatch):
    """Otherwise two batches that refund the same customers would deadlock."""
    wallets = [wallet_of(customer=make.customer(f"{name}@example.org")) for name in ("alice", "bob", "carol")]
    move, moved = ledger._move, []

    def watched(wallet_id, amount, *, entries):
        moved.append(wallet_id)
        return move(wallet_id, amount, entries=entries)

    monkeypatch.setattr(ledger, "_move", watched)
    ledger.post_all(lines=[Line(wallet.pk, 1, "refund", f"r{wallet.pk}") for wallet in reversed(wallets)])
    assert moved == sorted(wallet.pk for wallet in wallets)


@pytest.mark.django_db
def test_post_all_when_a_balance_would_leave_its_range_then_invalid():
    wallet = make_wallet(MAX_MICROS)
    before = state(wallet)
    with pytest.raises(ledger.InvalidPosting, match="the database refused"):
        ledger.post_all(lines=[Line(wallet.pk, 1, "refund", "a"), Line(wallet.pk, 1, "refund", "b")])
    assert state(wallet) == before


@pytest.mark.django_db
def test_post_all_when_many_debits_then_statement_count_stays_low():
    wallet = make_wallet(10_000)
    counts = []
    for prefix, count in (("few", 2), ("many", 500)):
        with CaptureQueriesContext(connection) as captured:
            ledger.post_all(lines=lines(wallet, *[1] * count, prefix=prefix))
        counts.append(len(captured))
    # SQLite limits the parameters of a statement.
    assert counts[1] <= counts[0] + 500 * 11 // 900 + 1


@pytest.mark.django_db(transaction=True)
def test_post_all_when_raced_with_single_debits_then_nothing_is_lost():
    wallet = make_wallet(1_000)

    def batch(number):
        return lambda: ledger.post_all(lines=lines(wallet, *[10] * 20, prefix=f"batch{number}"))

    def single(number):
        return lambda: ledger.post(wallet_id=wallet.pk, amount=-10, kind="order", key=f"single{number}")

    results = in_threads(*map(batch, range(4)), *map(single, range(4)))
    assert [result for result in results if isinstance(result, BaseException)] == []
    balance, entry_count, entries = state(wallet)
    assert (balance, entry_count) == (1_000 - 4 * 200 - 40, 1 + 80 + 4)
    assert [seq for seq, *_ in entries] == list(range(1, 86))
    for (_, _, before, _), (_, amount, after, _) in zip(entries, entries[1:], strict=False):
        assert after == before + amount


@pytest.mark.django_db(transaction=True)
def test_post_all_when_batches_exceed_balance_then_all_or_nothing():
    wallet = make_wallet(1_000)
    results = in_threads(
        *(
            lambda number=number: ledger.post_all(lines=lines(wallet, *[100] * 4, prefix=f"batch{number}"))
            for number in range(6)
        )
    )
    refused = [result for result in results if isinstance(result, ledger.InsufficientFunds)]
    assert len(refused) == 4
    assert state(wallet)[:2] == (200, 9)
