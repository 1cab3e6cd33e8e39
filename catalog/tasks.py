"""Celery's doors to the catalog's services."""

from celery import shared_task

from catalog import providers, syncing
from panel.ops.alerts import record_heartbeat


@shared_task
def sync_catalogs() -> None:
    """Imports from every active provider."""
    syncing.sync_catalogs()
    record_heartbeat(task="sync_catalogs")


@shared_task
def check_providers() -> None:
    """Asks every active provider for its balance."""
    providers.check_providers()
    record_heartbeat(task="check_providers")
