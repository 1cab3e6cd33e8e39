"""Celery tasks of orders. Each does one round of what is due; running it twice is harmless."""

from celery import shared_task
from celery.signals import worker_shutting_down

from catalog.provider_rounds import start_lanes
from orders.checkout import drip_feeds
from orders.dispatch import lanes
from orders.dispatch.timeouts import meet_deadlines
from orders.reckoning import rounds
from orders.reconcile import worker
from orders.reports import late_counts, statistics
from orders.requests import refill_poll, send
from orders.tracking import canceled_services, monitor, poll
from panel.alerts.models import Heartbeat
from panel.alerts.rounds import periodic
from panel.alerts.services import record_heartbeat
from panel.lib import clock
from panel.lib.lanes import LANES


@worker_shutting_down.connect
def end_lanes(**_: object) -> None:
    """Start no lanes in a worker that is stopped."""
    LANES.stop()


@periodic
def submit_orders() -> None:
    """Submit due orders, in lanes."""
    meet_deadlines()
    lanes.start_sending()
    record_heartbeat(task="submit_orders")


@periodic
def begin_runs() -> None:
    """Create the orders of drip-feed runs that are due."""
    drip_feeds.begin_due_runs()
    record_heartbeat(task="begin_runs")


@periodic
def reconcile_orders() -> None:
    """Search for orders in doubt, each provider in a lane."""
    start_lanes(worker.reconcile_provider, worker.providers_with_due_doubts(), kind="reconcile")
    record_heartbeat(task="reconcile_orders")


@periodic
def poll_orders() -> None:
    """Poll due orders, each provider in a lane."""
    start_lanes(poll.poll_provider, poll.providers_with_due_polls(), kind="poll")
    record_heartbeat(task="poll_orders")


@periodic
def watch_polls() -> None:
    """Raise an alert for each provider whose open orders are not polled in time."""
    monitor.watch_polls()


@periodic
def watch_services() -> None:
    """Take services off sale whose orders their provider cancels."""
    began = clock.now()
    canceled_services.watch_services()
    # From its begin: the next round looks from here on.
    record_heartbeat(task=canceled_services.TASK, at=began)


@periodic
def send_requests() -> None:
    """Send the due requests for cancels and refills, each provider in a lane."""
    start_lanes(send.send_to_provider, send.providers_with_due_requests(), kind="requests")
    record_heartbeat(task="send_requests")


@periodic
def poll_refills() -> None:
    """Poll due refills, each provider in a lane."""
    start_lanes(refill_poll.poll_provider_refills, refill_poll.providers_with_due_refills(), kind="refills")
    record_heartbeat(task="poll_refills")


@periodic
def reckon_providers() -> None:
    """Compare what providers' balances are with what our orders explain, and watch currencies and daily limits."""
    rounds.reckon_providers()
    record_heartbeat(task="reckon_providers")


@periodic
def count_figures() -> None:
    """Count the figures about orders that the lists of services and providers show."""
    began = clock.now()
    counted_at = Heartbeat.objects.filter(task="count_figures").values_list("beat_at", flat=True).first()
    statistics.count_changed_figures(counted_at=counted_at)
    # From its begin: a round that ends after midnight is not the first of the new day, which counts all figures.
    record_heartbeat(task="count_figures", at=began)


@periodic
def count_late_orders() -> None:
    """Count the late orders for the page about them, and alert on providers with many."""
    late_counts.count_late_orders()


def _leave_to_rounds(provider_id: int) -> None:
    """Do nothing: only messages of the release before name it, and the rounds find the same work."""


for _name in (
    "submit_provider_orders",
    "reconcile_provider_orders",
    "poll_provider_orders",
    "send_provider_requests",
    "poll_provider_refills",
):
    shared_task(name=f"orders.tasks.{_name}")(_leave_to_rounds)
