"""Statements that take too long are stopped, and the limit ends with its block."""

from __future__ import annotations

import pytest
from django.db import connection

from panel.lib.time_limit import TookTooLong, time_limit

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no limit"),
]


def run(statement: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


def test_statement_when_over_the_limit_then_stopped_and_limit_gone():
    before = run("SHOW statement_timeout")
    with pytest.raises(TookTooLong), time_limit(milliseconds=20):
        run("SELECT pg_sleep(30)")
    assert run("SHOW statement_timeout") == before


def test_statements_when_within_the_limit_then_limit_ends_with_the_block():
    before = run("SHOW statement_timeout")
    with time_limit(milliseconds=5_000):
        assert run("SHOW statement_timeout") == ("5s",)
    assert run("SHOW statement_timeout") == before
