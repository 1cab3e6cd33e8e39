"""Celery tasks. Each calls one service for one round of what is due; running it twice is harmless."""

from billing import mails
from billing.intake.options import refresh_due_options
from billing.intake.rounds import run_payments
from billing.reconciliation.days import run_comparisons
from panel.alerts.rounds import periodic
from panel.alerts.services import record_heartbeat


@periodic
def send_deposit_mails() -> None:
    """Send customers the mails about their deposits."""
    mails.send_due_mails()
    record_heartbeat(task="send_deposit_mails")


@periodic
def credit_payments() -> None:
    """Credit what came in through gateways, and free the coupons of expired requests."""
    run_payments()
    record_heartbeat(task="credit_payments")


@periodic
def compare_payment_days() -> None:
    """Compare the days of gateways that are due with what was credited."""
    run_comparisons()
    record_heartbeat(task="compare_payment_days")


@periodic
def refresh_options() -> None:
    """Ask gateways what customers may choose, such as coins and their smallest amounts."""
    refresh_due_options()
    record_heartbeat(task="refresh_options")
