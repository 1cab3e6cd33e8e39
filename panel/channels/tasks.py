"""Celery tasks of channels."""

from panel.alerts.rounds import periodic
from panel.alerts.services import record_heartbeat
from panel.channels.tell import tell_what_is_due


@periodic
def tell_owner() -> None:
    """Tell the owner what is due."""
    tell_what_is_due()
    record_heartbeat(task="tell_owner")
