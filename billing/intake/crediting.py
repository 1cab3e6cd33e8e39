"""Credit payments: the only code by which money of a gateway reaches a wallet.

    seen → credited    the figure minus what was credited before, less the fee and with the bonus of the request
         → held        staff decide: whose it is, or whether it counts
    held → credited, dismissed

In one transaction: lock the payment and its deposit, post under a key that holds the payment and its figure, and move
both rows. Killed anywhere, either all of it happened or nothing; the payment stays due.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum

from billing import ledger
from billing.deposits import fee_due, promised_bonus
from billing.models import Deposit, Entry, Payment, PaymentCredit, PaymentMethod
from billing.references import deposit_of
from billing.wallets import lock_wallet, wallet_of
from panel.accounts.models import User
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock
from panel.lib.claims import claim_due
from panel.lib.money import format_money
from panel.lib.own_account import refuse_own
from panel.staff.deeds import UNSTATED, Why, record_deed
from panel.staff.kinds import Kind

log = structlog.get_logger(__name__)

# Payments of one round, and how long another worker leaves them alone.
BATCH = 100
LEASE = timedelta(minutes=1)
# Before a payment that could not be credited is tried again.
RETRY = timedelta(minutes=10)
# From a request on its bonus is promised for so long: its code may be paid for ever.
MAX_PROMISE = timedelta(days=30)


class PaymentMoved(Exception):
    """Somebody else decided the payment meanwhile. Nothing was changed."""


class CannotCredit(Exception):
    """The payment cannot be credited by anybody. The message is for staff."""


@dataclass(frozen=True, slots=True)
class _Step:
    """What is posted when a payment is credited: what more came in, less the fee, and the bonus. Micro-units."""

    amount: int
    fee: int
    bonus: int

    @property
    def added(self) -> int:
        return self.amount - self.fee + self.bonus


def credit_due_payments() -> int:
    """Credit or hold the payments that are due; return how many were looked at."""
    done = 0
    while batch := claim_due(Payment.objects.all(), due="due_at", lease=LEASE, limit=BATCH):
        for payment in batch:
            try:
                credit_payment(payment_id=payment.pk)
            except Exception:
                # The others must not wait behind it, and neither behind its next try.
                log.exception("payment not credited", payment=payment.pk)
                Payment.objects.filter(pk=payment.pk).update(due_at=clock.now() + RETRY)
        done += len(batch)
    return done


def credit_payment(*, payment_id: int) -> Payment:
    """Credit what came in and is not credited yet, or hold the payment for staff. Repeating it changes nothing."""
    with transaction.atomic():
        payment = _lock(payment_id)
        if payment.state not in (Payment.State.SEEN, Payment.State.CREDITED) or payment.credited == payment.came_in:
            Payment.objects.filter(pk=payment_id).update(due_at=None)
            return payment
        found = payment.deposit or deposit_of(reference=payment.reference, number=payment.deposit_number)
        # Locked before it is judged: it may be approved or refused by hand at this moment.
        deposit = _lock_deposit(found) if found else None
        if reason := _reason_to_hold(payment, deposit):
            return _hold(payment, deposit, reason)
        assert deposit is not None
        return _credit(payment, deposit, actor=None)


def _lock(payment_id: int) -> Payment:
    """Lock the payment's method, so that the day's limit counts all, and the payment."""
    method_id = Payment.objects.values_list("method_id", flat=True).get(pk=payment_id)
    PaymentMethod.objects.select_for_update(no_key=True).get(pk=method_id)
    return Payment.objects.select_for_update(of=("self",)).select_related("method", "deposit").get(pk=payment_id)


def _lock_deposit(deposit: Deposit) -> Deposit:
    """Lock the customer's wallet and the deposit, in the order in which requests lock them."""
    lock_wallet(customer_id=wallet_of(customer=deposit.customer).customer_id)
    return Deposit.objects.select_for_update(of=("self",)).select_related("customer").get(pk=deposit.pk)


def _reason_to_hold(payment: Payment, deposit: Deposit | None) -> str:
    """Return a value of Payment.Hold, "" if nothing speaks against crediting."""
    method, hold = payment.method, Payment.Hold
    if method.is_sandbox:
        return hold.SANDBOX
    if payment.currency != settings.PANEL_CURRENCY:
        return hold.CURRENCY
    if deposit is None:
        return hold.UNKNOWN_REFERENCE
    if deposit.method_id != payment.method_id:
        return hold.OTHER_METHOD
    if deposit.customer.closed_at is not None:
        return hold.CLOSED
    if deposit.state == Deposit.State.REFUSED:
        return hold.REFUSED
    if deposit.credited and deposit.credited > _credited_of(deposit):
        # Staff saw money come in for it; this is probably the same money.
        return hold.BY_HAND
    due = payment.came_in - payment.credited
    if method.max_payment is not None and payment.came_in > method.max_payment:
        return hold.OVER_CALL
    if method.max_day is not None and _credited_today(method) + due > method.max_day:
        return hold.OVER_DAY
    if fee_due(deposit=deposit, amount=due) is None:
        return hold.BELOW_FEE
    return ""


def _credited_of(deposit: Deposit) -> int:
    """Return what of the deposit was credited by its payments; the rest of it was approved by hand."""
    total = deposit.payments.aggregate(total=Sum("credited"))["total"]
    return total or 0


def _credited_today(method: PaymentMethod) -> int:
    since = clock.now() - timedelta(days=1)
    total = Payment.objects.filter(method=method, credited_at__gte=since).aggregate(total=Sum("credited"))["total"]
    return total or 0


def _hold(payment: Payment, deposit: Deposit | None, reason: str) -> Payment:
    payment.state, payment.hold, payment.due_at, payment.deposit = Payment.State.HELD, reason, None, deposit
    payment.save(update_fields=("state", "hold", "due_at", "deposit"))
    shown = format_money(payment.came_in, payment.currency, exact=True)
    raise_alert(
        cause=Cause.HELD_PAYMENT,
        about=payment.pk,
        text=(
            f"{shown} came in through {payment.method.name} and waits for you: {payment.get_hold_display().lower()}."
        ),
    )
    return payment


def _credit(payment: Payment, deposit: Deposit, *, actor: User | None) -> Payment:
    """Post the difference and move both rows; call it with the payment and the deposit locked."""
    step = _step(payment, deposit)
    wallet, now = wallet_of(customer=deposit.customer), clock.now()
    # With the figure: each step of a growing one is posted once.
    key = f"deposit:{deposit.pk}:payment:{payment.pk}:{payment.came_in}"
    post = partial(ledger.post, wallet_id=wallet.pk, memo=payment.method.name, actor=actor)
    posted = post(amount=step.amount, kind=Entry.Kind.DEPOSIT, key=key).entry
    taken = post(amount=-step.fee, kind=Entry.Kind.FEE, key=f"{key}:fee").entry if step.fee else None
    extra = post(amount=step.bonus, kind=Entry.Kind.BONUS, key=f"{key}:bonus").entry if step.bonus else None
    PaymentCredit.objects.create(payment=payment, entry=posted, fee_entry=taken, bonus_entry=extra)
    _move_payment(payment, deposit, step, actor=actor)
    Deposit.objects.filter(pk=deposit.pk).update(
        state=Deposit.State.APPROVED,
        credited=(deposit.credited or 0) + step.amount,
        fee=F("fee") + step.fee,
        bonus=F("bonus") + step.bonus,
        decided_at=now,
        mail_due_at=now,
        mail_attempts=0,
    )
    resolve_alert(cause=Cause.HELD_PAYMENT, about=payment.pk)
    payment.refresh_from_db()
    return payment


def _step(payment: Payment, deposit: Deposit) -> _Step:
    """Return what is to be posted, so that money in parts pays the fee and earns the bonus that it would at once."""
    amount = payment.came_in - payment.credited
    # Staff credit what does not exceed its fee without one; by itself it is held.
    fee = fee_due(deposit=deposit, amount=amount) or 0
    promised = promised_bonus(deposit=deposit, net=deposit.net + amount - fee) if _earns_bonus(deposit) else 0
    return _Step(amount, fee, max(0, promised - deposit.bonus))


def _earns_bonus(deposit: Deposit) -> bool:
    """Return False for what comes in after the request was paid in full, or long after it was made."""
    return (deposit.credited or 0) < deposit.to_pay and clock.now() < deposit.created_at + MAX_PROMISE


def _move_payment(payment: Payment, deposit: Deposit, step: _Step, *, actor: User | None) -> None:
    """Say that the whole figure is credited. Raise PaymentMoved if the payment is not as it was read."""
    moved = Payment.objects.filter(pk=payment.pk, state=payment.state, credited=payment.credited).update(
        state=Payment.State.CREDITED,
        hold="",
        deposit=deposit,
        credited=payment.came_in,
        fee=F("fee") + step.fee,
        bonus=F("bonus") + step.bonus,
        credited_at=clock.now(),
        due_at=None,
        decided_by=actor,
    )
    if not moved:
        raise PaymentMoved


# -- staff -----------------------------------------------------------------------------------------------


def credit_held_payment(
    *, payment_id: int, deposit: Deposit, actor: User, came_in: int, why: Why = UNSTATED
) -> Payment:
    """Credit a held payment to the customer of `deposit`. `came_in` is the figure that the person saw.

    Raise PaymentMoved, CannotCredit, OwnAccount, AboveLimit, LedgerError.
    """
    refuse_own(actor=actor, customer_id=deposit.customer_id)
    with transaction.atomic():
        payment = _lock(payment_id)
        if (payment.state, payment.came_in) != (Payment.State.HELD, came_in):
            raise PaymentMoved
        if payment.method.is_sandbox or payment.hold == Payment.Hold.SANDBOX:
            raise CannotCredit("It is of a sandbox, so it is no money.")
        if payment.currency != settings.PANEL_CURRENCY:
            raise CannotCredit("It is in another currency. Post what it is worth in the customer's wallet instead.")
        if payment.hold == Payment.Hold.MORE_CAME:
            raise CannotCredit(
                "A part of it was not credited on purpose. Post what came since in the customer's wallet instead, "
                "and say here that it is not credited."
            )
        deposit = _lock_deposit(deposit)
        if deposit.customer.closed_at is not None:
            raise CannotCredit("The customer closed the account. Pay it back, and say here why it is not credited.")
        if payment.credited and payment.deposit_id != deposit.pk:
            raise CannotCredit(f"A part of it is credited to request {payment.deposit_id}: the rest goes there, too.")
        record_deed(
            actor=actor,
            kind=Kind.DEPOSIT,
            amount=_step(payment, deposit).added,
            about=payment,
            customer_id=deposit.customer_id,
            why=why,
        )
        return _credit(payment, deposit, actor=actor)


def dismiss_payment(*, payment_id: int, actor: User, note: str) -> None:
    """Say that a held payment is not credited, and why. Raise PaymentMoved."""
    dismissed = Payment.objects.filter(pk=payment_id, state=Payment.State.HELD).update(
        state=Payment.State.DISMISSED, hold="", note=note[:300], decided_by=actor
    )
    if not dismissed:
        raise PaymentMoved
    resolve_alert(cause=Cause.HELD_PAYMENT, about=payment_id)
