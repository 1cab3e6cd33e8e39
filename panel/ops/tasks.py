"""Celery's doors to operations."""

from celery import shared_task
from django.core.management import call_command

from panel.ops.invariants import prove_books


@shared_task
def check_ledger() -> None:
    """Proves the books, and alerts when they do not balance."""
    prove_books()


@shared_task
def clear_sessions() -> None:
    """Deletes the sessions that have expired: nothing else does."""
    call_command("clearsessions")
