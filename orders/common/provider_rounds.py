"""Rounds over several providers, none of which waits for another, and lanes of one."""

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
    """Runs `work` in `count` lanes at once, of which this thread is one. What one raises is raised in the end.

    Inside a transaction, which threads of their own could not see, there is one lane.
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
    """Runs `work` for all providers at once and adds up what it returns.

    One that raises stops no other; its error is raised in the end. Inside a transaction, which threads of
    their own could not see, one goes after the other.
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
