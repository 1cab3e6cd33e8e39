"""Celery tasks of operations."""

from celery import shared_task
from django.conf import settings

from panel.alerts.errors.reports import close_quiet_errors
from panel.alerts.rounds import periodic
from panel.alerts.services import record_heartbeat
from panel.ops.customers import count
from panel.ops.invariants import prove_books
from panel.ops.neighbours import watch_neighbours
from panel.ops.pruning import prune as pruning
from panel.ops.stored_settings import watch_settings
from panel.ops.watch import business
from panel.ops.watch.pings import ping
from panel.ops.weekly import tell as weekly


@periodic
def check_ledger() -> None:
    """Check the invariants, and alert on breaches."""
    prove_books()


@periodic
def check_settings() -> None:
    """Alert on stored settings that this version refuses, and on another panel with the same prefix. Close the alerts
    of errors that are gone.
    """
    watch_settings()
    watch_neighbours()
    close_quiet_errors()
    ping(settings.PING_URL_BEAT)  # A tick of beat has begun this.


@shared_task
def clear_sessions() -> None:
    """Do nothing: `prune` deletes sessions. Workers of the release before may still be sent this for a while."""


@periodic
def watch_business() -> None:
    """Alert on what waits for a person, runs short or is late."""
    business.watch_business()


@periodic
def tell_week() -> None:
    """Send the weekly proof, if it is time."""
    weekly.tell_week()


@periodic
def count_customers() -> None:
    """Count the figures by which staff sort customers."""
    count.count_customers()


@periodic
def prune() -> None:
    """Delete what the settings no longer keep."""
    pruning.prune()
    record_heartbeat(task="prune")
