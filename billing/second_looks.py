"""Wallets and deposits, as a second person confirms them."""

from __future__ import annotations

from django.conf import settings

from billing import ledger
from billing.adjusting import adjust_wallet
from billing.bank.decide import LineRefused, approve_line
from billing.deposits import DecisionRefused, approve_deposit
from billing.intake.crediting import CannotCredit, PaymentMoved, credit_held_payment
from billing.models import BankLine, Deposit, Payment, Wallet
from panel.lib.money import format_money
from panel.lib.own_account import OwnAccount
from panel.staff.acts import Act, ActRefused
from panel.staff.deeds import Why
from panel.staff.looks import Asked
from panel.staff.models import SecondLook

ADJUST = "adjust_wallet"
APPROVE = "approve_deposit"
CREDIT = "credit_payment"
APPROVE_LINE = "approve_bank_line"


def asked_adjustment(
    *, wallet: Wallet, amount: int, kind: str, kind_label: str, reason: str, request_key: str
) -> Asked:
    """Return what to ask for if the adjustment is above the limit. Amounts are micro-units."""
    verb = "Add" if amount > 0 else "Take"
    to = "to" if amount > 0 else "from"
    return Asked(
        act=ADJUST,
        about=wallet,
        text=f"{verb} {_shown(abs(amount))} {to} the wallet of {wallet.customer} ({kind_label.lower()}): {reason}",
        params={"amount": amount, "kind": kind, "reason": reason, "request_key": request_key},
        request_key=f"{ADJUST}:{request_key}",
        customer_id=wallet.customer_id,
    )


def asked_approval(*, deposit: Deposit, credited: int, note: str) -> Asked:
    """Return what to ask for if the approval is above the limit. Amounts are micro-units."""
    return Asked(
        act=APPROVE,
        about=deposit,
        text=f"Approve deposit {deposit.pk} of {deposit.customer}: {_shown(credited)} by {deposit.method.name}",
        params={"credited": credited, "note": note},
        request_key=f"{APPROVE}:{deposit.pk}",
        customer_id=deposit.customer_id,
    )


def asked_line(*, line: BankLine, deposit: Deposit, note: str) -> Asked:
    """Return what to ask for if approving a deposit by a line of a bank statement is above the limit."""
    return Asked(
        act=APPROVE_LINE,
        about=line,
        text=(
            f"Approve deposit {deposit.pk} of {deposit.customer} with {_shown(line.amount)} that came in by "
            f"{line.method.name}, line {line.pk} of its bank statement"
        ),
        params={"deposit_id": deposit.pk, "note": note},
        request_key=f"{APPROVE_LINE}:{line.pk}:{deposit.pk}",
        customer_id=deposit.customer_id,
    )


def asked_credit(*, payment: Payment, deposit: Deposit) -> Asked:
    """Return what to ask for if crediting the payment is above the limit. Amounts are micro-units."""
    return Asked(
        act=CREDIT,
        about=payment,
        text=(
            f"Credit {_shown(payment.came_in - payment.credited)} that came in through {payment.method.name} "
            f"to {deposit.customer}, deposit {deposit.pk}"
        ),
        params={"deposit": deposit.pk, "came_in": payment.came_in},
        request_key=f"{CREDIT}:{payment.pk}:{deposit.pk}:{payment.came_in}",
        customer_id=deposit.customer_id,
    )


def _adjust(look: SecondLook, why: Why) -> str:
    wallet = Wallet.objects.select_related("customer").get(pk=look.object_id)
    try:
        posting = adjust_wallet(wallet=wallet, actor=look.asked_by, why=why, **look.params)
    except ledger.InsufficientFunds as error:
        raise ActRefused(f"The wallet holds {_shown(error.available)} only.") from error
    except (ledger.LedgerError, OwnAccount, ValueError) as error:
        raise ActRefused(str(error)) from error
    if not posting.created:
        raise ActRefused("It was posted already.")
    return f"{_shown(posting.entry.amount)} was posted to the wallet of {wallet.customer}."


def _approve(look: SecondLook, why: Why) -> str:
    try:
        decided = approve_deposit(deposit_id=look.object_id, actor=look.asked_by, why=why, **look.params)
    except (DecisionRefused, OwnAccount) as error:
        raise ActRefused(str(error)) from error
    return f"{_shown(decided.added)} was added to the wallet of {decided.customer}."


def _approve_line(look: SecondLook, why: Why) -> str:
    try:
        decided = approve_line(line_id=look.object_id, actor=look.asked_by, why=why, **look.params)
    except (LineRefused, DecisionRefused, OwnAccount) as error:
        raise ActRefused(str(error)) from error
    return f"{_shown(decided.added)} was added to the wallet of {decided.customer}."


def _credit(look: SecondLook, why: Why) -> str:
    deposit, came_in = Deposit.objects.select_related("customer").get(pk=look.params["deposit"]), look.params["came_in"]
    try:
        payment = credit_held_payment(
            payment_id=look.object_id, deposit=deposit, actor=look.asked_by, came_in=came_in, why=why
        )
    except PaymentMoved:
        raise ActRefused("It was decided meanwhile.") from None
    except (CannotCredit, OwnAccount, ledger.LedgerError) as error:
        raise ActRefused(str(error)) from error
    return f"{_shown(payment.added)} was added to the wallet of {deposit.customer}."


def _shown(micros: int) -> str:
    return format_money(micros, settings.PANEL_CURRENCY, exact=True)


ACTS = (
    Act(ADJUST, "billing.add_entry", _adjust),
    Act(APPROVE, "billing.decide_deposit", _approve),
    Act(APPROVE_LINE, "billing.decide_deposit", _approve_line),
    Act(CREDIT, "billing.decide_deposit", _credit),
)
