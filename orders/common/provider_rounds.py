"""Work in threads: one for each provider of a round, or several lanes of one provider."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog
from django.db import connection, connections

from catalog.models import Provider

log = structlog.get_logger(__name__)

MAX_AT_ONCE = 8


class Work(Protocol):
    def __call__(self, *, provider: Provider) -> int: ...


def in_lanes(work: Callable[[], None], count: int) -> None:
    """Run `work` in `count` threads at once, this one included. Raise what one of them raised, after all have ended.

    Inside a transaction there is one lane: other threads would not see its changes.
    """
    if count < 2 or connection.in_atomic_block:
        work()
        return

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count - 1) as pool:
        futures = [pool.submit(run) for _ in range(count - 1)]
        work()
    for future in futures:
        future.result()


def for_each_provider(work: Work, providers: Sequence[Provider]) -> int:
    """Run `work` for all providers at once and return the sum of its results.

    An error for one provider does not stop the others; it is raised after all have ended. Inside a transaction
    the providers follow one another: other threads would not see its changes.
    """
    if len(providers) < 2 or connection.in_atomic_block:
        return sum(work(provider=provider) for provider in providers)

    def run(provider: Provider) -> int:
        try:
            return work(provider=provider)
        except Exception:
            log.exception("round failed", provider=provider.pk)
            raise
        finally:
            connections.close_all()

    with ThreadPoolExecutor(min(len(providers), MAX_AT_ONCE)) as pool:
        futures = [pool.submit(run, provider) for provider in providers]
    return sum(future.result() for future in futures)
