"""Deposits: a customer announces money, staff or a gateway confirm that it came in, and it is credited once.

    pending → approved   it came in: credited, with the promised bonus
            → refused    it did not, with the reason
            → canceled   by the customer

Each decision is an update filtered on "pending", so only one of several at once succeeds. Amounts are micro-units.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from billing import ledger
from billing.models import Deposit, Entry, PaymentMethod, Wallet
from billing.models.deposits import private_storage, receipt_path
from billing.promotions.coupons import CouponRefused, check_coupon, coupon_bonus, give_back_coupon, redeem_coupon
from billing.receipts import Receipt
from billing.references import new_code
from billing.unique_amounts import NoFreeAmount, find_free_amount
from billing.wallets import lock_wallet, wallet_of
from panel.accounts.models import User
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.lib import clock
from panel.lib.money import MAX_MICROS, format_money
from panel.lib.own_account import refuse_own
from panel.staff.deeds import UNSTATED, Why, record_deed
from panel.staff.kinds import Kind

MAX_WAITING = 5
# Requests of one customer in a day, canceled ones included: a gateway is asked about each for days.
MAX_A_DAY = 40
MAX_REFERENCE = 200
MAX_NOTE = 300


class DepositRefused(Exception):
    """Nothing was requested. `message` is for the customer, `field` the form's, or ""."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class AmountOutOfRange(DepositRefused):
    """Below the method's minimum, or above its maximum."""


class MethodGone(DepositRefused):
    """The method is no longer offered."""


class TooManyWaiting(DepositRefused):
    """The customer has MAX_WAITING pending requests."""


class AlreadyRequested(DepositRefused):
    """The form's key was used for another request."""


class DecisionRefused(Exception):
    """The deposit is unchanged. The message is for staff."""


class AlreadyDecided(DecisionRefused):
    """The deposit is no longer pending; `deposit` is its present state."""

    def __init__(self, deposit: Deposit) -> None:
        super().__init__(f"It is {deposit.get_state_display().lower()} already.")
        self.deposit = deposit


class BelowFee(DecisionRefused):
    """What came in does not exceed its fee: only staff may credit it, without one."""

    def __init__(self) -> None:
        super().__init__("It does not exceed its fee, so staff decide about it.")


@dataclass(frozen=True, slots=True)
class Requested:
    """A requested deposit. `created` is False if the form had been sent before."""

    deposit: Deposit
    created: bool


def check_deposit_amount(*, method: PaymentMethod, amount: int) -> None:
    """Raise AmountOutOfRange if the method does not allow the amount (micro-units)."""
    if amount < method.minimum:
        raise AmountOutOfRange(
            _("The smallest amount is %(amount)s.") % {"amount": _money(method.minimum)}, field="amount"
        )
    if amount > method.maximum:
        raise AmountOutOfRange(
            _("The largest amount at once is %(amount)s.") % {"amount": _money(method.maximum)}, field="amount"
        )


def waiting_deposits(*, customer_id: int) -> QuerySet[Deposit]:
    """Return the customer's requests that are waited for: pending, and not expired."""
    is_open = Q(expires_at=None) | Q(expires_at__gt=clock.now())
    return Deposit.objects.filter(is_open, customer_id=customer_id, state=Deposit.State.PENDING)


def deposits_to_decide() -> QuerySet[Deposit]:
    """Return the requests of which staff have to decide: their customers say that they have paid."""
    return Deposit.objects.filter(state=Deposit.State.PENDING, paid_at__isnull=False)


# -- the customer --------------------------------------------------------------------------------------


def request_deposit(
    *,
    customer: User,
    method: PaymentMethod,
    amount: int,
    request_key: str,
    reference: str = "",
    coupon: str = "",
    receipt: Receipt | None = None,
    option: str = "",
) -> Requested:
    """Record that `customer` adds `amount` by `method`, once per `request_key`. Raise DepositRefused.

    `option` is what the customer chose of those that the method's gateway has.

    The bonus, the coupon's and the fee are fixed here: later changes of them do not affect it. With a reference or a
    receipt the customer has paid already. The amount is raised a little where the method tells requests apart by it.
    """
    earlier = _earlier(customer, method, amount, request_key, option)
    if earlier:
        return earlier
    check_deposit_amount(method=method, amount=amount)
    wallet = wallet_of(customer=customer)
    # Before the transaction, which locks all of SQLite while megabytes are written.
    storage = private_storage()
    stored = storage.save(receipt_path(Deposit(), f"x{receipt.type.suffix}"), receipt.file) if receipt else ""
    requested = None
    try:
        with transaction.atomic():
            # So that two requests do not find the same amount free.
            method = PaymentMethod.objects.select_for_update(no_key=True).get(pk=method.pk)
            # Serialize one customer's requests, or two of them could both be the last allowed.
            Wallet.objects.select_for_update(no_key=True).get(pk=wallet.pk)
            requested = _earlier(customer, method, amount, request_key, option) or _create(
                customer=customer,
                method=method,
                amount=amount,
                coupon=coupon,
                reference=reference[:MAX_REFERENCE],
                receipt=stored,
                receipt_name=receipt.name if receipt else "",
                request_key=request_key,
                option=option,
            )
    finally:
        if stored and not (requested and requested.created):
            storage.delete(stored)
    return requested


def _earlier(customer: User, method: PaymentMethod, amount: int, request_key: str, option: str) -> Requested | None:
    deposit = Deposit.objects.filter(customer_id=customer.pk, request_key=request_key).first()
    if deposit is None:
        return None
    sent = (deposit.method_id, deposit.amount - deposit.raised, deposit.option)
    if sent != (method.pk, amount, option):
        raise AlreadyRequested(
            _("This form was sent already, for %(sent)s. Send it again to add %(amount)s too.")
            % {"sent": _money(deposit.amount - deposit.raised), "amount": _money(amount)}
        )
    return Requested(deposit, created=False)


def _create(*, customer: User, method: PaymentMethod, coupon: str, **values: Any) -> Requested:
    if not method.is_active:
        raise MethodGone(_("This way to pay is not offered any longer. Nothing was sent. Choose another."))
    if waiting_deposits(customer_id=customer.pk).count() >= MAX_WAITING:
        raise TooManyWaiting(
            _(
                "%(count)s of your requests are waiting, which is the most at once. "
                "Cancel one that you do not need, or wait for an answer."
            )
            % {"count": MAX_WAITING}
        )
    if not User.objects.filter(pk=customer.pk, closed_at=None).exists():
        raise MethodGone(_("This account was closed meanwhile. Nothing was sent."))
    now = clock.now()
    if Deposit.objects.filter(customer_id=customer.pk, created_at__gt=now - timedelta(days=1)).count() >= MAX_A_DAY:
        raise TooManyWaiting(
            _("You sent %(count)s requests in a day, which is the most. Try it again later.") % {"count": MAX_A_DAY}
        )
    if values["reference"] or values["receipt"]:
        paid = {"paid_at": now, "expires_at": None}
    else:
        paid = {"paid_at": None, "expires_at": now + timedelta(hours=method.hours_open)}
    values |= _unique_amount(method, values["amount"]) if method.has_unique_amounts else {}
    times = {"created_at": now, "mail_due_at": now, "code": new_code(), **paid, **values}
    promised = {"bonus_bp": method.bonus_bp, "tiers": method.tiers}
    promised |= {"fee_bp": method.fee_bp, "fee_fixed": method.fee_fixed, "fee_payer": method.fee_payer}
    try:
        found = (
            check_coupon(code=coupon, customer_id=customer.pk, method=method, amount=values["amount"])
            if coupon
            else None
        )
        deposit = Deposit.objects.create(customer_id=customer.pk, method=method, **promised, **times)
        if found:
            redeem_coupon(coupon=found, deposit=deposit)
    except CouponRefused as refusal:
        raise DepositRefused(str(refusal), field="coupon") from refusal
    return Requested(deposit, created=True)


def _unique_amount(method: PaymentMethod, amount: int) -> dict[str, int]:
    try:
        asked = find_free_amount(method=method, amount=amount)
    except NoFreeAmount:
        raise DepositRefused(
            _(
                "So many customers are paying this amount at the moment that yours could not be told apart. "
                "Nothing was sent. Choose another amount, or another way to pay."
            ),
            field="amount",
        ) from None
    return {"amount": asked, "raised": asked - amount}


def cancel_deposit(*, deposit: Deposit) -> None:
    """Cancel the customer's own request and delete its receipt. Raise AlreadyDecided.

    There is no mail, as customers do it themselves. Receipts of canceled requests would fill the disk.
    """
    gone = {"receipt": "", "receipt_name": "", "mail_due_at": None}
    with transaction.atomic():
        _decide(deposit.pk, state=Deposit.State.CANCELED, decided_by=deposit.customer_id, **gone)
        give_back_coupon(deposit_id=deposit.pk)
    if deposit.receipt:
        private_storage().delete(deposit.receipt.name or "")


def promised_bonus(*, deposit: Deposit, net: int) -> int:
    """Return what was promised on `net` micro-units added in all: the method's bonus and the coupon's.

    Call it in the transaction that credits.
    """
    return deposit.bonus_terms.bonus_of(net) + coupon_bonus(deposit=deposit, credited=net)


def fee_due(*, deposit: Deposit, amount: int) -> int | None:
    """Return what is left of the fee on all that came in, now that `amount` micro-units more did.

    So money in parts pays the fee that it would pay at once. None if too little came in to pay it: then it is for staff
    to decide.
    """
    total = (deposit.credited or 0) + amount
    due = deposit.fee_terms.fee_of(total) - deposit.fee
    return due if deposit.fee + due < total and due <= amount else None


# -- staff and gateways --------------------------------------------------------------------------------


def approve_deposit(
    *, deposit_id: int, credited: int, actor: User | None = None, note: str = "", why: Why = UNSTATED
) -> Deposit:
    """Credit `credited` micro-units, the amount that came in, less its fee, and the promised bonus on what is left.

    It is done once, in one transaction. What does not exceed its fee staff credit without one; without an `actor` raise
    BelowFee.

    `note` is for the customer, `why` for staff. Raise AlreadyDecided, AboveLimit, OwnAccount for a deposit of the
    actor's, or DecisionRefused if the wallet cannot hold it.
    Gateways call `confirm_payment` instead.
    """
    if not 0 < credited <= MAX_MICROS:
        raise DecisionRefused("The amount that came in must be above zero.")
    deposit = Deposit.objects.select_related("customer", "method").get(pk=deposit_id)
    refuse_own(actor=actor, customer_id=deposit.customer_id)
    wallet = wallet_of(customer=deposit.customer)
    post = partial(ledger.post, wallet_id=wallet.pk, memo=deposit.method.name, actor=actor)
    try:
        with transaction.atomic():
            # Before the bonus is counted: its coupon is given back, or a payment credited, at the same moment.
            lock_wallet(customer_id=deposit.customer_id)
            deposit = (
                Deposit.objects.select_for_update(of=("self",)).select_related("customer", "method").get(pk=deposit_id)
            )
            if deposit.customer.closed_at is not None:
                raise DecisionRefused("The customer closed the account. Pay the money back.")
            fee = fee_due(deposit=deposit, amount=credited)
            if fee is None and actor is None:
                raise BelowFee
            fee = fee or 0
            bonus = promised_bonus(deposit=deposit, net=credited - fee)
            decided = _decide(
                deposit_id,
                state=Deposit.State.APPROVED,
                credited=credited,
                fee=fee,
                bonus=bonus,
                note=note[:MAX_NOTE],
                decided_by=actor.pk if actor else None,
            )
            record_deed(
                actor=actor,
                kind=Kind.DEPOSIT,
                amount=decided.added,
                about=deposit,
                customer_id=deposit.customer_id,
                why=why,
            )
            post(amount=credited, kind=Entry.Kind.DEPOSIT, key=f"deposit:{deposit_id}")
            if fee:
                post(amount=-fee, kind=Entry.Kind.FEE, key=f"deposit:{deposit_id}:fee")
            if bonus:
                post(amount=bonus, kind=Entry.Kind.BONUS, key=f"deposit:{deposit_id}:bonus")
    except ledger.LedgerError as error:
        raise DecisionRefused(f"The ledger refused it: {error}.") from error
    return decided


def confirm_payment(*, deposit_id: int, credited: int) -> Deposit:
    """Credit the payment of a deposit; for gateways, which may call it repeatedly.

    Raise an alert if the request was refused or canceled meanwhile, if another amount was credited, or if the amount
    does not exceed its fee.
    """
    try:
        return approve_deposit(deposit_id=deposit_id, credited=credited)
    except BelowFee as error:
        raise_alert(
            cause=Cause.DEPOSIT, about=deposit_id, text=f"{_money(credited)} came in for deposit {deposit_id}. {error}"
        )
        return Deposit.objects.get(pk=deposit_id)
    except AlreadyDecided as error:
        deposit = error.deposit
        if (deposit.state, deposit.credited) != (Deposit.State.APPROVED, credited):
            raise_alert(
                cause=Cause.DEPOSIT,
                about=deposit_id,
                text=(
                    f"{_money(credited)} came in for deposit {deposit_id}, which is "
                    f"{deposit.get_state_display().lower()} ({_money(deposit.credited or 0)} credited). "
                    "Nothing was added; correct it in the customer's wallet."
                ),
            )
        return deposit


def refuse_deposit(*, deposit_id: int, reason: str, actor: User) -> Deposit:
    """Refuse a deposit, with the reason for the customer. Raise AlreadyDecided, or OwnAccount for the actor's own."""
    refuse_own(actor=actor, customer_id=Deposit.objects.values_list("customer_id", flat=True).get(pk=deposit_id))
    with transaction.atomic():
        refused = _decide(deposit_id, state=Deposit.State.REFUSED, note=reason[:MAX_NOTE], decided_by=actor.pk)
        give_back_coupon(deposit_id=deposit_id)
    return refused


def _decide(deposit_id: int, *, state: str, decided_by: int | None, **values: Any) -> Deposit:
    """Move a deposit out of "pending", and queue the mail unless `values` say otherwise. Raise AlreadyDecided."""
    now = clock.now()
    waiting = Deposit.objects.filter(pk=deposit_id, state=Deposit.State.PENDING)
    changes = {"decided_at": now, "decided_by_id": decided_by, "mail_due_at": now, "mail_attempts": 0, **values}
    changed = waiting.update(state=state, **changes)
    deposit = Deposit.objects.select_related("customer", "method").get(pk=deposit_id)
    if not changed:
        raise AlreadyDecided(deposit)
    return deposit


def _money(micros: int) -> str:
    return format_money(micros, settings.PANEL_CURRENCY, exact=True)
