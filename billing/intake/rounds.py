"""One round of what comes in: credit what is due, ask gateways, and free what expired requests keep from others."""

from __future__ import annotations

from billing.intake.crediting import credit_due_payments
from billing.intake.sync import poll_due_invoices
from billing.promotions.coupons import give_back_expired


def run_payments() -> int:
    """Run one round; return how many payments and invoices were looked at."""
    done = credit_due_payments() + poll_due_invoices()
    give_back_expired()
    return done
