"""Time, statements, transactions and memory of a block of code in this thread."""

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

from django.db import connection

_ONLY_TRANSACTIONS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


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

    def count(execute: Callable[..., Any], statement: str, params: Any, many: bool, context: Any) -> Any:
        if not statement.startswith(_ONLY_TRANSACTIONS):
            found.statements += 1
            alone = not context["connection"].in_atomic_block
            found.transactions += alone and statement.startswith(("INSERT", "UPDATE", "DELETE"))
        return execute(statement, params, many, context)

    commit = connection.commit

    def count_commit() -> None:
        found.transactions += 1
        commit()

    gc.collect()
    _forget_peak()
    connection.commit = count_commit
    started, computed = time.perf_counter(), time.process_time()
    try:
        with connection.execute_wrapper(count):
            yield found
        found.seconds = time.perf_counter() - started
        found.computing = time.process_time() - computed
    finally:
        del connection.commit
    found.peak_mb = _peak_mb()


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
