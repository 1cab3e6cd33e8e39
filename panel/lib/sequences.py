"""The counters that number new rows."""

from __future__ import annotations

from django.db import connection
from django.db.models import Model


def skip_numbers(*, model: type[Model], up_to: int) -> None:
    """Make the next new row's primary key greater than `up_to`, and than any that was given before.

    Joins a transaction. On PostgreSQL numbers are not given back if it rolls back, which does no harm.
    """
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [table, model._meta.pk.column])
            [sequence] = cursor.fetchone()
            cursor.execute(
                f"SELECT setval(%s, GREATEST(%s, (SELECT last_value FROM {sequence})))",  # noqa: S608 - of the catalog
                [sequence, up_to],
            )
            return
        cursor.execute("UPDATE sqlite_sequence SET seq = MAX(seq, %s) WHERE name = %s", [up_to, table])
        if not cursor.rowcount:
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, up_to])
