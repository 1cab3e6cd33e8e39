"""How a request to add funds stands, as its customer sees it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Exists, OuterRef, QuerySet

from billing.invoice_sums import came_in, missing_of
from billing.methods import is_by_hand
from billing.models import Deposit, Invoice, Payment
from panel.lib import clock

# Seconds between two looks of an open page; a request that expired is looked at seldom.
OFTEN, SELDOM = 10, 60
# After which a customer is told that a gateway does not answer.
SLOW = timedelta(minutes=2)


def with_money(deposits: QuerySet[Deposit]) -> QuerySet[Deposit]:
    """Return the deposits with their method, and with `has_money`: whether a payment for them was seen."""
    return deposits.select_related("method").annotate(has_money=Exists(Payment.objects.filter(deposit=OuterRef("pk"))))


class Stage(StrEnum):
    """What the page says."""

    PAY = "pay"  # the customer's turn
    SAID = "said"  # staff's turn: the customer says that they have paid
    PREPARING = "preparing"
    FAILED = "failed"
    SEEN = "seen"  # on its way
    HELD = "held"  # it came, and staff decide about it
    EXPIRED = "expired"
    PARTIAL = "partial"  # a part was added, and the rest may come
    ADDED = "added"
    REFUSED = "refused"
    CANCELED = "canceled"


_WAITING = {Stage.PAY, Stage.SAID, Stage.PREPARING, Stage.SEEN, Stage.HELD}
_FINAL = {Stage.ADDED, Stage.REFUSED, Stage.CANCELED}


@dataclass(frozen=True, slots=True)
class Shown:
    """A request as it is shown. `mark` changes with whatever is seen; amounts are micro-units."""

    stage: Stage
    invoice: Invoice | None
    came_in: int
    missing: int
    surplus: int
    # What came in and waits for staff.
    held: int
    is_late: bool
    # Its gateway should have answered by now.
    is_slow: bool
    mark: str
    # Seconds; 0 once nothing can change.
    poll: int
    details: dict[str, str] = field(default_factory=dict)

    @property
    def is_waiting(self) -> bool:
        return self.stage in _WAITING

    @property
    def expires_at(self) -> datetime | None:
        return self.invoice.expires_at if self.invoice else None

    @property
    def other_details(self) -> dict[str, str]:
        """Return the gateway's facts that have no place of their own on the page."""
        return {name: value for name, value in self.details.items() if name not in _PLACED}

    @property
    def amount_text(self) -> str:
        """Return the amount in the coin that is sent: "18.88 USDT"."""
        return " ".join(filter(None, (self.details.get("amount"), self.details.get("coin"))))


# Names under which doors give facts that the page knows how to show: see templates/billing/_invoice.html.
_PLACED = {"coin", "network", "address", "amount", "memo", "confirmations", "rate", "left"}


def view_of(deposit: Deposit) -> Shown:
    """Return how the deposit stands now."""
    invoice = Invoice.objects.filter(deposit=deposit).first()
    payments = list(deposit.payments.all()) if invoice or not is_by_hand(deposit.method) else []
    return shown_as(deposit, invoice, payments)


def shown_as(deposit: Deposit, invoice: Invoice | None, payments: Sequence[Payment]) -> Shown:
    """Return how a deposit with this invoice and these payments stands. Pure, but for the clock."""
    stage, paid = _stage(deposit, invoice, payments), came_in(payments)
    details = {str(name): str(value) for name, value in invoice.details.items()} if invoice else {}
    held = sum(one.came_in - one.credited for one in payments if one.state == Payment.State.HELD)
    is_slow = invoice is not None and stage is Stage.PREPARING and invoice.created_at < clock.now() - SLOW
    facts = (
        stage,
        held,
        is_slow,
        invoice.state if invoice else "",
        invoice.url if invoice else "",
        paid,
        deposit.credited,
        details,
    )
    proof = (deposit.reference, deposit.receipt.name, deposit.note)
    return Shown(
        stage=stage,
        invoice=invoice,
        came_in=paid,
        missing=missing_of(invoice, payments) if invoice else 0,
        surplus=max(0, paid - invoice.amount) if invoice else 0,
        held=held,
        is_late=_is_late(deposit, invoice),
        is_slow=is_slow,
        mark=f"{zlib.crc32(repr((*facts, *proof)).encode()):08x}",
        poll=0 if stage in _FINAL else SELDOM if stage in (Stage.EXPIRED, Stage.FAILED) else OFTEN,
        details=details,
    )


def _stage(deposit: Deposit, invoice: Invoice | None, payments: Sequence[Payment]) -> Stage:
    if deposit.state == Deposit.State.APPROVED:
        rest_may_come = invoice is not None and invoice.state == Invoice.State.PARTIAL and not _is_past(invoice)
        return Stage.PARTIAL if rest_may_come else Stage.ADDED
    if deposit.state != Deposit.State.PENDING:
        return Stage.REFUSED if deposit.state == Deposit.State.REFUSED else Stage.CANCELED
    states = {payment.state for payment in payments}
    for payment_state, stage in ((Payment.State.HELD, Stage.HELD), (Payment.State.SEEN, Stage.SEEN)):
        if payment_state in states:
            return stage
    if deposit.paid_at:
        return Stage.SAID
    if invoice is not None and invoice.state == Invoice.State.FAILED:
        return Stage.FAILED
    if deposit.expires_at is not None and deposit.expires_at <= clock.now():
        return Stage.EXPIRED
    unready = (Invoice.State.NEW, Invoice.State.CREATING, Invoice.State.LOST)
    return Stage.PREPARING if invoice is not None and invoice.state in unready else Stage.PAY


def _is_past(invoice: Invoice) -> bool:
    return invoice.expires_at is not None and invoice.expires_at <= clock.now()


def _is_late(deposit: Deposit, invoice: Invoice | None) -> bool:
    """Return True if it was added after its time had run out."""
    ends = invoice.expires_at if invoice else deposit.expires_at
    return bool(ends and deposit.decided_at and deposit.state == Deposit.State.APPROVED and deposit.decided_at > ends)
