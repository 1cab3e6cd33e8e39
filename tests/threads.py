"""Real threads with database connections of their own, for tests with `transaction=True`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection, connections

# Seconds until a thread that hangs fails its test.
PATIENCE = 120


def in_threads(*calls: Callable[[], Any]) -> list[Any]:
    """Runs the calls at once, each in its own thread, and returns what each returned or raised, in order."""
    results: list[Any] = [AssertionError("the thread did not end")] * len(calls)
    start = threading.Barrier(len(calls))

    def run(place: int, call: Callable[[], Any]) -> None:
        try:
            start.wait(PATIENCE)
            results[place] = call()
        except BaseException as error:
            results[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return results


def in_background(call: Callable[[], Any]) -> Callable[[], Any]:
    """Starts `call` in a thread; the returned function waits for it and gives what it returned or raised."""
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
        thread.join(PATIENCE)
        return result[0]

    return wait


def wait_for_a_blocked_connection() -> None:
    """Returns once another connection waits for a lock that this one holds. PostgreSQL only."""
    watcher = connections.create_connection("default")
    deadline = time.monotonic() + PATIENCE
    try:
        with watcher.cursor() as cursor:
            blocked = 0
            while not blocked:
                assert time.monotonic() < deadline, "nobody waits"
                time.sleep(0.02)
                cursor.execute(
                    "SELECT COUNT(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))",
                    [connection.connection.info.backend_pid],
                )
                [blocked] = cursor.fetchone()
    finally:
        watcher.close()
