"""Celery tasks of news."""

from panel.alerts.rounds import periodic
from panel.alerts.services import record_heartbeat
from panel.news.tell import tell_customers as tell


@periodic
def tell_customers() -> None:
    """Collect what happened for customers, and mail it to those who asked for mails."""
    tell()
    record_heartbeat(task="tell_customers")
