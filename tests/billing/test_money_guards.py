"""Only the ledger writes wallets and entries: six attacks, what refuses each, and a scan of the code."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection, models, transaction

from billing import append_only, ledger
from billing.models import Entry, Wallet
from billing.models.guarded import LedgerOnly
from panel.lib.bulk_sql import insert_rows, update_rows
from panel.ops.invariants import find_breaches
from tests import make, unguarded
from tests.billing.money_writes import COLUMNS, TABLES, money_writes
from tests.commands import ROOT, SECRETS, database_url, run_python

REFUSED_BY_THE_DATABASE = (
    "FOREIGN KEY constraint failed" if connection.vendor == "sqlite" else "wallet_balance_of_last_entry"
)

committed = pytest.mark.django_db(transaction=True)


@pytest.fixture
def wallet() -> Wallet:
    """Alice's wallet, with $10 from one entry."""
    return make.wallet(make.customer("alice@example.org", funds="10"))


def everything() -> list[Any]:
    """Return every row. Fixtures keep no microseconds, so times are left out."""
    return [
        list(
            model.objects.order_by("pk").values(
                *(one.attname for one in model._meta.fields if one.name != "created_at")
            )
        )
        for model in (Wallet, Entry)
    ]


def entry_of(wallet: Wallet, **values: Any) -> Entry:
    row = {"seq": 2, "amount": 5, "balance_after": wallet.balance, "kind": "bonus", "key": "mine", **values}
    return Entry(wallet=wallet, **row)


def raw(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


# -- the six attacks ---------------------------------------------------------------------------------


def save_wallet_and_entry(wallet: Wallet) -> None:
    wallet.balance += 5
    wallet.save()
    entry_of(wallet).save()


def save_wallet_of_customer(wallet: Wallet) -> None:
    own = wallet.customer.wallet
    own.balance += 5
    own.save(update_fields=["balance"])


def update_by_default_manager(wallet: Wallet) -> None:
    Wallet._default_manager.filter(pk=wallet.pk).update(balance=wallet.balance + 5)


def update_in_bulk(wallet: Wallet) -> None:
    update_rows(model=Wallet, columns=("balance",), rows=[(wallet.pk, wallet.balance + 5)])


def update_in_sql(wallet: Wallet) -> None:
    raw(f"UPDATE billing_wallet SET balance = balance + 5 WHERE id = {wallet.pk}")


ATTACKS = [
    (save_wallet_and_entry, LedgerOnly, r"Wallet\.save\(\): only billing/ledger\.py writes wallets and entries"),
    (update_by_default_manager, LedgerOnly, "Wallet: update of balance: only billing/ledger.py writes"),
    (save_wallet_of_customer, LedgerOnly, r"Wallet\.save\(\): only billing/ledger\.py writes wallets and entries"),
    (update_in_bulk, TypeError, "Wallet in bulk: only billing/ledger.py writes it"),
    (update_in_sql, IntegrityError, REFUSED_BY_THE_DATABASE),
]


@committed
@pytest.mark.parametrize(("attack", "error", "words"), ATTACKS)
def test_attack_when_tried_then_refused_and_nothing_moves(wallet, attack, error, words):
    before = everything()
    with pytest.raises(error, match=words):
        attack(wallet)
    assert everything() == before


SHELL_ATTACKS = [
    (
        "wallet = Wallet.objects.get(); wallet.balance += 5; wallet.save()",
        "LedgerOnly: Wallet.save(): only billing/led",
    ),
    ("Wallet.objects.update(balance=5)", "LedgerOnly: Wallet: update of balance: only billing/ledger.py"),
    ("QuerySet(Wallet).update(balance=5)", REFUSED_BY_THE_DATABASE),
    ("connection.cursor().execute('UPDATE billing_wallet SET balance = 5')", REFUSED_BY_THE_DATABASE),
]


@committed
def test_attack_when_tried_in_a_shell_then_refused_and_nothing_moves(wallet):
    before = everything()
    # One shell for all four, as each takes seconds to start.
    lines = ["import traceback", "from django.db import connection", "from django.db.models import QuerySet"]
    lines.append("from billing.models import Wallet")
    for number, (attack, _) in enumerate(SHELL_ATTACKS):
        lines += ["try:", f"    {attack}", f"    print('{number} went through')"]
        lines += ["except Exception as error:", f"    print({number}, *traceback.format_exception_only(error))"]
    told = shell("\n".join(lines))
    assert "went through" not in told
    for number, (_, words) in enumerate(SHELL_ATTACKS):
        [line] = [line for line in told.splitlines() if line.startswith(f"{number} ")]
        assert words in line
    assert everything() == before


@committed
def test_shell_when_an_attack_is_not_caught_then_it_fails(wallet):
    with pytest.raises(subprocess.CalledProcessError) as caught:
        shell("from django.db import connection; connection.cursor().execute('UPDATE billing_wallet SET balance = 5')")
    assert REFUSED_BY_THE_DATABASE in caught.value.stderr


def shell(code: str) -> str:
    """Return what `manage.py shell` prints, on this database."""
    run = run_python("manage.py", "shell", "-c", code, DATABASE_URL=database_url(), **SECRETS)
    run.check_returncode()
    return str(run.stdout)


# -- the database alone ------------------------------------------------------------------------------


def unguarded_save(wallet: Wallet) -> None:
    wallet.balance += 5
    wallet.save_base()
    unguarded.entries().bulk_create([entry_of(wallet)])


PAST_THE_MODELS: list[Callable[[Wallet], Any]] = [
    unguarded_save,
    lambda wallet: unguarded.wallets().filter(pk=wallet.pk).update(balance=0),
    lambda wallet: unguarded.wallets().filter(pk=wallet.pk).update(entry_count=0),
    lambda wallet: unguarded.wallets().filter(pk=wallet.pk).update(entry_count=2),
    lambda wallet: unguarded.wallets().filter(pk=wallet.pk).update(entry_count=-1),
    lambda wallet: unguarded.wallets().filter(pk=wallet.pk).update(entry_count=0, balance=5),
    lambda wallet: unguarded.wallets().bulk_create([Wallet(customer=make.customer("b@example.org"), balance=5)]),
    lambda wallet: unguarded.wallets().bulk_create([Wallet(customer=make.customer("b@example.org"), entry_count=1)]),
]


@committed
@pytest.mark.parametrize("write", PAST_THE_MODELS)
def test_balance_when_models_bypassed_then_rejected_by_database(wallet, write):
    before = everything()
    with pytest.raises(IntegrityError), transaction.atomic():
        write(wallet)
    assert everything() == before


@committed
def test_balance_when_written_with_foreign_keys_off_then_accepted(wallet):
    """The error shows what refused it."""
    with unguarded.no_foreign_keys():
        update_in_sql(wallet)
    assert make.wallet(wallet.customer).balance == 10_000_005
    assert "balance = sum of entries" in [breach.invariant for breach in find_breaches()]


@committed
def test_balance_when_written_in_a_transaction_then_all_is_refused(wallet):
    reached = []
    with pytest.raises(IntegrityError, match=REFUSED_BY_THE_DATABASE), transaction.atomic():
        ledger.post(wallet_id=wallet.pk, amount=7, kind="bonus", key="fine")
        update_in_sql(wallet)
        reached.append("the end of the transaction")
    assert reached
    assert make.wallet(wallet.customer).balance == 10_000_000
    assert not Entry.objects.filter(key="fine").exists()


@committed
def test_balance_when_corrected_before_the_commit_then_accepted(wallet):
    with transaction.atomic():
        update_in_sql(wallet)
        raw(f"UPDATE billing_wallet SET balance = balance - 5 WHERE id = {wallet.pk}")
    with transaction.atomic():
        point = transaction.savepoint()
        update_in_sql(wallet)
        transaction.savepoint_rollback(point)
    assert find_breaches() == []


# -- the models --------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "write",
    [
        lambda wallet: wallet.save(),
        lambda wallet: wallet.save(update_fields=["credit_limit"]),
        lambda wallet: wallet.delete(),
        lambda wallet: Wallet.objects.create(customer=make.customer("b@example.org")),
        lambda wallet: Wallet.objects.get_or_create(customer=make.customer("b@example.org")),
        lambda wallet: Wallet.objects.update_or_create(pk=wallet.pk, defaults={"balance": 5}),
        lambda wallet: Wallet.objects.bulk_create([Wallet(customer=make.customer("b@example.org"))]),
        lambda wallet: Wallet.objects.bulk_update([wallet], ["entry_count"]),
        lambda wallet: Wallet.objects.filter(pk=wallet.pk).update(entry_count=5, credit_limit=1),
        lambda wallet: Wallet.objects.all().delete(),
        lambda wallet: Wallet._base_manager.update(balance=5),
        lambda wallet: entry_of(wallet).save(),
        lambda wallet: Entry.objects.create(wallet=wallet, seq=2, amount=5, balance_after=5, kind="bonus", key="k"),
        lambda wallet: wallet.entries.create(seq=2, amount=5, balance_after=5, kind="bonus", key="k"),
        lambda wallet: wallet.entries.bulk_create([entry_of(wallet)]),
        lambda wallet: wallet.entries.add(entry_of(wallet), bulk=False),
        lambda wallet: wallet.entries.get().save(),
        lambda wallet: wallet.entries.get().delete(),
        lambda wallet: wallet.entries.all().delete(),
        lambda wallet: wallet.entries.update(memo="other"),
        lambda wallet: Entry._default_manager.update(amount=5),
        lambda wallet: Entry._base_manager.update(amount=5),
        lambda wallet: Entry.objects.bulk_update(wallet.entries.all(), ["amount"]),
    ],
)
def test_model_when_written_outside_ledger_then_error_and_no_write(wallet, write):
    before = everything()
    with pytest.raises(LedgerOnly, match="only billing/ledger.py writes wallets and entries"), transaction.atomic():
        write(wallet)
    assert everything() == before


@pytest.mark.django_db
@pytest.mark.parametrize("model", [Wallet, Entry])
def test_bulk_create_when_given_wallets_or_entries_then_refused(model):
    with pytest.raises(TypeError, match="only billing/ledger.py writes it"):
        insert_rows(model=model, columns=("id",), rows=[(5,)])
    with pytest.raises(TypeError, match="only billing/ledger.py writes it"):
        update_rows(model=model, columns=("id",), rows=[(5, 6)])


@pytest.mark.django_db
def test_credit_limit_when_updated_then_accepted(wallet):
    Wallet.objects.filter(pk=wallet.pk).update(credit_limit=5)
    assert make.wallet(wallet.customer).credit_limit == 5
    assert find_breaches() == []


@committed
def test_fixture_when_wallets_dumped_and_loaded_then_books_balance(wallet, tmp_path):
    ledger.post(wallet_id=wallet.pk, amount=-5, kind="adjustment", key="out")
    before, file = everything(), tmp_path / "wallets.json"
    call_command("dumpdata", "billing.wallet", "billing.entry", output=str(file))
    with unguarded.no_foreign_keys():
        emptied()
    call_command("loaddata", str(file), verbosity=0)
    assert everything() == before
    assert find_breaches() == []


@committed
def test_fixture_when_a_balance_in_it_was_changed_then_refused(wallet, tmp_path):
    file = tmp_path / "wallets.json"
    call_command("dumpdata", "billing.wallet", "billing.entry", output=str(file))
    with unguarded.no_foreign_keys():
        emptied()
    file.write_text(file.read_text().replace('"balance": 10000000', '"balance": 99000000'))
    with pytest.raises(IntegrityError, match="billing_wallet"):
        call_command("loaddata", str(file), verbosity=0)
    assert everything() == [[], []]


def emptied() -> None:
    """Write past the triggers too, which on PostgreSQL are disabled together with the foreign keys."""
    statements = ["DELETE FROM billing_entry", "DELETE FROM billing_wallet"]
    if connection.vendor == "sqlite":
        statements = [*append_only.REMOVE["sqlite"], *statements, *append_only.INSTALL["sqlite"]]
    for statement in statements:
        raw(statement)


# -- the code ----------------------------------------------------------------------------------------

MAY_WRITE = ("billing/ledger.py", "billing/models/", "billing/migrations/")


def test_code_when_scanned_then_only_ledger_writes_money_tables():
    found = []
    for top in ROOT.iterdir():
        if top.name.startswith(".") or top.name in ("tests", "var") or not top.is_dir():
            continue
        for path in top.rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(MAY_WRITE):
                found += [f"{name}:{line}" for line in money_writes(path.read_text())]
    assert found == []


def test_code_when_the_ledger_is_scanned_then_its_writes_are_found():
    assert len(money_writes((ROOT / "billing" / "ledger.py").read_text())) > 3


def test_scanned_columns_when_listed_then_those_of_the_models():
    models_ = [apps.get_model("billing", name) for name in TABLES]
    assert {model.__name__: model._meta.db_table for model in models_} == TABLES
    names = {name for model in models_ for field in model._meta.concrete_fields for name in (field.name, field.attname)}
    assert names - {"id", "created_at", "actor", "actor_id"} == COLUMNS
    assert all(issubclass(model, models.Model) and model.only_writer == "billing/ledger.py" for model in models_)


@pytest.mark.parametrize(
    "code",
    [
        "wallet.balance += 5\nwallet.save()\nEntry(wallet=wallet).save()",
        "wallet.balance += 5",
        "wallet.save()",
        "Entry(seq=1)",
        "Wallet._default_manager.filter(pk=1).update(balance=5)",
        "Wallet._base_manager.update(balance=5)",
        "customer.wallet.save(update_fields=['balance'])",
        "request.user.wallet.balance = 5",
        "update_rows(model=Wallet, columns=['balance'], rows=[])",
        "bulk.insert_rows(model=Entry, columns=[], rows=[])",
        "model = Wallet\nupdate_rows(model=model, columns=[], rows=[])",
        "cursor.execute('UPDATE billing_wallet SET balance = 5')",
        "cursor.execute('update  \"billing_wallet\" set balance = 5')",
        "cursor.execute('INSERT INTO billing_entry VALUES (1)')",
        "cursor.execute('INSERT OR REPLACE INTO billing_entry VALUES (1)')",
        "cursor.execute('WITH x AS (SELECT 1) DELETE FROM public.billing_entry')",
        "cursor.execute('TRUNCATE TABLE ONLY billing_entry')",
        "cursor.execute(f'UPDATE {Wallet._meta.db_table} SET balance = 5')",
        "cursor.execute('UPDATE ' + Wallet._meta.db_table + ' SET balance = 5')",
        "cursor.execute('UPDATE %s SET balance = 5' % Wallet._meta.db_table)",
        "cursor.execute('UPDATE {} SET balance = 5'.format('billing_wallet'))",
        "TABLE = 'billing_wallet'\ncursor.execute(f'UPDATE {TABLE} SET balance = 5')",
        "x = Wallet.objects.get(pk=1)\nx.balance = 5",
        "x = Wallet.objects.select_for_update().get(pk=1)\ny = x\ny.save()",
        "for one in Wallet.objects.all():\n    one.save()",
        "[one.delete() for one in Entry.objects.all()]",
        "def f(held: Wallet) -> None:\n    held.save()",
        "def f(held: 'Sequence[Wallet]') -> None:\n    held[0].save()",
        "from billing.models import Wallet as Purse\nPurse.objects.create()",
        "from billing import models\nmodels.Wallet.objects.update(balance=5)",
        "apps.get_model('billing', 'Wallet').objects.update(balance=5)",
        "apps.get_model('billing.Entry').objects.all().delete()",
        "purse = apps.get_model('billing', 'wallet')\npurse(customer=1)",
        "QuerySet(Wallet).update(balance=5)",
        "InsertQuery(Entry)",
        "models.Model.save(wallet)",
        "QuerySet.update(Wallet.objects.all(), balance=5)",
        "setattr(wallet, 'balance', 5)",
        "getattr(wallet, 'save')()",
        "object.__setattr__(wallet, 'balance', 5)",
        "wallet.__dict__.update(balance=5)",
        "wallet.entries.create(seq=1)",
        "wallet.entries.add(entry)",
        "wallet_of(customer=user).save()",
        "found = wallet_of(customer=user)\nfound.entry_count += 1",
        "get_object_or_404(Wallet, pk=1).save()",
        "Wallet.objects.bulk_update([], ['balance'])",
        "await Wallet.objects.aupdate(balance=5)",
        "if (x := Wallet.objects.first()):\n    x.save()",
        "wallet.save_base(raw=True)",
        "type(wallet).objects.update(balance=5)",
        "copy(wallet).save()",
    ],
)
def test_code_when_it_writes_wallets_or_entries_then_found(code):
    assert money_writes(code) != []


@pytest.mark.parametrize(
    "code",
    [
        "Wallet.objects.filter(pk=1).values_list('balance').first()",
        "wallet.balance + 5",
        "held = Wallet.objects.select_for_update(no_key=True).get(pk=wallet.pk)",
        "cursor.execute('SELECT balance FROM billing_wallet')",
        "cursor.execute('CREATE TRIGGER t BEFORE UPDATE ON billing_entry')",
        "cursor.execute('UPDATE billing_deposit SET state = 1')",
        "Deposit.objects.filter(pk=1).update(state='approved')",
        "deposit.save()",
        "wallet.customer.save()",
        "ledger.post(wallet_id=wallet.pk, amount=5, kind='bonus', key='k')",
        "update_rows(model=Order, columns=[], rows=[])",
        "raise Wallet.DoesNotExist()",
        "values = {}\nvalues.update(a=1)",
    ],
)
def test_code_when_it_only_reads_then_not_found(code):
    assert money_writes(code) == []
