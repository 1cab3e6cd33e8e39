"""Celery's doors to the catalog's services."""

from celery import shared_task

from catalog import provider_accounts
from catalog.imports import queue
from catalog.shop import changelog
from panel.alerts.services import record_heartbeat


@shared_task
def run_imports() -> None:
    """Carries out the imports that are queued."""
    queue.run_due_imports()
    record_heartbeat(task="run_imports")


@shared_task
def sync_catalogs() -> None:
    """Queues an import from every active provider."""
    queue.request_all()
    record_heartbeat(task="sync_catalogs")


@shared_task
def check_providers() -> None:
    """Asks every active provider for its balance."""
    provider_accounts.check_providers()
    record_heartbeat(task="check_providers")


@shared_task
def find_shelf_news() -> None:
    """Tells customers what changed in the shop."""
    changelog.find_shelf_news()
    record_heartbeat(task="find_shelf_news")
