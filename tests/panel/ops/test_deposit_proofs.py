"""Each contradiction between deposits, payments and their entries is told, with its numbers."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.utils import timezone

from billing import append_only, ledger
from billing.deposits import approve_deposit
from billing.intake.crediting import credit_due_payments, credit_held_payment
from billing.models import BankLine, Coupon, Deposit, Entry, Payment, PaymentCredit, Reversal
from billing.order_holds import hold_orders
from billing.wallets import wallet_of
from panel.lib.money import CENT, MICRO
from panel.lib.panel_days import panel_day
from panel.ops.deposit_proofs import DEPOSIT_CHECKS, PROMISES
from panel.ops.invariants import find_breaches
from tests import make
from tests.billing.intake.calls import arrival_of, send, signed_method

pytestmark = pytest.mark.django_db

FEE = {"fee_bp": 400, "fee_fixed": 10 * CENT, "fee_payer": "customer", "bonus_bp": 1_000}
CREDITED, PAYMENT, BELONGS, OF_PAYMENT, OF_DEPOSIT, OF_LINE, HELD, REVERSED = (name for name, _, _ in DEPOSIT_CHECKS)


def tamper(statement, *params):
    """Run raw SQL with the guards of entries and the checks of columns off."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(statement, params)
            cursor.execute("SET LOCAL session_replication_role = origin")
            return
        for one in ("PRAGMA ignore_check_constraints = ON", *append_only.REMOVE["sqlite"]):
            cursor.execute(one)
        cursor.execute(statement, params)
        for one in (*append_only.INSTALL["sqlite"], "PRAGMA ignore_check_constraints = OFF"):
            cursor.execute(one)


def told():
    """Return what is broken of deposits, by check."""
    names = {name for name, _, _ in DEPOSIT_CHECKS} | {PROMISES}
    return {breach.invariant: breach.rows for breach in find_breaches() if breach.invariant in names}


@pytest.fixture
def alice():
    return make.customer()


@pytest.fixture
def by_hand(alice):
    """$20.90 that staff approved: $0.90 of fee, $2.00 of bonus."""
    deposit = make.pending_deposit(alice, "20", method=make.payment_method(**FEE))
    return approve_deposit(deposit_id=deposit.pk, credited=20_900_000, actor=make.owner())


@pytest.fixture
def payment(alice):
    """$20.90 that a signed call told of, credited alike."""
    method = signed_method(**FEE)
    deposit = make.pending_deposit(alice, "20", method=method[0])
    send(*method, arrival_of(deposit=deposit.pk, amount="20.90"))
    credit_due_payments()
    return Payment.objects.select_related("deposit").get()


def entry_of(key):
    return Entry.objects.get(key=key)


def test_deposits_when_all_is_well_then_nothing_is_told(by_hand, payment):
    assert find_breaches() == []


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("credited", "credited 20900001, fee 900000, bonus 2000000"),
        ("fee", "credited 20900000, fee 900001, bonus 2000000"),
        ("bonus", "credited 20900000, fee 900000, bonus 2000001"),
    ],
)
@pytest.mark.parametrize("fixture", ["by_hand", "payment"])
def test_deposit_when_it_says_another_sum_then_told(request, fixture, column, said):
    found = request.getfixturevalue(fixture)
    pk = getattr(found, "deposit_id", None) or found.pk
    tamper(f"UPDATE billing_deposit SET {column} = {column} + 1 WHERE id = %s", pk)
    assert told()[CREDITED] == [f"deposit {pk}: {said}; its entries and payments say 20900000, 900000 and 2000000"]


@pytest.mark.parametrize("suffix", ["", ":fee", ":bonus"])
def test_deposit_when_one_of_its_entries_is_another_kind_then_told(by_hand, suffix):
    tamper("UPDATE billing_entry SET kind = 'refund' WHERE key = %s", f"deposit:{by_hand.pk}{suffix}")
    entry = entry_of(f"deposit:{by_hand.pk}{suffix}")
    found = told()
    assert set(found) == {CREDITED, OF_DEPOSIT}
    assert found[OF_DEPOSIT] == [f"entry {entry.pk}: kind refund, key {entry.key}"]


@pytest.mark.parametrize("suffix", [":fee", ":bonus"])
def test_deposit_when_two_errors_cancel_out_then_told_all_the_same(by_hand, suffix):
    """The sum of all three is right."""
    tamper("UPDATE billing_entry SET amount = amount - 5 WHERE key = %s", f"deposit:{by_hand.pk}{suffix}")
    tamper("UPDATE billing_entry SET amount = amount + 5 WHERE key = %s", f"deposit:{by_hand.pk}")
    assert len(told()[CREDITED]) == 1


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("credited", "credited 20899999, fee 900000, bonus 2000000"),
        ("fee", "credited 20900000, fee 899999, bonus 2000000"),
        ("bonus", "credited 20900000, fee 900000, bonus 1999999"),
    ],
)
def test_payment_when_it_says_another_sum_then_told_with_its_deposit(payment, column, said):
    tamper(f"UPDATE billing_payment SET {column} = {column} - 1")
    found = told()
    assert set(found) == {CREDITED, PAYMENT}
    assert found[PAYMENT] == [f"payment {payment.pk}: {said}; its entries say 20900000, 900000 and 2000000"]


def test_payment_when_moved_to_another_deposit_then_told(payment, alice):
    other = make.pending_deposit(alice, "20", method=payment.method)
    Payment.objects.update(deposit=other)
    assert set(told()) == {CREDITED, BELONGS}


@pytest.mark.parametrize(("column", "suffix"), [("fee_entry_id", ":fee"), ("bonus_entry_id", ":bonus")])
def test_credit_when_an_entry_of_it_is_forgotten_then_told(payment, column, suffix):
    tamper(f"UPDATE billing_paymentcredit SET {column} = NULL")
    [orphan] = Entry.objects.filter(key__endswith=suffix)
    assert told()[OF_PAYMENT] == [f"entry {orphan.pk}: key {orphan.key}"]


def test_credit_when_fee_and_bonus_are_exchanged_then_told(payment):
    tamper("UPDATE billing_paymentcredit SET fee_entry_id = bonus_entry_id, bonus_entry_id = fee_entry_id")
    credit = PaymentCredit.objects.get()
    assert told()[BELONGS] == [
        f"credit {credit.pk} of payment {payment.pk}: entry {credit.entry_id}, key {credit.entry.key}, "
        "and what was posted with it do not belong together"
    ]


def test_payment_when_credited_without_any_entry_then_told(payment):
    PaymentCredit.objects.all().delete()
    found = told()
    assert (set(found), len(found[OF_PAYMENT])) == ({PAYMENT, OF_PAYMENT}, 3)


@pytest.mark.parametrize(
    ("kind", "amount", "key"),
    [
        ("fee", -5, "deposit:{unknown}:fee"),
        ("fee", -5, "staff:1"),
        ("deposit", 5, "deposit:{unknown}"),
        ("deposit", 5, "deposit:{known}:again"),
        ("bonus", 5, "deposit:{known}:fee"),
    ],
)
def test_entry_when_it_is_of_no_deposit_then_told(alice, kind, amount, key):
    key = key.format(known=make.pending_deposit(alice).pk, unknown=999_999)
    entry = ledger.post(wallet_id=wallet_of(customer=alice).pk, amount=5, kind="adjustment", key="a").entry
    entry = ledger.post(wallet_id=entry.wallet_id, amount=amount, kind=kind, key=key).entry
    assert told()[OF_DEPOSIT] == [f"entry {entry.pk}: kind {kind}, key {key}"]


# -- what was promised -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("fee_bp", "due"), [(380, 870_000), (401, 910_000), (0, 100_000)])
def test_fee_when_it_is_not_the_promised_one_then_told(payment, fee_bp, due):
    """Credited by the machine, and with sums that agree."""
    Deposit.objects.update(fee_bp=fee_bp)
    deposit = Deposit.objects.get()
    assert told()[PROMISES] == [
        f"deposit {deposit.pk}: 20900000 came in, a fee of 900000 was taken, {due} was promised"
    ]


@pytest.mark.parametrize("fee_bp", [500, 300])
def test_fee_when_staff_took_less_or_more_of_enough_then_told(by_hand, fee_bp):
    Deposit.objects.update(fee_bp=fee_bp)
    assert PROMISES in told()


def test_fee_when_staff_credited_parts_below_it_then_no_breach(alice):
    """Each part is less than what is left of the fee, and both together are more."""
    method, owner = signed_method(fee_fixed=MICRO, fee_payer="customer"), make.owner()
    deposit = make.pending_deposit(alice, "20", method=method[0])
    for amount in ("0.90", "0.80"):
        send(*method, arrival_of(deposit=deposit.pk, amount=amount))
        credit_due_payments()
        held = Payment.objects.get(state="held")
        credit_held_payment(payment_id=held.pk, deposit=deposit, actor=owner, came_in=held.came_in)
    deposit.refresh_from_db()
    assert (deposit.credited, deposit.fee) == (1_700_000, 0)
    assert find_breaches() == []


@pytest.mark.parametrize(("kind", "suffix"), [("deposit", ""), ("bonus", ":bonus")])
def test_entry_when_in_the_wallet_of_another_customer_then_told(alice, kind, suffix):
    deposit, bob = make.pending_deposit(alice), make.customer("bob@example.org")
    key = f"deposit:{deposit.pk}{suffix}"
    entry = ledger.post(wallet_id=wallet_of(customer=bob).pk, amount=5, kind=kind, key=key).entry
    assert told() == {OF_DEPOSIT: [f"entry {entry.pk}: kind {kind}, key {key}"]}


def test_bank_line_when_approved_without_its_deposit_then_told(alice):
    deposit = make.pending_deposit(alice)
    values = {"state": "approved", "deposit": deposit, "decided_at": timezone.now()}
    line = BankLine.objects.create(method=deposit.method, digest="x", day=panel_day(), amount=MICRO, **values)
    assert told() == {OF_LINE: [f"bank line {line.pk}: its deposit {deposit.pk} is pending"]}


def test_orders_when_held_without_a_reversal_then_told(payment, alice):
    reversal = Reversal.objects.create(payment=payment, amount=20_900_000)
    with transaction.atomic():
        hold_orders(reversal=reversal, customer_id=alice.pk)
    assert told() == {}
    Reversal.objects.update(holds_orders=False)
    assert told() == {HELD: [f"customer {alice.pk}: no reversal holds the orders"]}


def test_reversal_when_of_more_than_was_credited_then_told(payment):
    reversal = Reversal.objects.create(payment=payment, amount=20_900_001)
    assert told() == {
        REVERSED: [
            f"reversal {reversal.pk}: 20900001 was taken back of payment {payment.pk}, and 20900000 was credited"
        ]
    }


def test_bonus_when_above_the_promise_then_told(by_hand):
    Deposit.objects.update(bonus_bp=999)
    assert told() == {
        PROMISES: [f"deposit {by_hand.pk}: 20000000 was added, with a bonus of 2000000, 1998000 was promised"]
    }


def test_bonus_when_its_coupon_was_given_back_then_told(alice):
    Coupon.objects.create(code="MORE", bonus_bp=500)
    deposit = make.pending_deposit(alice, "20", method=make.payment_method(**FEE), coupon="MORE")
    approve_deposit(deposit_id=deposit.pk, credited=20_900_000, actor=make.owner())
    assert find_breaches() == []
    deposit.redemption.given_back_at = deposit.created_at
    deposit.redemption.save()
    assert PROMISES in told()


def test_bonus_when_a_higher_tier_gives_less_then_parts_are_no_breach(alice):
    method = signed_method(**FEE, tiers=[[20 * MICRO, 100]])
    deposit = make.pending_deposit(alice, "20", method=method[0])
    for amount in ("10.50", "10.40"):
        send(*method, arrival_of(deposit=deposit.pk, amount=amount))
        credit_due_payments()
    deposit.refresh_from_db()
    assert deposit.bonus == MICRO > deposit.bonus_terms.bonus_of(deposit.net)
    assert find_breaches() == []


def test_fee_when_staff_credited_without_it_then_no_breach(alice):
    method = signed_method(**FEE)
    deposit = make.pending_deposit(alice, "20", method=method[0])
    send(*method, arrival_of(deposit=deposit.pk, amount="0.10"))
    credit_due_payments()
    held = Payment.objects.get()
    credit_held_payment(payment_id=held.pk, deposit=deposit, actor=make.owner(), came_in=held.came_in)
    assert find_breaches() == []


def test_proofs_when_there_are_more_deposits_then_as_many_statements(
    alice, by_hand, payment, django_assert_num_queries
):
    with connection.execute_wrapper(lambda execute, *args: counted.append(1) or execute(*args)):
        counted: list[int] = []
        find_breaches()
        first = len(counted)
    for _ in range(5):
        deposit = make.pending_deposit(alice, "20", method=by_hand.method)
        approve_deposit(deposit_id=deposit.pk, credited=20_900_000, actor=by_hand.decided_by)
    with django_assert_num_queries(first):
        assert find_breaches() == []
