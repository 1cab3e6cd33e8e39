"""A limit to how long the statements of a page may take, so that a rare question never keeps a database busy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

_CANCELED = "57014"


class TookTooLong(Exception):
    """The statements were stopped by the limit."""


@contextmanager
def time_limit(*, milliseconds: int) -> Iterator[None]:
    """Let each statement inside take so long at most; raise TookTooLong if one is stopped.

    Only PostgreSQL stops them: SQLite has no such limit.
    """
    if connection.vendor != "postgresql":
        yield
        return
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT current_setting('statement_timeout')")
                [before] = cursor.fetchone()
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)])
            yield
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") == _CANCELED:
            raise TookTooLong from error
        raise
