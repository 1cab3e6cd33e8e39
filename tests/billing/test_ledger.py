"""The ledger: what may be posted, what is refused, and what the database enforces against any writer."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.db.models import ProtectedError

from billing import ledger
from billing.adjusting import adjust_wallet
from billing.models import Entry, Wallet
from billing.models.guarded import LedgerOnly
from billing.wallets import balance_of, spendable, wallet_of
from panel.lib.money import MAX_MICROS
from panel.ops.invariants import find_breaches
from tests import make, unguarded

pytestmark = pytest.mark.django_db


@pytest.fixture
def wallet(db):
    """An empty wallet."""
    return wallet_of(customer=make.customer("carol@example.org"))


def post(wallet, amount, key, kind=Entry.Kind.DEPOSIT, **values):
    return ledger.post(wallet_id=wallet.pk, amount=amount, kind=kind, key=key, **values)


def state(wallet):
    """Return balance, entry_count and every entry, to check that a refusal changes nothing."""
    balance, entry_count = Wallet.objects.values_list("balance", "entry_count").get(pk=wallet.pk)
    entries = Entry.objects.filter(wallet=wallet).order_by("seq")
    return balance, entry_count, list(entries.values_list("seq", "amount", "balance_after", "kind", "key"))


def in_savepoint(call):
    with transaction.atomic():
        call()


def check_constraints():
    """Check deferred constraints now: PostgreSQL refuses DDL and TRUNCATE while they are pending."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


# -- posting -----------------------------------------------------------------------------------------


def test_post_when_credit_then_balance_and_entry(wallet, staff):
    posting = post(wallet, 5_000_000, "k:1", memo="Wire", order_ref=7, actor=staff)
    assert posting.created
    entry = posting.entry
    entry.refresh_from_db()
    assert (entry.seq, entry.amount, entry.balance_after, entry.kind) == (1, 5_000_000, 5_000_000, "deposit")
    assert (entry.key, entry.memo, entry.order_ref, entry.actor) == ("k:1", "Wire", 7, staff)
    assert state(wallet) == (5_000_000, 1, [(1, 5_000_000, 5_000_000, "deposit", "k:1")])


def test_post_when_many_then_numbers_have_no_gap_and_balances_chain(wallet):
    amounts = [10_000_000, -2_500_000, 392_500, -1, 1, -7_892_500]
    for number, amount in enumerate(amounts):
        post(wallet, amount, f"k:{number}")
    balance, entry_count, entries = state(wallet)
    assert (balance, entry_count) == (0, 6)
    assert [(seq, amount, after) for seq, amount, after, _, _ in entries] == [
        (1, 10_000_000, 10_000_000),
        (2, -2_500_000, 7_500_000),
        (3, 392_500, 7_892_500),
        (4, -1, 7_892_499),
        (5, 1, 7_892_500),
        (6, -7_892_500, 0),
    ]
    assert find_breaches() == []


def test_post_when_cents_sum_to_balance_then_last_debit_accepted(wallet):
    # A decimal column on SQLite is a float, where 0.3 - 0.1 does not cover 0.2.
    post(wallet, make.micros("0.3"), "in")
    post(wallet, -make.micros("0.1"), "out:1")
    post(wallet, -make.micros("0.2"), "out:2")
    assert state(wallet)[0] == 0


def test_post_when_two_wallets_then_each_has_its_own_numbers(wallet, customer):
    alices = make.wallet(customer)
    post(wallet, 3, "k:1")
    post(alices, -4, "k:2")
    post(wallet, 5, "k:3")
    assert state(wallet)[:2] == (8, 2)
    assert state(alices)[:2] == (9_999_996, 2)
    assert find_breaches() == []


def test_post_when_memo_is_long_then_it_is_cut(wallet):
    assert len(post(wallet, 1, "k:1", memo="x" * 5_000).entry.memo) == 300


# -- keys --------------------------------------------------------------------------------------------


def test_post_when_key_is_repeated_then_first_entry_and_none_added(wallet):
    first = post(wallet, 5_000_000, "k:1")
    before = state(wallet)
    again = post(wallet, 5_000_000, "k:1", memo="another memo")
    assert (again.created, again.entry.pk) == (False, first.entry.pk)
    assert state(wallet) == before
    # The repetition used up no number.
    assert post(wallet, 1, "k:2").entry.seq == 2


@pytest.mark.parametrize(("amount", "kind"), [(5_000_001, "deposit"), (-5_000_000, "deposit"), (5_000_000, "bonus")])
def test_post_when_key_has_another_amount_or_kind_then_conflict(wallet, amount, kind):
    post(wallet, 5_000_000, "k:1")
    before = state(wallet)
    with pytest.raises(ledger.KeyConflict):
        post(wallet, amount, "k:1", kind)
    assert state(wallet) == before


def test_post_when_key_in_other_wallet_then_conflict_and_no_change(wallet, customer):
    alices = make.wallet(customer)
    post(wallet, 5_000_000, "k:1")
    before = state(wallet), state(alices)
    with pytest.raises(ledger.KeyConflict):
        post(alices, 5_000_000, "k:1")
    assert (state(wallet), state(alices)) == before


def test_post_when_debit_repeated_on_empty_wallet_then_first_entry(wallet):
    post(wallet, 5_000_000, "in")
    first = post(wallet, -5_000_000, "order:1:charge", Entry.Kind.ORDER)
    before = state(wallet)
    again = post(wallet, -5_000_000, "order:1:charge", Entry.Kind.ORDER)
    assert (again.created, again.entry.pk) == (False, first.entry.pk)
    assert state(wallet) == before


def test_post_when_larger_debit_reuses_key_then_key_conflict(wallet):
    post(wallet, 5_000_000, "in")
    post(wallet, -5_000_000, "order:1:charge", Entry.Kind.ORDER)
    before = state(wallet)
    with pytest.raises(ledger.KeyConflict):
        post(wallet, -6_000_000, "order:1:charge", Entry.Kind.ORDER)
    assert state(wallet) == before


# -- what is refused ---------------------------------------------------------------------------------


def test_post_when_short_by_one_micro_then_refused_and_nothing_moves(wallet):
    post(wallet, 5_000_000, "in")
    before = state(wallet)
    with pytest.raises(ledger.InsufficientFunds) as caught:
        post(wallet, -5_000_001, "out", Entry.Kind.ORDER)
    assert (caught.value.needed, caught.value.available) == (5_000_001, 5_000_000)
    assert state(wallet) == before
    # The refusal used up neither the key nor a number.
    assert post(wallet, -5_000_000, "out", Entry.Kind.ORDER).entry.seq == 2


def test_post_when_credit_limit_then_debits_stop_exactly_there(wallet):
    Wallet.objects.filter(pk=wallet.pk).update(credit_limit=2_000_000)
    post(wallet, 1_000_000, "in")
    assert spendable(customer=wallet.customer) == 3_000_000
    post(wallet, -3_000_000, "out:1")
    before = state(wallet)
    assert before[0] == -2_000_000
    with pytest.raises(ledger.InsufficientFunds) as caught:
        post(wallet, -1, "out:2")
    assert (caught.value.needed, caught.value.available) == (1, 0)
    assert state(wallet) == before
    # Credits are accepted below zero as well.
    post(wallet, 500_000, "in:2")
    assert balance_of(customer=wallet.customer) == -1_500_000
    assert find_breaches() == []


@pytest.mark.parametrize("amount", [0, MAX_MICROS + 1, -MAX_MICROS - 1, 10**30])
def test_post_when_amount_is_zero_or_out_of_range_then_refused(wallet, amount):
    post(wallet, 5, "in")
    before = state(wallet)
    with pytest.raises(ledger.InvalidPosting):
        post(wallet, amount, "k:1")
    assert state(wallet) == before


def test_post_when_balance_would_leave_its_range_then_refused(wallet):
    post(wallet, MAX_MICROS, "in")
    before = state(wallet)
    with pytest.raises(ledger.InvalidPosting):
        post(wallet, 1, "k:1")
    assert state(wallet) == before
    assert find_breaches() == []


@pytest.mark.parametrize(
    ("amount", "kind"), [(-1_000_000, "deposit"), (-1_000_000, "bonus"), (1_000_000, "order"), (1_000_000, "refund")]
)
def test_adjust_wallet_when_kind_is_not_for_staff_then_refused(wallet, staff, amount, kind):
    post(wallet, 5_000_000, "in")
    before = state(wallet)
    with pytest.raises(ValueError):
        adjust_wallet(wallet=wallet, amount=amount, kind=kind, reason="x", request_key="r1", actor=staff)
    assert state(wallet) == before


def test_adjust_wallet_when_form_is_sent_twice_then_money_moves_once(wallet, staff):
    first, second = (
        adjust_wallet(wallet=wallet, amount=7, kind="bonus", reason="Sorry", request_key="r1", actor=staff)
        for _ in range(2)
    )
    assert (first.created, second.created) == (True, False)
    assert first.entry.actor == staff
    assert state(wallet)[:2] == (7, 1)


# -- transactions ------------------------------------------------------------------------------------


def test_post_when_outer_transaction_rolls_back_then_the_key_is_free(wallet):
    post(wallet, 5_000_000, "in")
    before = state(wallet)
    with pytest.raises(RuntimeError), transaction.atomic():
        post(wallet, -1_000_000, "out")
        assert state(wallet)[0] == 4_000_000
        raise RuntimeError("a crash after the debit")
    assert state(wallet) == before
    posting = post(wallet, -2_000_000, "out")
    assert (posting.created, posting.entry.seq, posting.entry.balance_after) == (True, 2, 3_000_000)


def test_post_when_refused_in_a_transaction_then_the_rest_commits(wallet):
    # PostgreSQL refuses every statement after an error, unless a savepoint caught it.
    post(wallet, 5_000_000, "in")
    with transaction.atomic():
        post(wallet, 1, "before")
        with pytest.raises(ledger.InsufficientFunds):
            post(wallet, -9_000_000, "short")
        with pytest.raises(ledger.KeyConflict):
            post(wallet, 6, "in")
        with pytest.raises(ledger.InvalidPosting):
            post(wallet, MAX_MICROS, "too much")
        assert not post(wallet, 5_000_000, "in").created
        post(wallet, 2, "after")
    assert state(wallet) == (
        5_000_003,
        3,
        [
            (1, 5_000_000, 5_000_000, "deposit", "in"),
            (2, 1, 5_000_001, "deposit", "before"),
            (3, 2, 5_000_003, "deposit", "after"),
        ],
    )
    assert find_breaches() == []


# -- append-only -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tamper",
    [
        lambda entry: unguarded.entries().filter(pk=entry.pk).update(amount=1),
        lambda entry: unguarded.entries().filter(pk=entry.pk).update(memo="harmless"),
        lambda entry: unguarded.entries().bulk_update([entry], ["created_at"]),
        lambda entry: entry.save_base(),
        lambda entry: models.Model.delete(entry),
        lambda entry: unguarded.entries().all().delete(),
        lambda entry: Entry.objects.filter(pk=entry.pk)._raw_delete("default"),
    ],
    ids=["update", "update memo", "bulk_update", "save", "delete", "delete all", "raw delete"],
)
def test_entry_when_guards_are_bypassed_then_rejected_by_database(wallet, tamper):
    entry = post(wallet, 5_000_000, "in").entry
    before = state(wallet)
    with pytest.raises(IntegrityError, match="append-only"):
        in_savepoint(lambda: tamper(entry))
    assert state(wallet) == before


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE billing_entry SET amount = amount + 1",
        "UPDATE billing_entry SET memo = 'harmless'",
        "UPDATE billing_entry SET amount = amount",
        "DELETE FROM billing_entry",
        "DELETE FROM billing_entry WHERE seq = 1",
        "INSERT INTO billing_entry (wallet_id, seq, amount, balance_after, kind, key, memo, created_at) "
        "SELECT wallet_id, seq, 9, 9, kind, key, memo, created_at FROM billing_entry WHERE TRUE "
        "ON CONFLICT (key) DO UPDATE SET amount = 9",
    ],
)
def test_entry_when_changed_or_deleted_in_raw_sql_then_refused(wallet, sql):
    post(wallet, 5_000_000, "in")
    before = state(wallet)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert state(wallet) == before


@pytest.mark.skipif(connection.vendor != "sqlite", reason="REPLACE is SQLite's")
def test_entry_when_replaced_in_raw_sql_then_refused(wallet):
    entry = make.deposit(wallet.customer, "1")
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "REPLACE INTO billing_entry (id, wallet_id, seq, amount, balance_after, kind, key, memo, created_at)"
            " SELECT id, wallet_id, seq, 99, balance_after, kind, key, memo, created_at"
            " FROM billing_entry WHERE id = %s",
            [entry.pk],
        )
    entry.refresh_from_db()
    assert entry.amount == 1_000_000


@pytest.mark.postgresql
@pytest.mark.parametrize("sql", ["TRUNCATE billing_entry CASCADE", "TRUNCATE billing_wallet CASCADE"])
def test_entry_when_truncated_then_refused(wallet, sql):
    post(wallet, 5_000_000, "in")
    check_constraints()
    before = state(wallet)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert state(wallet) == before


def test_entry_when_wallet_or_customer_is_deleted_then_refused(wallet):
    post(wallet, 5_000_000, "in")
    before = state(wallet)
    with pytest.raises(LedgerOnly):
        wallet.delete()
    with pytest.raises(ProtectedError):
        models.Model.delete(wallet)
    with pytest.raises(ProtectedError):
        wallet.customer.delete()
    assert state(wallet) == before


# -- the database as backstop ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"balance": -1}, "wallet_not_overdrawn"),
        ({"balance": -2_000_001, "credit_limit": 2_000_000}, "wallet_not_overdrawn"),
        ({"balance": MAX_MICROS + 1}, "wallet_balance_range"),
        ({"credit_limit": -1}, "wallet_credit_limit_range"),
        ({"credit_limit": MAX_MICROS + 1}, "wallet_credit_limit_range"),
    ],
)
def test_wallet_when_ledger_is_bypassed_then_rejected_by_database(wallet, values, constraint):
    post(wallet, 5_000_000, "in")
    before = state(wallet)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        unguarded.wallets().filter(pk=wallet.pk).update(**values)
    assert state(wallet) == before


def test_wallet_when_raw_sql_overdraws_it_then_database_rejects_it(wallet):
    post(wallet, 5_000_000, "in")
    before = state(wallet)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE billing_wallet SET balance = balance - 5000001")
    assert state(wallet) == before


@pytest.mark.parametrize(
    "values",
    [
        {"amount": 0},
        {"amount": MAX_MICROS + 1},
        {"amount": -MAX_MICROS - 1},
        {"seq": 1},
        {"key": "in"},
    ],
    ids=lambda values: "{}={}".format(*next(iter(values.items()))),
)
def test_entry_when_inserted_directly_then_rejected_by_database(wallet, values):
    post(wallet, 5_000_000, "in")
    before = state(wallet)
    row = {"wallet": wallet, "seq": 2, "amount": 1, "balance_after": 1, "kind": "deposit", "key": "k", **values}
    with pytest.raises(IntegrityError), transaction.atomic():
        unguarded.entries().bulk_create([Entry(**row)])
    assert state(wallet) == before


def test_wallet_when_customer_has_one_then_a_second_is_refused(wallet):
    with pytest.raises(IntegrityError), transaction.atomic():
        unguarded.wallets().bulk_create([Wallet(customer=wallet.customer)])
    assert wallet_of(customer=wallet.customer) == wallet
    assert Wallet.objects.count() == 1
