"""What came in for an invoice, and what is missing. Amounts are micro-units."""

from __future__ import annotations

from collections.abc import Iterable

from billing.models import Deposit, Invoice, Payment

_COUNTED = (Payment.State.SEEN, Payment.State.CREDITED, Payment.State.HELD)


def came_in(payments: Iterable[Payment]) -> int:
    """Return what came in by these payments, without what vanished or was not credited. Pure."""
    return sum(payment.came_in for payment in payments if payment.state in _COUNTED)


def missing_of(invoice: Invoice, payments: Iterable[Payment]) -> int:
    """Return what is missing of an invoice that was paid in part, 0 of another. Pure."""
    paid = came_in(payments)
    return max(0, invoice.amount - paid) if paid else 0


def missing_of_invoice(deposit: Deposit) -> int:
    """Return what is missing of the deposit's invoice if it was paid in part, 0 if there is none."""
    invoice = Invoice.objects.filter(deposit=deposit).first()
    return missing_of(invoice, deposit.payments.all()) if invoice else 0
