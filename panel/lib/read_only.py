"""Blocks of code that only read the database, whatever they call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

# What a statement that changes no row begins with. The others of these belong to transactions.
_READS = frozenset({"SELECT", "WITH", "BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK"})
# What a query that begins so may still hold: WITH … UPDATE, SELECT … INTO, a sequence that moves, and SELECT … FOR
# UPDATE or FOR SHARE, which makes others wait.
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "SHARE", "INTO", "NEXTVAL", "SETVAL"})


class WriteRefused(Exception):
    """Code in a read-only block was about to change the database. The statement did not run."""


@contextmanager
def read_only() -> Iterator[None]:
    """Raise WriteRefused at each statement of this thread in the block that could change rows or lock them."""
    with connection.execute_wrapper(_refuse_writes):
        yield


def _refuse_writes(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    words = re.findall(r"\w+", sql.upper())
    if not words or words[0] not in _READS or not _WRITES.isdisjoint(words):
        raise WriteRefused(words[0] if words else "")
    return execute(sql, params, many, context)
