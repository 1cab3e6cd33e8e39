"""Time, statements, transactions and memory of a block of code, in all its threads."""

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

_ONLY_TRANSACTIONS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


class Wrong(Exception):
    """What was measured did not do its work: its speed would mean nothing."""


@dataclass(slots=True)
class Measured:
    """`statements` are without those that only open and close transactions.

    `transactions` are the atomic blocks that were committed, and the writes outside of any. Computing and memory
    are the whole process's: the seconds of processor time, and the most that it held meanwhile.
    """

    seconds: float = 0.0
    computing: float = 0.0
    statements: int = 0
    transactions: int = 0
    peak_mb: float = 0.0


@contextmanager
def measured() -> Iterator[Measured]:
    """Measures its block; the numbers are there after it."""
    found = Measured()
    gc.collect()
    _forget_peak()
    with _counted() as counts:
        started, computed = time.perf_counter(), time.process_time()
        yield found
        found.seconds = time.perf_counter() - started
        found.computing = time.process_time() - computed
    found.statements = sum(count.statements for count in counts)
    found.transactions = sum(count.transactions for count in counts)
    found.peak_mb = _peak_mb()


@contextmanager
def _counted() -> Iterator[list[_Count]]:
    """What each connection does: this thread's, and all that are opened meanwhile by whichever thread."""
    counts: list[_Count] = []

    def count(connection: Any, **signal: Any) -> None:
        # One that is lost and opened again is the same object.
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
    """Of one connection, thus of one thread: no two threads ever add to the same number."""

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
        if not sql.startswith(_ONLY_TRANSACTIONS):
            self.statements += 1
            alone = not self.connection.in_atomic_block
            self.transactions += alone and sql.startswith(("INSERT", "UPDATE", "DELETE"))
        return execute(sql, params, many, context)


def _forget_peak() -> None:
    """Linux alone can; elsewhere the peak is that since the process began."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1_024
    unit = 1 if sys.platform == "darwin" else 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1_024**2
