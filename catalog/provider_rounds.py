"""Work in threads: one for each provider of a round, or several lanes of one provider.

Rounds end when all of their work has ended. Tasks start lanes instead, so that a provider that hangs holds up no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

import structlog
from django.db import connection, connections

from catalog.models import Provider
from panel.lib.http.calls import host_of
from panel.lib.lanes import LANES

log = structlog.get_logger(__name__)

MAX_AT_ONCE = 8


class Work(Protocol):
    def __call__(self, *, provider: Provider) -> int: ...


def start_lane(work: Work, provider: Provider, *, kind: str, limit: int = 1) -> bool:
    """Start `work` for the provider in a lane, unless `limit` of this kind run or no lane is free.

    Inside a transaction it is done here: other threads would not see its changes.
    """
    if connection.in_atomic_block:
        work(provider=provider)
        return True
    name, host = f"{kind} {provider.pk}", host_of(provider.api_url)
    return LANES.start(partial(work, provider=provider), name=name, host=host, limit=limit)


def start_lanes(work: Work, providers: Iterable[Provider], *, kind: str) -> int:
    """Start `work` for each provider that has no lane of this kind. Return how many were started."""
    return sum(start_lane(work, provider, kind=kind) for provider in providers)


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
