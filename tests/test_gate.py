"""What the gate runs once and what it runs on each database is decided by what a test asks for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.conftest import SERVERS, speaks_with_servers


def asks(*, fixtures: tuple[str, ...] = (), marker: str = "") -> bool:
    item = SimpleNamespace(fixturenames=[*fixtures], get_closest_marker=lambda name: True if name == marker else None)
    return speaks_with_servers(item)


@pytest.mark.parametrize("fixture", ["db", "transactional_db", "live_server"])
def test_test_when_a_fixture_asks_for_the_database_then_it_runs_on_each(fixture):
    assert asks(fixtures=("tmp_path", fixture))


@pytest.mark.parametrize("marker", ["django_db", *SERVERS])
def test_test_when_it_is_marked_as_one_that_meets_servers_then_it_runs_on_each(marker):
    assert asks(marker=marker)


def test_test_when_it_asks_for_neither_then_it_runs_once():
    assert not asks(fixtures=("tmp_path", "settings", "client"), marker="once")
