"""Celery tasks for accounts. Each runs one round of what is due; running it twice is harmless."""

from panel.accounts import mails
from panel.alerts.rounds import periodic
from panel.alerts.services import record_heartbeat


@periodic
def send_account_mails() -> None:
    """Send invitations and mails about what was changed in accounts."""
    mails.send_account_mails()
    record_heartbeat(task="send_account_mails")
