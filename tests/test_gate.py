"""What the gate runs once, what it runs on each database, and in which order."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.conftest import SERVERS, speaks_with_servers
from tests.schedule import arrange


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


def kind(name: str) -> int | None:
    return {"process": 0, "page": 1, "story": 2}.get(name.rstrip("0123456789"))


def test_order_when_there_are_as_many_workers_then_each_share_begins_with_a_kind():
    names = ["a", "story1", "b", "page1", "process1", "c", "page2", "d"]
    assert arrange(names, workers=4, kind=kind) == ["process1", "a", "page1", "page2", "story1", "b", "c", "d"]


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("pages", [0, 3, 9])
def test_order_when_shares_are_uneven_then_nothing_is_lost_and_each_kind_is_together(workers, pages):
    names = [*(f"page{number}" for number in range(pages)), "a", "process1", "b", "c", "story1"]
    arranged = arrange(names, workers=workers, kind=kind)
    assert sorted(arranged) == sorted(names)
    first = next((place for place, name in enumerate(arranged) if kind(name) == 1), 0)
    assert all(kind(name) == 1 for name in arranged[first : first + pages])
