"""Celery's doors to the catalog's services."""

from celery import shared_task

from catalog import importing, news, providers
from panel.ops.alerts import record_heartbeat


@shared_task
def run_imports() -> None:
    """Carries out the imports that are queued."""
    importing.run_due_imports()
    record_heartbeat(task="run_imports")


@shared_task
def sync_catalogs() -> None:
    """Queues an import from every active provider."""
    importing.request_all()
    record_heartbeat(task="sync_catalogs")


@shared_task
def check_providers() -> None:
    """Asks every active provider for its balance."""
    providers.check_providers()
    record_heartbeat(task="check_providers")


@shared_task
def find_shelf_news() -> None:
    """Tells customers what changed in the shop."""
    news.find_shelf_news()
    record_heartbeat(task="find_shelf_news")
