"""Celery's door to what accounts have to do. One round of "what is due"; running it twice is harmless."""

from celery import shared_task

from panel.accounts.addresses import send_address_notices
from panel.ops.alerts import record_heartbeat


@shared_task
def send_account_mails() -> None:
    """Tell customers that their address was changed."""
    send_address_notices()
    record_heartbeat(task="send_account_mails")
