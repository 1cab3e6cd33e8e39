"""One round of what comes in: credit what is due, ask gateways, and free what expired requests keep from others."""

from __future__ import annotations

import structlog

from billing.intake.crediting import credit_due_payments
from billing.intake.sync import poll_due_invoices
from billing.promotions.coupons import give_back_expired

log = structlog.get_logger(__name__)


def run_payments() -> int:
    """Run one round; return how many rows were looked at. An error in one part does not keep the others."""
    done, errors = 0, []
    for part in (credit_due_payments, poll_due_invoices, give_back_expired):
        try:
            done += part()
        except Exception as error:
            log.exception("part of a round failed", part=part.__name__)
            errors.append(error)
    if errors:
        raise errors[0]
    return done
