"""The count of guards: taken over from dead processes, and a full run fails if one was never reached."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name

from tests.chaos.guards import GUARDS, never_reached, read


def test_guards_when_read_then_counted_by_name(tmp_path: Path) -> None:
    assert not read(tmp_path)
    (tmp_path / "guards").write_text("late answer\nknown id\nlate answer\n")
    reached = read(tmp_path)
    assert reached == {"late answer": 2, "known id": 1}
    assert set(never_reached(reached)) == set(GUARDS) - {"late answer", "known id"}


def test_guards_when_named_then_each_function_exists() -> None:
    for paths, _ in GUARDS.values():
        for path in paths:
            assert callable(resolve_name(path)), path
