"""The lanes in which orders are sent: as many as the provider may get at once, and some more while answers are late."""

from __future__ import annotations

from functools import partial

from catalog.models import Provider
from catalog.provider_rounds import start_lane
from orders.dispatch.submit import providers_with_due_orders, submit_for_provider
from panel.alerts.clocks import may_work
from panel.lib.http.calls import CALLS, host_of
from panel.site import registry as site


def start_sending() -> int:
    """Start a lane for each provider with due orders. Return how many were started."""
    return sum(_start(provider) for provider in providers_with_due_orders())


def _start(provider: Provider) -> bool:
    late = min(CALLS.waiting(host_of(provider.api_url)), site.MAX_LATE_ANSWERS.value)
    return start_lane(_send, provider, kind="submit", limit=provider.max_parallel_adds + late)


def _send(*, provider: Provider) -> int:
    # Lanes start lanes for as long as there are orders: each looks anew at the provider and at the clock.
    current = Provider.objects.filter(pk=provider.pk).first()
    if current is None or not may_work():
        return 0
    # Each lane that has an order starts the next before it sends, so that all begin at once.
    return submit_for_provider(provider=current, on_claim=partial(_start, current))
