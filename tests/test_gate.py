"""Which tests the gate runs once, which on each database, and in which order."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.conftest import SERVERS, needs_servers
from tests.schedule import arrange


def item_needs_servers(*, fixtures: tuple[str, ...] = (), marker: str = "") -> bool:
    item = SimpleNamespace(fixturenames=[*fixtures], get_closest_marker=lambda name: True if name == marker else None)
    return needs_servers(item)


@pytest.mark.parametrize("fixture", ["db", "transactional_db", "live_server"])
def test_test_when_it_uses_the_database_then_it_runs_on_each_one(fixture):
    assert item_needs_servers(fixtures=("tmp_path", fixture))


@pytest.mark.parametrize("marker", ["django_db", *SERVERS])
def test_test_when_marked_for_servers_then_it_runs_on_each_database(marker):
    assert item_needs_servers(marker=marker)


def test_test_when_it_needs_no_server_then_it_runs_once():
    assert not item_needs_servers(fixtures=("tmp_path", "settings", "client"), marker="once")


def kind_of_name(name: str) -> int | None:
    return {"process": 0, "page": 1, "story": 2}.get(name.rstrip("0123456789"))


def test_order_when_workers_suffice_then_kinds_start_the_shares():
    names = ["a", "story1", "b", "page1", "process1", "c", "page2", "d"]
    assert arrange(names, workers=4, kind=kind_of_name) == ["process1", "a", "page1", "page2", "story1", "b", "c", "d"]


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("pages", [0, 3, 9])
def test_order_when_shares_are_uneven_then_each_kind_stays_together(workers, pages):
    names = [*(f"page{number}" for number in range(pages)), "a", "process1", "b", "c", "story1"]
    arranged = arrange(names, workers=workers, kind=kind_of_name)
    assert sorted(arranged) == sorted(names)
    first = next((position for position, name in enumerate(arranged) if kind_of_name(name) == 1), 0)
    assert all(kind_of_name(name) == 1 for name in arranged[first : first + pages])
