"""Each invariant is found when it breaks, and none if all is well."""

from __future__ import annotations

import io
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ModelState
from django.utils import timezone

from billing import append_only, ledger
from billing.constraints import BALANCE_KEY, EMPTY_CHECK
from billing.deposits import approve_deposit
from billing.models import Deposit, Entry, Wallet
from orders.models import Order
from orders.states import Submission
from panel.alerts.models import Alert, Heartbeat, RunningTime
from panel.ops.invariants import find_breaches
from panel.ops.tasks import check_ledger
from tests import make
from tests import unguarded as past_the_ledger
from tests.commands import SECRETS, database_url, run_python
from tests.threads import in_threads

BALANCE = "balance = sum of entries"
NUMBERS = "entries are numbered without a gap"
CHAIN = "balances chain from entry to entry"
ORDER_SUM = "an order's entries = charge - refunded"
ONE_CHARGE = "exactly one charge an order, from its customer's wallet"
BELONGS = "an entry of an order belongs to an order of the wallet's customer"
REFUNDED = "0 <= refunded <= charge"
UNIQUE_ID = "provider and upstream id are unique"
LEASE = "nothing is placing past its lease"
DOUBT = "no doubt is past its deadline without review"
HELD = "nothing waits in the queue past its limit"
CREDITED = "a deposit is credited once, and only when it was approved"
OF_DEPOSIT = "an entry of a deposit is its credit, its fee or its bonus, in the wallet of its customer"
TRIGGERS = "entries are append-only"
HELD_BALANCE = "the database holds each balance to its last entry"


def execute(*statements, params=None):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, params)


@contextmanager
def unguarded():
    """Remove the triggers on entries and the check on refunds, inside the test's transaction."""
    if connection.vendor == "postgresql":
        # No foreign key check may be deferred, or the table cannot be altered.
        execute("SET CONSTRAINTS ALL IMMEDIATE")
        execute("ALTER TABLE orders_order DROP CONSTRAINT order_refund_within_charge")
        execute("SET CONSTRAINTS ALL DEFERRED", "SET LOCAL session_replication_role = replica")
    else:
        execute("PRAGMA ignore_check_constraints = ON", *append_only.REMOVE["sqlite"])
    try:
        yield
    finally:
        # The rollback restores the constraint; restore the triggers now, so that only the tampering is found.
        if connection.vendor == "postgresql":
            execute("SET LOCAL session_replication_role = origin")
        else:
            execute(*append_only.INSTALL["sqlite"], "PRAGMA ignore_check_constraints = OFF")


@pytest.fixture
def undone(db):
    """Undo what the test did to balances, which the database would refuse at its end."""
    before = transaction.savepoint()
    yield
    transaction.savepoint_rollback(before)


tampering = pytest.mark.usefixtures("undone")


def found():
    return [breach.invariant for breach in find_breaches()]


@pytest.fixture
def shop(customer):
    """Give Alice one paid order of $0.25: entries +10,000,000 and -250,000."""
    sold = make.service(make.provider())
    return make.accepted_order(customer, sold, upstream_id="9001")


def wallet_of(user):
    return Wallet.objects.get(customer=user).pk


def post(user, amount, kind, key, order_ref=None):
    return ledger.post(wallet_id=wallet_of(user), amount=amount, kind=kind, key=key, order_ref=order_ref)


def last_entry(user):
    return Entry.objects.filter(wallet__customer=user).order_by("seq").last()


def test_check_ledger_when_all_is_well_then_clean(shop, customer, other, capsys):
    post(customer, 40_000, "refund", "r", shop.pk)
    Order.objects.filter(pk=shop.pk).update(refunded=40_000)
    assert find_breaches() == []
    call_command("check_ledger")
    assert "Clean: 2 wallets, 4 entries, 1 orders." in capsys.readouterr().out


def test_check_ledger_when_there_is_nothing_then_clean(db):
    assert find_breaches() == []


@tampering
@pytest.mark.parametrize("change", ["balance + 1", "balance - 1", "0"])
def test_check_ledger_when_a_balance_was_changed_then_found(shop, customer, change):
    execute(f"UPDATE billing_wallet SET balance = {change} WHERE id = %s", params=[wallet_of(customer)])
    [breach] = find_breaches()
    assert breach.invariant == BALANCE
    balance = make.wallet(customer).balance
    assert breach.rows == [f"wallet {wallet_of(customer)}: balance {balance}, entries sum up to 9750000"]


@tampering
def test_check_ledger_when_balance_has_no_entries_then_found(db):
    user = make.customer("carol@example.org")
    with unguarded():
        if connection.vendor == "postgresql":
            execute(f"ALTER TABLE billing_wallet DROP CONSTRAINT {EMPTY_CHECK}")
        past_the_ledger.wallets().bulk_create([Wallet(customer=user, balance=5)])
    assert BALANCE in found()


@tampering
@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE billing_wallet SET version = version + 1 WHERE id = {wallet}",
        "UPDATE billing_entry SET seq = 3 WHERE wallet_id = {wallet} AND seq = 2",
        "UPDATE billing_entry SET seq = 0 WHERE wallet_id = {wallet} AND seq = 1",
    ],
)
def test_check_ledger_when_sequence_has_a_gap_then_found(shop, customer, tamper):
    with unguarded():
        execute(tamper.format(wallet=wallet_of(customer)))
    assert found() == [NUMBERS]


@tampering
def test_check_ledger_when_last_entry_and_money_deleted_then_found(customer):
    post(customer, 5, "bonus", "b")
    with unguarded():
        execute("DELETE FROM billing_entry WHERE key = 'b'", "UPDATE billing_wallet SET balance = balance - 5")
    assert found() == [NUMBERS]


@tampering
def test_check_ledger_when_balance_after_was_changed_then_found(shop, customer):
    with unguarded():
        execute(
            "UPDATE billing_entry SET balance_after = balance_after + 7 WHERE id = %s", params=[last_entry(customer).pk]
        )
    [breach] = find_breaches()
    assert breach.invariant == CHAIN
    assert breach.rows == [f"wallet {wallet_of(customer)}, entry 2: balance after 9750007, expected 9750000"]


def test_check_ledger_when_two_amounts_were_swapped_then_found(customer):
    post(customer, 3, "bonus", "b")
    with unguarded():
        execute("UPDATE billing_entry SET amount = 10000003 - amount")
    assert found() == [CHAIN]


@tampering
def test_check_ledger_when_first_entry_starts_nonzero_then_found(customer):
    with unguarded():
        execute(
            "UPDATE billing_entry SET amount = amount + 1",
            "UPDATE billing_wallet SET balance = balance + 1",
        )
    assert found() == [CHAIN]


@pytest.fixture
def credited(customer):
    """Credit Alice's deposit of $100 with a bonus of 5%."""
    method = make.payment_method(bonus_bp=500)
    waiting = make.pending_deposit(customer, method=method)
    return approve_deposit(deposit_id=waiting.pk, credited=waiting.amount, note="", actor=make.owner())


def test_check_ledger_when_deposits_wait_or_are_credited_then_clean(credited, customer):
    make.pending_deposit(customer, method=credited.method)
    assert found() == []


def test_check_ledger_when_deposit_exceeds_its_entries_then_found(credited):
    Deposit.objects.filter(pk=credited.pk).update(bonus=credited.bonus + 1)
    breach = find_breaches()[0]
    assert breach.invariant == CREDITED
    assert breach.rows == [
        f"deposit {credited.pk}: credited 100000000, fee 0, bonus 5000001; "
        "its entries and payments say 100000000, 0 and 5000000"
    ]


def test_check_ledger_when_deposit_credits_wrong_wallet_then_found(credited, other):
    Deposit.objects.filter(pk=credited.pk).update(customer=other)
    assert found() == [CREDITED, OF_DEPOSIT]


def test_check_ledger_when_waiting_deposit_has_an_entry_then_found(customer):
    waiting = make.pending_deposit(customer)
    post(customer, 5, "deposit", f"deposit:{waiting.pk}")
    assert found() == [CREDITED]


def test_check_ledger_when_posted_refund_not_on_order_then_found(shop, customer):
    post(customer, 40_000, "refund", "r", shop.pk)
    [breach] = find_breaches()
    assert breach.invariant == ORDER_SUM
    assert breach.rows == [f"order {shop.pk}: charge 250000, refunded 0, entries sum up to -210000"]


def test_check_ledger_when_order_refund_is_not_posted_then_found(shop):
    Order.objects.filter(pk=shop.pk).update(refunded=40_000)
    assert found() == [ORDER_SUM]


@tampering
def test_check_ledger_when_order_was_never_charged_then_found(shop, customer):
    with unguarded():
        execute(
            "DELETE FROM billing_entry WHERE kind = 'order'",
            "UPDATE billing_wallet SET balance = balance + 250000, version = 1",
        )
    assert found() == [ORDER_SUM, ONE_CHARGE]


def test_check_ledger_when_charged_twice_refunded_once_then_found(shop, customer):
    post(customer, -250_000, "order", "again", shop.pk)
    post(customer, 250_000, "refund", "back", shop.pk)
    [breach] = find_breaches()
    assert breach.invariant == ONE_CHARGE
    assert breach.rows == [f"order {shop.pk}: 2 charges"]


@tampering
def test_check_ledger_when_another_customer_paid_order_then_found(shop, customer, other):
    with unguarded():
        execute("DELETE FROM billing_entry WHERE kind = 'order'")
    past_the_ledger.wallets().filter(customer=customer).update(balance=10_000_000, entry_count=1)
    post(other, -250_000, "order", "his", shop.pk)
    assert found() == [ONE_CHARGE, BELONGS]


def test_check_ledger_when_another_customer_got_refund_then_found(shop, other):
    entry = post(other, 40_000, "refund", "r", shop.pk).entry
    Order.objects.filter(pk=shop.pk).update(refunded=40_000)
    [breach] = find_breaches()
    assert breach.invariant == BELONGS
    assert breach.rows == [f"entry {entry.pk}: order {shop.pk}, wallet {wallet_of(other)}"]


@pytest.mark.parametrize(("kind", "amount"), [("order", -5), ("refund", 5)])
@pytest.mark.parametrize("order_ref", [None, 999_999_999])
def test_check_ledger_when_entry_names_no_order_then_found(shop, customer, kind, amount, order_ref):
    post(customer, amount, kind, "k", order_ref)
    assert found() == [BELONGS]


def test_check_ledger_when_refund_exceeds_the_charge_then_found(shop, customer):
    post(customer, 250_001, "refund", "r", shop.pk)
    with unguarded():
        execute("UPDATE orders_order SET refunded = 250001")
    assert found() == [REFUNDED]


def test_check_ledger_when_refund_is_negative_then_found(shop, customer):
    post(customer, -5, "refund", "r", shop.pk)
    with unguarded():
        execute("UPDATE orders_order SET refunded = -5")
    assert found() == [REFUNDED]


def test_check_ledger_when_two_orders_share_upstream_id_then_found(shop, customer):
    second = make.accepted_order(customer, shop.service, upstream_id="9002")
    with unguarded():
        execute("DROP INDEX order_upstream_id_unique")
        execute("UPDATE orders_order SET upstream_id = '9001' WHERE id = %s", params=[second.pk])
    [breach] = find_breaches()
    assert breach.invariant == UNIQUE_ID
    assert breach.rows == [f"provider {shop.provider_id}, id 9001: 2 orders"]


def test_check_ledger_when_two_providers_gave_one_id_then_clean(shop, customer):
    elsewhere = make.service(make.provider(name="Second"))
    make.accepted_order(customer, elsewhere, upstream_id="9001")
    assert find_breaches() == []


@pytest.mark.parametrize(("seconds", "expected"), [(5, []), (90, [LEASE])])
def test_check_ledger_when_submitting_is_past_its_lease_then_found(shop, seconds, expected):
    Order.objects.update(submission=Submission.SUBMITTING, lease_until=timezone.now() - timedelta(seconds=seconds))
    assert found() == expected


@pytest.mark.parametrize(
    ("seconds", "review", "expected"), [(5, "", []), (90, "", [DOUBT]), (90, "doubt", []), (-900, "", [])]
)
def test_check_ledger_when_doubt_is_overdue_unreviewed_then_found(shop, seconds, review, expected):
    Order.objects.update(
        submission=Submission.IN_DOUBT,
        doubt_until=timezone.now() - timedelta(seconds=seconds),
        review_reason=review,
    )
    assert found() == expected


@pytest.mark.parametrize(
    ("hours", "review", "expected"),
    [(23, "", []), (26, "", [HELD]), (26, "would_lose", [HELD]), (26, "unknown_error", [])],
)
def test_check_ledger_when_order_is_queued_past_limit_then_found(shop, hours, review, expected):
    Order.objects.update(
        submission=Submission.QUEUED,
        status="pending",
        queued_at=timezone.now() - timedelta(hours=hours),
        review_reason=review,
    )
    assert found() == expected


def test_check_ledger_when_the_clock_jumped_then_no_wait_is_a_breach(shop, real_running):
    Order.objects.update(submission=Submission.QUEUED, status="pending", queued_at=timezone.now() - timedelta(days=2))
    assert found() == []
    now = timezone.now()
    RunningTime.objects.create(pk=1, since=now - timedelta(days=9), seen_at=now, doubted_since=now)
    assert found() == []
    RunningTime.objects.update(doubted_since=None)
    assert found() == [HELD]


@pytest.mark.parametrize("name", append_only.NAMES)
def test_check_ledger_when_a_trigger_is_missing_then_found(shop, name):
    if connection.vendor == "postgresql":
        execute("SET CONSTRAINTS ALL IMMEDIATE", f"DROP TRIGGER {name} ON billing_entry")
    else:
        execute(f"DROP TRIGGER {name}")
    assert found() == [TRIGGERS]


@pytest.mark.postgresql
def test_check_ledger_when_a_trigger_is_disabled_then_found(shop):
    execute("SET CONSTRAINTS ALL IMMEDIATE", "ALTER TABLE billing_entry DISABLE TRIGGER billing_entry_no_update")
    assert found() == [TRIGGERS]


@pytest.mark.django_db(transaction=True)
def test_check_ledger_when_foreign_keys_are_off_then_found():
    with past_the_ledger.no_foreign_keys():
        assert found() == [HELD_BALANCE]
    assert found() == []


@pytest.mark.postgresql
@pytest.mark.parametrize(
    "statement",
    [
        f"ALTER TABLE billing_wallet DROP CONSTRAINT {BALANCE_KEY}",
        f"ALTER TABLE billing_wallet DROP CONSTRAINT {EMPTY_CHECK}",
        "ALTER TABLE billing_wallet DISABLE TRIGGER ALL",
        "ALTER TABLE billing_entry DISABLE TRIGGER ALL",
    ],
)
def test_check_ledger_when_balance_guards_are_removed_then_found(db, statement):
    execute(statement)
    assert HELD_BALANCE in found()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="Django rebuilds tables on SQLite alone")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", [BALANCE_KEY, EMPTY_CHECK])
def test_check_ledger_when_sqlite_balance_guard_removed_then_found(name):
    constraint = next(one for one in Wallet._meta.constraints if one.name == name)
    with connection.schema_editor() as editor:
        editor.remove_constraint(wallet_without(name), constraint)
    try:
        assert found() == [HELD_BALANCE]
    finally:
        with connection.schema_editor() as editor:
            editor.add_constraint(Wallet, constraint)
    assert found() == []


def wallet_without(name):
    """Return the wallet as seen by a migration that removes the constraint."""
    state = ModelState.from_model(Wallet)
    state.options["constraints"] = [one for one in state.options["constraints"] if one.name != name]
    project = MigrationExecutor(connection).loader.project_state()
    project.models["billing", "wallet"] = state
    return project.apps.get_model("billing", "Wallet")


@tampering
def test_check_ledger_when_many_rows_break_then_first_twenty_shown(db):
    for number in range(25):
        make.customer(f"c{number}@example.org", funds="1")
    past_the_ledger.wallets().update(balance=1)
    [breach] = find_breaches()
    assert len(breach.rows) == 20


@tampering
def test_check_ledger_task_when_broken_then_alert_until_repaired(shop, customer):
    past_the_ledger.wallets().filter(customer=customer).update(balance=9_750_001)
    check_ledger()
    check_ledger()
    alert = Alert.objects.get()
    assert (alert.cause, alert.level, alert.count, alert.resolved_at) == ("ledger", "danger", 2, None)
    assert "balance 9750001, entries sum up to 9750000" in alert.text
    past_the_ledger.wallets().filter(customer=customer).update(balance=9_750_000)
    check_ledger()
    alert.refresh_from_db()
    assert alert.resolved_at is not None
    assert Heartbeat.objects.filter(task="check_ledger").exists()


@pytest.mark.django_db(transaction=True)
def test_check_ledger_command_when_broken_then_exit_1_with_rows():
    user = make.customer("alice@example.org", funds="10")
    clean = run_python("manage.py", "check_ledger", DATABASE_URL=database_url(), **SECRETS)
    assert (clean.returncode, clean.stdout) == (0, "Clean: 1 wallets, 1 entries, 0 orders.\n")
    with past_the_ledger.no_foreign_keys():
        past_the_ledger.wallets().update(balance=1)
    broken = run_python("manage.py", "check_ledger", DATABASE_URL=database_url(), **SECRETS)
    assert broken.returncode == 1
    assert f"BROKEN  {BALANCE}" in broken.stdout
    assert f"wallet {wallet_of(user)}: balance 1, entries sum up to 10000000" in broken.stdout
    assert "1 invariants do not hold." in broken.stderr
    with pytest.raises(CommandError):
        call_command("check_ledger", stdout=io.StringIO())


@pytest.mark.django_db(transaction=True)
def test_check_ledger_when_money_moves_meanwhile_then_no_false_alarm():
    user = make.customer("alice@example.org", funds="10")
    wallet = wallet_of(user)

    def move():
        for number in range(40):
            ledger.post(wallet_id=wallet, amount=-1, kind="adjustment", key=f"m:{number}")

    def check():
        return [found() for _ in range(25)]

    _, first, second = in_threads(move, check, check)
    assert first == second == [[]] * 25
    assert make.wallet(user).balance == 9_999_960
