"""Celery's doors to the services. Each is one round of "what is due"; running it twice is harmless."""

from celery import shared_task

from catalog.models import Provider
from orders.checkout import drip_feeds
from orders.dispatch import submit
from orders.dispatch.timeouts import meet_deadlines
from orders.reconcile import worker
from orders.reports import statistics
from orders.requests import refill_poll, send
from orders.tracking import monitor, poll
from panel.alerts.services import record_heartbeat

# Seconds after which a message is stale: while all threads are busy, ticks must not pile up.
PROMPTLY = 10


@shared_task
def submit_orders() -> None:
    """Sends what is due, each provider in a task of its own: a slow one delays no other."""
    meet_deadlines()
    for provider in submit.providers_with_due_orders():
        submit_provider_orders.apply_async((provider.pk,), expires=PROMPTLY)
    record_heartbeat(task="submit_orders")


@shared_task
def begin_runs() -> None:
    """Places the runs of drip-feeds that are due."""
    drip_feeds.begin_due_runs()
    record_heartbeat(task="begin_runs")


@shared_task
def submit_provider_orders(provider_id: int) -> None:
    """Sends the due orders of one provider."""
    submit.submit_for_provider(provider=Provider.objects.get(pk=provider_id))


@shared_task
def reconcile_orders() -> None:
    """Searches for orders in doubt, each provider in a task of its own."""
    for provider in worker.providers_with_due_doubts():
        reconcile_provider_orders.apply_async((provider.pk,), expires=PROMPTLY)
    record_heartbeat(task="reconcile_orders")


@shared_task
def reconcile_provider_orders(provider_id: int) -> None:
    """Searches for the orders in doubt of one provider."""
    worker.reconcile_provider(provider=Provider.objects.get(pk=provider_id))


@shared_task
def poll_orders() -> None:
    """Looks at what is due, each provider in a task of its own."""
    for provider in poll.providers_with_due_polls():
        poll_provider_orders.apply_async((provider.pk,), expires=PROMPTLY)
    record_heartbeat(task="poll_orders")


@shared_task
def watch_polls() -> None:
    """Alerts when open orders are not looked at in time."""
    monitor.watch_polls()


@shared_task
def poll_provider_orders(provider_id: int) -> None:
    """Polls the due orders of one provider."""
    poll.poll_provider(provider=Provider.objects.get(pk=provider_id))


@shared_task
def send_requests() -> None:
    """Sends the cancels and refills that are due, each provider in a task of its own."""
    for provider in send.providers_with_due_requests():
        send_provider_requests.apply_async((provider.pk,), expires=PROMPTLY)
    record_heartbeat(task="send_requests")


@shared_task
def send_provider_requests(provider_id: int) -> None:
    """Sends the due cancels and refills of one provider."""
    send.send_to_provider(provider=Provider.objects.get(pk=provider_id))


@shared_task
def poll_refills() -> None:
    """Looks at the refills that are due, each provider in a task of its own."""
    for provider in refill_poll.providers_with_due_refills():
        poll_provider_refills.apply_async((provider.pk,), expires=PROMPTLY)
    record_heartbeat(task="poll_refills")


@shared_task
def poll_provider_refills(provider_id: int) -> None:
    """Polls the due refills of one provider."""
    refill_poll.poll_provider_refills(provider=Provider.objects.get(pk=provider_id))


@shared_task
def count_figures() -> None:
    """Counts what the lists of services and providers show of the orders."""
    statistics.count_figures()
    record_heartbeat(task="count_figures")
