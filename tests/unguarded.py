"""Write past the ledger, for tests that show what breaks without it and what the database still refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.models import QuerySet

from billing.models import Entry, Wallet


def wallets() -> QuerySet[Wallet]:
    """Return wallets without the guard of their manager, so that they can be written."""
    return QuerySet(Wallet)


def entries() -> QuerySet[Entry]:
    """Return entries without the guard of their manager, so that they can be written."""
    return QuerySet(Entry)


@contextmanager
def no_foreign_keys() -> Iterator[None]:
    """Disable foreign keys on this connection within the block.

    PostgreSQL skips triggers too; SQLite can do it only outside transactions.
    """
    if connection.vendor == "sqlite":
        assert not connection.in_atomic_block
        off, on = "PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON"
    else:
        off, on = "SET session_replication_role = replica", "SET session_replication_role = origin"
    with connection.cursor() as cursor:
        cursor.execute(off)
        try:
            yield
        finally:
            cursor.execute(on)
