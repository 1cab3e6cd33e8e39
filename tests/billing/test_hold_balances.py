"""The migrations that tie balances to their last entries: both ways, with data, and under the previous release."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test.utils import isolate_apps

from billing import append_only, ledger
from billing.constraints import CompositeForeignKey, missing_guards
from billing.models import Entry, Wallet
from billing.wallets import wallet_of
from panel.ops.invariants import find_breaches
from tests import make, unguarded

BEFORE = ("billing", "0003_deposits")

pytestmark = pytest.mark.django_db(transaction=True)


def migrate(*target: str) -> None:
    """Migrate to the target, such as ("billing", "0003_deposits"); without one, to the latest of all apps."""
    executor = MigrationExecutor(connection)
    executor.migrate([target] if target else executor.loader.graph.leaf_nodes())


def raw(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.fixture
def wallets() -> list[Wallet]:
    """Three wallets: Alice's with three entries, Bob's with two and a balance of 0, Carol's empty."""
    alice, bob, carol = (wallet_of(customer=make.customer(f"{name}@example.org")) for name in ("alice", "bob", "carol"))
    for number, (wallet, amount) in enumerate([(alice, 500), (bob, 300), (alice, -200), (bob, -300), (alice, 1)]):
        ledger.post(wallet_id=wallet.pk, amount=amount, kind="adjustment", key=f"k{number}")
    return [alice, bob, carol]


@pytest.fixture
def before(wallets: list[Wallet]) -> Iterator[None]:
    """Migrate to the previous release's schema, with data; migrate forward again after the test."""
    migrate(*BEFORE)
    yield
    # The entries are authoritative; the wallets follow them.
    own = "FROM billing_entry e WHERE e.wallet_id = billing_wallet.id"
    raw(
        f"UPDATE billing_wallet SET version = (SELECT COUNT(*) {own}),"
        f" balance = (SELECT COALESCE(SUM(amount), 0) {own})"
    )
    migrate()


def columns() -> set[str]:
    with connection.cursor() as cursor:
        return {one.name for one in connection.introspection.get_table_description(cursor, "billing_wallet")}


def test_migrations_when_there_is_data_then_kept_and_guarded(before, wallets):
    assert "last_seq" not in columns()
    migrate()
    assert list(Wallet.objects.order_by("pk").values_list("balance", "entry_count", "last_seq")) == [
        (301, 3, 3),
        (0, 2, 2),
        (0, 0, None),
    ]
    assert Entry.objects.count() == 5
    assert (missing_guards(connection), append_only.installed(connection)) == ([], True)
    with pytest.raises(IntegrityError):
        raw(f"UPDATE billing_wallet SET balance = 302 WHERE id = {wallets[0].pk}")
    ledger.post(wallet_id=wallets[2].pk, amount=5, kind="bonus", key="after")
    assert find_breaches() == []


@pytest.mark.slow
def test_migrations_when_balances_wrong_then_listed_and_unchanged(before, wallets):
    alice, bob, carol = (wallet.pk for wallet in wallets)
    raw(f"UPDATE billing_wallet SET balance = 302 WHERE id = {alice}")
    raw(f"UPDATE billing_wallet SET version = 3 WHERE id = {bob}")
    raw(f"UPDATE billing_wallet SET balance = 7 WHERE id = {carol}")
    with pytest.raises(CommandError) as caught:
        migrate()
    text = str(caught.value)
    assert text.startswith("The balances of 3 wallets are not those of their last entries")
    assert f"wallet {alice}: balance 302, entry 3 says 301" in text
    assert f"wallet {bob}: balance 0, entry 3 says nothing" in text
    assert f"wallet {carol}: balance 7, entry 0 says nothing" in text
    assert "last_seq" not in columns()
    assert append_only.installed(connection)


@pytest.mark.slow
def test_migrations_when_many_balances_wrong_then_twenty_listed(before):
    for number in range(23):
        customer = make.customer(f"c{number}@example.org")
        raw(
            "INSERT INTO billing_wallet (customer_id, balance, credit_limit, version, created_at)"
            f" VALUES ({customer.pk}, 9, 0, 0, CURRENT_TIMESTAMP)"
        )
    with pytest.raises(CommandError) as caught:
        migrate()
    assert str(caught.value).count("balance 9, entry 0 says nothing") == 20
    assert str(caught.value).endswith("and 3 more")


def test_migrations_when_reversed_then_the_previous_schema(wallets, before):
    assert "last_seq" not in columns()
    assert missing_guards(connection) != []
    assert append_only.installed(connection)
    raw(f"UPDATE billing_wallet SET balance = 302 WHERE id = {wallets[0].pk}")


# -- the previous release on this schema -------------------------------------------------------------


@pytest.fixture
def old() -> Any:
    """The models of the previous release, whose SQL does not know the new column."""
    return MigrationExecutor(connection).loader.project_state([BEFORE]).apps


def old_post(old: Any, wallet_id: int, amount: int, key: str) -> None:
    """Post as the previous release's `ledger.post` did."""
    wallets = old.get_model("billing", "Wallet").objects.filter(pk=wallet_id)
    with transaction.atomic():
        assert wallets.update(balance=models.F("balance") + amount, version=models.F("version") + 1)
        balance, seq = wallets.values_list("balance", "version").get()
        old.get_model("billing", "Entry").objects.create(
            wallet_id=wallet_id, seq=seq, amount=amount, balance_after=balance, kind="adjustment", key=key
        )


def test_previous_release_when_it_posts_then_balances_match(old, wallets):
    customer = make.customer("dave@example.org")
    wallet, created = old.get_model("billing", "Wallet").objects.get_or_create(customer_id=customer.pk)
    assert created
    for number, amount in enumerate([50, -20, -30, 9]):
        old_post(old, wallet.pk, amount, f"old{number}")
    ledger.post(wallet_id=wallet.pk, amount=-4, kind="adjustment", key="new")
    old_post(old, wallet.pk, 1, "old again")
    with pytest.raises(IntegrityError, match="key"):
        old_post(old, wallet.pk, 1, "old again")
    assert list(Wallet.objects.filter(pk=wallet.pk).values_list("balance", "entry_count", "last_seq")) == [(6, 6, 6)]
    assert find_breaches() == []


def test_previous_release_when_posting_in_bulk_then_balances_match(old, wallets):
    [alice, *_] = wallets
    rows = old.get_model("billing", "Wallet").objects.filter(pk=alice.pk)
    with transaction.atomic():
        rows.update(balance=models.F("balance") - 30, version=models.F("version") + 3)
        entry = old.get_model("billing", "Entry")
        entry.objects.bulk_create(
            entry(wallet_id=alice.pk, seq=3 + n, amount=-10, balance_after=301 - 10 * n, kind="adjustment", key=f"m{n}")
            for n in (1, 2, 3)
        )
    assert find_breaches() == []


# -- later migrations --------------------------------------------------------------------------------


@pytest.mark.skipif(connection.vendor != "sqlite", reason="Django rebuilds tables on SQLite alone")
def test_tables_when_rebuilt_by_later_migration_then_still_guarded(wallets):
    for model in (Wallet, Entry):
        with connection.schema_editor() as editor:
            editor._remake_table(model)
            append_only.install(None, editor)
    assert missing_guards(connection) == []
    with pytest.raises(IntegrityError):
        unguarded.wallets().update(balance=7)
    ledger.post(wallet_id=wallets[0].pk, amount=1, kind="bonus", key="after")
    assert find_breaches() == []


@isolate_apps("billing")
def test_constraint_when_created_before_parent_table_then_enforced():
    key = CompositeForeignKey(
        columns=("a", "b"), to_table="parent_of_a_test", to_columns=("a", "b"), name="key_of_a_test"
    )

    class Child(models.Model):
        a = models.IntegerField()
        b = models.IntegerField(null=True)

        class Meta:
            app_label = "billing"
            constraints = (key,)

    class Parent(models.Model):
        a = models.IntegerField()
        b = models.IntegerField()

        class Meta:
            app_label = "billing"
            db_table = "parent_of_a_test"
            constraints = (models.UniqueConstraint(fields=("a", "b"), name="unique_of_a_test"),)

    with connection.schema_editor() as editor:
        editor.create_model(Child)
        editor.create_model(Parent)
    try:
        Child.objects.create(a=1, b=None)
        with transaction.atomic():
            Child.objects.create(a=1, b=2)
            Parent.objects.create(a=1, b=2)
        with pytest.raises(IntegrityError):
            Child.objects.create(a=2, b=1)
        if connection.vendor == "postgresql":
            with connection.schema_editor() as editor:
                editor.remove_constraint(Child, key)
            Child.objects.create(a=2, b=1)
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(Child)
            editor.delete_model(Parent)


def test_constraint_when_written_by_a_migration_then_equal():
    constraint = next(one for one in Wallet._meta.constraints if one.name == "wallet_balance_of_last_entry")
    assert constraint.clone() == constraint
    other = constraint.clone()
    other.columns = ("id", "balance")
    assert other != constraint
