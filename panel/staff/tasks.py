"""Celery tasks for second looks. Each runs one round of what is due; running it twice is harmless."""

from panel.alerts.rounds import periodic
from panel.alerts.services import record_heartbeat
from panel.staff import mails


@periodic
def send_look_mails() -> None:
    """Mail those who may confirm second looks, and close the looks that nobody decided about."""
    mails.send_look_mails()
    record_heartbeat(task="send_look_mails")
