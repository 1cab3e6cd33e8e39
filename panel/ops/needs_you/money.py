"""Customers' money that waits: deposits, payments, lines of bank statements, and second looks."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from billing.bank.matching import match_line
from billing.deposits import deposits_to_decide
from billing.models import BankLine, Deposit, Payment
from billing.references import shown_code
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.admin.base import shown_money
from panel.lib.formats import day_text, moment_text
from panel.ops.needs_you.kind import Fact, Kind, Line, age_of, attribute, rounded
from panel.ops.overview.states import Colour
from panel.staff.models import SecondLook

_DECIDE = "billing.decide_deposit"
# Earlier deposits are counted no further.
MAX_EARLIER = 100


# -- deposits ------------------------------------------------------------------------------------------


def _deposits(user: User) -> QuerySet[Deposit]:
    return deposits_to_decide().exclude(customer=user).select_related("customer", "method")


def _deposit_line(deposit: Deposit) -> Line:
    title = format_html("Deposit of <bdi>{}</bdi>", deposit.customer)
    about = f"{deposit.method.name}{', receipt attached' if deposit.receipt else ''}"
    return Line(title, about, rounded(deposit.to_pay), age_of(deposit.paid_at))


def _deposit_evidence(request: HttpRequest, deposit: Deposit) -> list[Fact]:
    said = f"{deposit.customer} says that they sent {shown_money(deposit.to_pay)} by {deposit.method.name}"
    earlier = Deposit.objects.filter(customer=deposit.customer_id, state=Deposit.State.APPROVED)
    count = earlier.order_by()[:MAX_EARLIER].count()
    facts: list[Fact] = [("Said", f"{said}, {moment_text(deposit.paid_at) if deposit.paid_at else ''}.")]
    if deposit.code:
        facts.append(("Look for", shown_code(deposit.code)))
    if deposit.reference:
        facts.append(("Their reference", deposit.reference))
    if deposit.receipt:
        address = reverse("deposit_receipt", args=[deposit.pk])
        link = format_html('<a href="{}" target="_blank" rel="noopener">Open the receipt</a>', address)
        facts.append(("Receipt", link))
    many = f"{count:,}{' or more' if count == MAX_EARLIER else ''}"
    return [*facts, ("Approved before", many if count else "None: it is the first deposit of this customer.")]


# -- payments ------------------------------------------------------------------------------------------


def _payments(user: User) -> QuerySet[Payment]:
    held = Payment.objects.filter(state=Payment.State.HELD)
    return held.exclude(deposit__customer=user).select_related("method", "deposit__customer", "deposit__invoice")


def _payment_line(payment: Payment) -> Line:
    whose = payment.deposit.customer if payment.deposit else "an unknown request"
    about = format_html("Through {}, for <bdi>{}</bdi>", payment.method.name, whose)
    title = f"Payment not credited: {payment.get_hold_display().lower()}"
    return Line(title, about, rounded(payment.came_in, payment.currency), age_of(payment.seen_at))


def _payment_evidence(request: HttpRequest, payment: Payment) -> list[Fact]:
    return [
        ("Why it waits", payment.get_hold_display()),
        ("Its reference", payment.reference or "None"),
        ("Its id there", payment.external_id),
        ("Seen", moment_text(payment.seen_at)),
        ("Came in", shown_money(payment.came_in, payment.currency)),
        ("Credited so far", shown_money(payment.credited)),
    ]


# -- lines of bank statements --------------------------------------------------------------------------


def _lines(user: User) -> QuerySet[BankLine]:
    return BankLine.objects.filter(state=BankLine.State.WAITING).select_related("method")


def _bank_line(line: BankLine) -> Line:
    title = format_html("Bank line: <bdi>{}</bdi>", line.text or "without a text")
    return Line(title, f"By {line.method.name}", rounded(line.amount), day_text(line.day))


def _bank_evidence(request: HttpRequest, line: BankLine) -> list[Fact]:
    return [
        ("The bank wrote", line.text or "Nothing"),
        ("Booked", day_text(line.day)),
        ("Fits", match_line(line=line).hint or "No request stands out."),
    ]


# -- second looks --------------------------------------------------------------------------------------


def _looks(user: User) -> QuerySet[SecondLook]:
    waiting = SecondLook.objects.filter(state=SecondLook.State.WAITING)
    # What one asked for oneself is for another person, until it is time to confirm it alone.
    mine = waiting.filter(asked_by=user, not_before__gt=clock.now()) | waiting.filter(customer=user)
    return waiting.exclude(pk__in=mine.order_by().values("pk")).select_related("asked_by", "customer")


def _look_line(look: SecondLook) -> Line:
    about = format_html("Asked for by <bdi>{}</bdi>: {}", look.asked_by, look.get_reason_display())
    return Line(
        format_html("Second look: <bdi>{}</bdi>", look.text), about, rounded(look.amount), age_of(look.asked_at)
    )


def _look_evidence(request: HttpRequest, look: SecondLook) -> list[Fact]:
    return [
        ("What will happen", look.text),
        ("Amount", shown_money(look.amount)),
        ("Asked for by", f"{look.asked_by}, {moment_text(look.asked_at)}"),
        ("Why", f"{look.get_reason_display()}{f': {look.note}' if look.note else ''}"),
    ]


def _kind(**about: Any) -> Kind:
    return Kind(colour=Colour.LOOK, decided_by=attribute("decided_by"), **about)


DEPOSITS = _kind(
    key="deposit",
    words=("deposit", "deposits"),
    model=Deposit,
    permission=_DECIDE,
    icon="savings",
    moment="paid_at",
    waiting=_deposits,
    line=_deposit_line,
    evidence=_deposit_evidence,
    pages=lambda deposit: ("approve", "refuse"),
)
PAYMENTS = _kind(
    key="payment",
    words=("held payment", "held payments"),
    model=Payment,
    permission=_DECIDE,
    icon="move_to_inbox",
    moment="seen_at",
    waiting=_payments,
    line=_payment_line,
    evidence=_payment_evidence,
    pages=lambda payment: ("credit", "dismiss"),
)
BANK_LINES = _kind(
    key="bank-line",
    words=("bank line", "bank lines"),
    model=BankLine,
    permission=_DECIDE,
    icon="account_balance",
    moment="day",
    waiting=_lines,
    line=_bank_line,
    evidence=_bank_evidence,
    pages=lambda line: ("approve", "dismiss"),
)
SECOND_LOOKS = _kind(
    key="look",
    words=("second look", "second looks"),
    model=SecondLook,
    permission="staff.change_secondlook",
    icon="preview",
    moment="asked_at",
    waiting=_looks,
    line=_look_line,
    evidence=_look_evidence,
    pages=lambda look: ("confirm", "decline"),
)
