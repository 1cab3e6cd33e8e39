"""Sends customers' cancel and refill requests, one round over all providers."""

from __future__ import annotations

import time
from functools import partial

from catalog.models import Provider
from catalog.provider_rounds import for_each_provider
from orders.common.stops import is_restore_open
from orders.requests import cancel, refill
from orders.requests.queue import BATCH, is_busy, update_alert, with_due
from panel.alerts.causes import Cause

ROUND_SECONDS = 20.0


def send_due_requests(*, seconds: float = ROUND_SECONDS) -> int:
    """Send due requests to all providers once; return how many were sent."""
    return for_each_provider(partial(send_to_provider, seconds=seconds), providers_with_due_requests())


def providers_with_due_requests() -> list[Provider]:
    """Return providers with requests to send; none while a restored database waits for staff."""
    if is_restore_open():
        return []
    return with_due(cancel.unsent_cancels(), refill.unsent_refills())


def send_to_provider(*, provider: Provider, seconds: float = ROUND_SECONDS) -> int:
    """Send the provider's due requests, batch after batch, for about `seconds`; return how many."""
    stop_at = time.monotonic() + seconds
    sent = 0
    for cause, rows, send_batch in (
        (Cause.CANCELS, cancel.unsent_cancels(), cancel.send_cancels),
        (Cause.REFILLS, refill.unsent_refills(), refill.send_refills),
    ):
        if is_busy(rows, provider=provider):
            continue
        count = BATCH
        while count == BATCH and time.monotonic() < stop_at:
            count, trouble = send_batch(provider=provider)
            sent += count
            if count:
                update_alert(provider=provider, cause=cause, trouble=trouble)
            if trouble:
                break
    return sent
