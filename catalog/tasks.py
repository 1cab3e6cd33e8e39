"""Celery tasks of the catalog."""

from catalog import provider_accounts
from catalog.imports import queue
from catalog.models import Provider
from catalog.provider_rounds import start_lanes
from catalog.shop import changelog
from panel.alerts.rounds import periodic
from panel.alerts.services import record_heartbeat


@periodic
def run_imports() -> None:
    """Run the queued imports."""
    queue.run_due_imports()
    record_heartbeat(task="run_imports")


@periodic
def sync_catalogs() -> None:
    """Queue an import from every active provider."""
    queue.request_all()
    record_heartbeat(task="sync_catalogs")


@periodic
def check_providers() -> None:
    """Check the balance at every active provider, each in a lane."""
    start_lanes(provider_accounts.check_provider, Provider.objects.filter(is_active=True), kind="balance")
    record_heartbeat(task="check_providers")


@periodic
def find_shelf_news() -> None:
    """Find changes in the shop and publish them to customers."""
    changelog.record_shop_changes()
    record_heartbeat(task="find_shelf_news")
