"""Celery tasks of levels."""

from panel.alerts.rounds import periodic
from panel.alerts.services import record_heartbeat
from panel.levels.move import move_customers as move


@periodic
def move_customers() -> None:
    """Move customers between levels by what they spent."""
    move()
    record_heartbeat(task="move_customers")
