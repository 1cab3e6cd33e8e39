"""Real threads, each with its own database connections, for tests with `transaction=True`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection, connections

# A thread that takes longer hangs, and fails its test.
MAX_WAIT_SECONDS = 120


def in_threads(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls at the same time, each in a thread; return their results or exceptions, in order."""
    results: list[Any] = [AssertionError("the thread did not end")] * len(calls)
    start = threading.Barrier(len(calls))

    def run(place: int, call: Callable[[], Any]) -> None:
        try:
            start.wait(MAX_WAIT_SECONDS)
            results[place] = call()
        except BaseException as error:
            results[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(MAX_WAIT_SECONDS)
    return results


def in_background(call: Callable[[], Any]) -> Callable[[], Any]:
    """Start `call` in a thread; return a function that waits for it and returns its result or exception."""
    result: list[Any] = [AssertionError("the thread did not end")]

    def run() -> None:
        try:
            result[0] = call()
        except BaseException as error:
            result[0] = error
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def wait() -> Any:
        thread.join(MAX_WAIT_SECONDS)
        return result[0]

    return wait


def wait_for_a_blocked_connection() -> None:
    """Wait until another connection is blocked by a lock that this one holds. PostgreSQL only."""
    watcher = connections.create_connection("default")
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    try:
        with watcher.cursor() as cursor:
            blocked = 0
            while not blocked:
                assert time.monotonic() < deadline, "no connection is blocked"
                time.sleep(0.02)
                cursor.execute(
                    "SELECT COUNT(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))",
                    [connection.connection.info.backend_pid],
                )
                [blocked] = cursor.fetchone()
    finally:
        watcher.close()
