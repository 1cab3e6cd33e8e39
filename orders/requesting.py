"""Sending what customers wish of placed orders, cancels and refills, one round over all providers."""

from __future__ import annotations

import time
from functools import partial

from catalog.models import Provider
from orders import cancelling, refilling
from orders.asking import BATCH, is_busy, tell_owner, with_due
from orders.rounds import for_each_provider

ROUND_SECONDS = 20.0


def send_due_requests(*, seconds: float = ROUND_SECONDS) -> int:
    """One round over all providers with due requests; returns how many were sent."""
    return for_each_provider(partial(send_to_provider, seconds=seconds), providers_with_due_requests())


def providers_with_due_requests() -> list[Provider]:
    return with_due(cancelling.unsent(), refilling.unsent())


def send_to_provider(*, provider: Provider, seconds: float = ROUND_SECONDS) -> int:
    """Sends this provider's due requests, batch after batch, for about `seconds`; returns how many."""
    stop_at = time.monotonic() + seconds
    sent = 0
    for what, rows, ask_batch in (
        ("cancel", cancelling.unsent(), cancelling.ask_batch),
        ("refill", refilling.unsent(), refilling.ask_batch),
    ):
        if is_busy(rows, provider=provider):
            continue
        count = BATCH
        while count == BATCH and time.monotonic() < stop_at:
            count, trouble = ask_batch(provider=provider)
            sent += count
            if count:
                tell_owner(provider=provider, what=what, trouble=trouble)
            if trouble:
                break
    return sent
