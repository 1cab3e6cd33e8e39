"""Celery tasks of operations."""

from celery import shared_task
from django.core.management import call_command

from panel.alerts.services import record_heartbeat
from panel.ops.invariants import prove_books
from panel.ops.neighbours import watch_neighbours
from panel.ops.pruning import prune as pruning
from panel.ops.stored_settings import watch_settings


@shared_task
def check_ledger() -> None:
    """Check the invariants, and alert on breaches."""
    prove_books()


@shared_task
def check_settings() -> None:
    """Alert on stored settings that this version refuses, and on another panel with the same prefix."""
    watch_settings()
    watch_neighbours()


@shared_task
def clear_sessions() -> None:
    """Delete expired sessions; nothing else does."""
    call_command("clearsessions")


@shared_task
def prune() -> None:
    """Delete what the settings no longer keep."""
    pruning.prune()
    record_heartbeat(task="prune")
