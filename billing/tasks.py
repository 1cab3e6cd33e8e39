"""Celery's doors to the services. Each is one round of "what is due"; running it twice is harmless."""

from celery import shared_task

from billing import mails
from panel.alerts.services import record_heartbeat


@shared_task
def send_deposit_mails() -> None:
    """Tells customers how their deposits stand."""
    mails.send_due_mails()
    record_heartbeat(task="send_deposit_mails")
