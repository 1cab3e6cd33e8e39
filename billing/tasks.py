"""Celery tasks. Each calls one service for one round of what is due; running it twice is harmless."""

from celery import shared_task

from billing import mails
from panel.alerts.services import record_heartbeat


@shared_task
def send_deposit_mails() -> None:
    """Send customers the mails about their deposits."""
    mails.send_due_mails()
    record_heartbeat(task="send_deposit_mails")
