"""Answers on disk: written at once or not at all, and left alone while their worker lives."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from orders.dispatch import answer_files
from orders.dispatch.answer_files import (
    MAX_AGE_SECONDS,
    MAX_BYTES,
    MAX_FILES,
    answers_folder,
    find_answer_files,
    kept_on_disk,
    opened,
)
from tests.scenes import Killed

TOKEN = "0123456789abcdef" * 2


def left_behind(text: str = "{}", *, token: str = TOKEN) -> Path:
    """Keep a text for a worker that is killed at once, and return its file."""
    with pytest.raises(Killed), kept_on_disk(token=token, text=text):
        raise Killed
    return answers_folder() / f"{token}.json"


def make_older(path: Path, seconds: float) -> None:
    written = time.time() - seconds
    os.utime(path, (written, written))


def names() -> list[str]:
    return sorted(os.listdir(answers_folder()))


def test_answer_when_its_block_succeeds_then_file_is_removed():
    with kept_on_disk(token=TOKEN, text="{}") as obstacle:
        assert (obstacle, names()) == ("", [f"{TOKEN}.json"])
    assert names() == []


@pytest.mark.parametrize("error", [Killed, ValueError])
def test_answer_when_its_block_raises_then_the_file_stays(error):
    with pytest.raises(error), kept_on_disk(token=TOKEN, text="a text"):
        raise error
    [path] = find_answer_files()
    with opened(path, lock_seconds=90) as file:
        assert (file.token, file.read(), file.is_foreign) == (TOKEN, "a text", False)


def test_answer_when_it_is_written_then_only_the_owner_reads_it():
    path = left_behind()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_answer_when_root_writes_it_then_the_workers_user_has_it(settings, tmp_path):
    """`manage.py run_round submit_orders` was run as root: the worker could neither read nor write there."""
    os.chown(tmp_path, 1234, 1235)
    settings.VAR_DIR = tmp_path
    path = left_behind()
    owners = [(one.stat().st_uid, one.stat().st_gid) for one in (path, path.parent)]
    assert owners == [(1234, 1235)] * 2


def test_folder_when_it_is_missing_then_there_are_no_files():
    assert find_answer_files() == []
    assert not answers_folder().exists()


def test_answer_when_folder_is_a_file_then_the_block_still_runs(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    answers_folder().write_text("")
    with kept_on_disk(token=TOKEN, text="{}") as obstacle:
        assert obstacle == "Not a directory"
    assert find_answer_files() == []


def test_answer_when_the_disk_is_full_then_no_part_of_it_is_left(monkeypatch):
    create = answer_files._create

    def create_on_full_disk(path: Path) -> int:
        os.close(create(path))
        return os.open("/dev/full", os.O_WRONLY)

    left_behind(token="a" * 32)
    monkeypatch.setattr(answer_files, "_create", create_on_full_disk)
    with kept_on_disk(token=TOKEN, text="{}") as obstacle:
        assert obstacle == "No space left on device"
    assert names() == ["a" * 32 + ".json"]


def test_answer_when_killed_while_writing_then_no_part_is_read(monkeypatch):
    def die(self: Path, target: Any) -> None:
        raise Killed

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(Killed), kept_on_disk(token=TOKEN, text="{}"):
        raise AssertionError("it was not written")
    assert find_answer_files() == []


def test_file_when_its_worker_lives_then_no_other_opens_it():
    with kept_on_disk(token=TOKEN, text="{}"):
        [path] = find_answer_files()
        with opened(path, lock_seconds=90) as file:
            assert file is None
    with opened(left_behind(), lock_seconds=90) as file, opened(file.path, lock_seconds=90) as second:
        assert second is None


def test_file_when_its_worker_hangs_past_the_lease_then_opened():
    with kept_on_disk(token=TOKEN, text="{}"):
        [path] = find_answer_files()
        make_older(path, 91)
        with opened(path, lock_seconds=90) as file:
            assert file.read() == "{}"
            file.remove()
    assert names() == []


@pytest.mark.parametrize("how", ["removed", "renamed", "replaced"])
def test_file_when_gone_before_the_lock_then_it_is_not_opened(monkeypatch, how):
    """Between the opening and the lock, a second process recorded it."""
    path = left_behind()
    lock = answer_files._lock

    def too_late(descriptor: int) -> bool:
        monkeypatch.setattr(answer_files, "_lock", lock)
        if how == "renamed":
            path.rename(path.with_suffix(".bad"))
        else:
            path.unlink()
        if how == "replaced":
            path.write_text("{}")
        return lock(descriptor)

    monkeypatch.setattr(answer_files, "_lock", too_late)
    with opened(path, lock_seconds=90) as file:
        assert file is None
    path.unlink(missing_ok=True)
    with opened(path, lock_seconds=90) as file:
        assert file is None


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"x" * (MAX_BYTES + 1)])
def test_file_when_it_is_no_text_of_ours_then_it_is_unreadable(content):
    path = left_behind()
    path.write_bytes(content)
    with opened(path, lock_seconds=90) as file, pytest.raises(ValueError):
        file.read()


def test_files_when_renamed_then_only_foreign_ones_are_found_again():
    bad, foreign, waiting = left_behind(token="a" * 32), left_behind(token="b" * 32), left_behind(token="c" * 32)
    with opened(bad, lock_seconds=90) as file:
        file.set_aside()
        file.set_aside()  # As a second process would.
    with opened(foreign, lock_seconds=90) as file:
        file.mark_foreign()
    assert names() == ["a" * 32 + ".bad", "b" * 32 + ".foreign.json", "c" * 32 + ".json"]
    last = foreign.with_name("b" * 32 + ".foreign.json")
    assert find_answer_files() == [waiting, last]
    with opened(last, lock_seconds=90) as file:
        assert (file.is_foreign, file.token) == (True, "b" * 32)


def test_files_when_thirty_days_old_then_only_useless_ones_removed():
    left_behind(token="d" * 32)
    for name in ("a.bad", "b.foreign.json", "c.tmp", "another program's file"):
        (answers_folder() / name).write_text("")
    before = names()
    for name in before:
        make_older(answers_folder() / name, MAX_AGE_SECONDS - 100)
    find_answer_files()
    assert names() == before
    for name in before:
        make_older(answers_folder() / name, MAX_AGE_SECONDS + 100)
    assert [path.name for path in find_answer_files()] == ["d" * 32 + ".json"]
    assert names() == ["another program's file", "d" * 32 + ".json"]


def test_files_when_there_are_many_then_a_sweep_takes_some_of_them():
    left_behind()
    for number in range(MAX_FILES):
        (answers_folder() / f"{number}.json").write_text("{}")
    assert len(find_answer_files()) == MAX_FILES
