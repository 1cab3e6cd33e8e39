"""Keeping the mark in a file and in the cache, with faults of both."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings

from orders.marks import storage
from orders.marks.storage import Mark, MarkUnwritable
from tests.threads import in_threads

MARK = Mark("this", 1, attempt=5, token="t5", order=9, entry=20)


@pytest.fixture
def shared_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tests' cache count as one that other processes share."""
    monkeypatch.setattr(storage, "has_shared_cache", lambda: True)


def path() -> Path:
    return Path(settings.VAR_DIR) / storage.FILE


def test_mark_when_written_then_read_from_both_places(shared_cache: None) -> None:
    storage.write(MARK)
    assert storage.read_file() == MARK
    assert storage.read_cache() == MARK


def test_mark_when_the_cache_is_private_then_only_in_the_file() -> None:
    if storage.has_shared_cache():
        pytest.skip("this cache is shared")
    storage.write(MARK)
    assert storage.read_file() == MARK
    assert storage.read_cache() is None


def test_mark_when_numbers_are_lower_then_the_higher_stay(shared_cache: None) -> None:
    storage.write(MARK)
    storage.write(replace(MARK, attempt=4, token="t4", order=11, entry=3))
    assert storage.read_file() == storage.read_cache() == replace(MARK, order=11)


def test_mark_when_of_another_generation_then_replaced(shared_cache: None) -> None:
    storage.write(MARK)
    new = Mark("this", 2)
    storage.write(new)
    assert storage.read_file() == storage.read_cache() == new


def test_mark_when_another_machine_was_later_then_cache_keeps_it(shared_cache: None) -> None:
    later = replace(MARK, attempt=7, token="t7")
    storage.write(later)
    path().unlink()
    storage.write(MARK)
    assert storage.read_file() == MARK
    assert storage.read_cache() == later


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"identity": 1, "generation": 1}', '{"identity": "a", "generation": -1}']
)
def test_file_when_unreadable_then_there_is_no_mark(text: str) -> None:
    path().write_text(text)
    assert storage.read_file() is None


def test_mark_when_the_folder_is_unwritable_then_error(tmp_path: Path, settings: object) -> None:
    (tmp_path / "file").write_text("")
    settings.VAR_DIR = tmp_path / "file"
    with pytest.raises(MarkUnwritable, match="cannot be written"):
        storage.write(MARK)


def test_cache_when_down_then_the_file_is_enough(shared_cache: None, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def broken(*args: object, **kwargs: object) -> None:
        calls.append(args)
        raise ConnectionError

    monkeypatch.setattr(storage, "cache", SimpleNamespace(get=broken, set=broken))
    for attempt in range(3):
        storage.write(replace(MARK, attempt=attempt, token=f"t{attempt}"))
        assert storage.read_cache() is None
    assert storage.read_file() == replace(MARK, attempt=2, token="t2")
    assert len(calls) == 1  # It rests then.


def test_marks_when_many_threads_write_then_the_latest_stays() -> None:
    marks = [replace(MARK, attempt=number, token=f"t{number}") for number in range(1, 41)]
    in_threads(*(partial(storage.write, mark) for mark in marks))
    assert storage.read_file() == marks[-1]
