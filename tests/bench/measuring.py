"""Measures time, statements, transactions and memory of a block of code, in all its threads."""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.signals import connection_created

_TRANSACTION_STATEMENTS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


class Wrong(Exception):
    """The measured code gave a wrong result, so its speed would mean nothing."""


@dataclass(slots=True)
class Measured:
    """What a block of code used.

    `statements` excludes those that only open or close transactions. `transactions` are the commits, and the writes
    outside transactions. `computing` (seconds of processor time) and `peak_mb` are those of the whole process.
    """

    seconds: float = 0.0
    computing: float = 0.0
    statements: int = 0
    transactions: int = 0
    peak_mb: float = 0.0


@contextmanager
def measured() -> Iterator[Measured]:
    """Measure the block. The yielded object is filled in when the block ends."""
    result = Measured()
    gc.collect()
    _reset_peak()
    with _counted() as counts:
        started, computed = time.perf_counter(), time.process_time()
        yield result
        result.seconds = time.perf_counter() - started
        result.computing = time.process_time() - computed
    result.statements = sum(count.statements for count in counts)
    result.transactions = sum(count.transactions for count in counts)
    result.peak_mb = _peak_mb()


@contextmanager
def _counted() -> Iterator[list[_Count]]:
    """Count the statements of this thread's connection, and of all connections that any thread opens in the block."""
    counts: list[_Count] = []

    def count(connection: Any, **signal: Any) -> None:
        # A connection that is reopened is the same object, and must not be counted twice.
        if not any(one.connection is connection for one in counts):
            counts.append(_Count(connection))

    count(connections[DEFAULT_DB_ALIAS])
    connection_created.connect(count, weak=False)
    try:
        yield counts
    finally:
        connection_created.disconnect(count)
        for one in counts:
            one.stop()


class _Count:
    """Counts the statements of one connection. Each thread has its own, so that no two threads change a counter."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.statements = 0
        self.transactions = 0
        self._commit = connection.commit
        connection.commit = self._count_commit
        connection.execute_wrappers.append(self._count_statement)

    def stop(self) -> None:
        del self.connection.commit
        self.connection.execute_wrappers.remove(self._count_statement)

    def _count_commit(self) -> None:
        self.transactions += 1
        self._commit()

    def _count_statement(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(_TRANSACTION_STATEMENTS):
            self.statements += 1
            is_autocommit = not self.connection.in_atomic_block
            self.transactions += is_autocommit and sql.startswith(("INSERT", "UPDATE", "DELETE"))
        return execute(sql, params, many, context)


def _reset_peak() -> None:
    """Reset the peak of memory. Only Linux can: elsewhere the peak counts from the start of the process."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1_024
    unit = 1 if sys.platform == "darwin" else 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1_024**2
