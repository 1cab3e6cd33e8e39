"""Whether a database may send, by its marks. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orders.marks.judge import Known, find_restore, is_elsewhere
from orders.marks.storage import Mark
from orders.states import StopReason

MARK = Mark("this", 2, attempt=50, token="t50", order=90, entry=200, machine="m")
KNOWN = Known(
    identity="this",
    generation=2,
    covered={"this": 40, "old": 7},
    site_url="https://panel.example.com",
    was_marked=True,
    is_believed=False,
    has_orders=True,
    has_attempts=True,
    has_file_attempt=True,
    has_cache_attempt=True,
)


def reason(
    known: Known = KNOWN, in_file: Mark | None = MARK, in_cache: Mark | None = MARK, **process: str
) -> StopReason | None:
    process = {"site_url": KNOWN.site_url, "machine": "m", **process}
    finding = find_restore(known=known, in_file=in_file, in_cache=in_cache, **process)
    return finding.reason if finding else None


def known(**values: Any) -> Known:
    return replace(KNOWN, **values)


def test_database_when_it_knows_all_marks_then_may_send() -> None:
    assert reason() is None
    assert reason(in_cache=None) is None
    assert reason(in_file=None) is None


@pytest.mark.parametrize("lacks", ["has_file_attempt", "has_cache_attempt"])
def test_database_when_an_attempt_is_missing_then_older(lacks: str) -> None:
    assert reason(known(**{lacks: False})) == StopReason.OLDER


def test_database_when_the_mark_is_of_a_later_generation_then_older() -> None:
    assert reason(in_file=replace(MARK, generation=3)) == StopReason.OLDER


@pytest.mark.parametrize(("attempt", "expected"), [(40, None), (41, StopReason.OLDER)])
def test_mark_when_of_an_earlier_generation_then_must_be_covered(attempt: int, expected: Any) -> None:
    earlier = replace(MARK, generation=1, attempt=attempt)
    assert reason(known(has_file_attempt=False), in_file=earlier) == expected


def test_database_when_another_was_marked_then_other_database() -> None:
    assert reason(in_file=replace(MARK, identity="that")) == StopReason.OTHER_DATABASE
    assert reason(in_cache=replace(MARK, identity="that")) == StopReason.OTHER_DATABASE


@pytest.mark.parametrize(("attempt", "expected"), [(7, None), (8, StopReason.OTHER_DATABASE)])
def test_other_database_when_confirmed_once_then_its_marks_are_covered(attempt: int, expected: Any) -> None:
    assert reason(known(has_file_attempt=False), in_file=replace(MARK, identity="old", attempt=attempt)) == expected


def test_folder_when_its_mark_is_from_before_then_its_machine_is_no_matter() -> None:
    earlier = replace(MARK, generation=1, attempt=40, machine="that")
    assert reason(in_file=earlier) is None


def test_database_when_new_and_empty_then_may_send_in_place_of_another() -> None:
    empty = known(has_orders=False, has_attempts=False, has_file_attempt=False, has_cache_attempt=False)
    that = replace(MARK, identity="that")
    assert reason(empty, in_file=that, in_cache=that) is None
    assert reason(empty) == StopReason.OLDER


def test_database_when_no_mark_is_left_then_stopped() -> None:
    assert reason(in_file=None, in_cache=None) == StopReason.NO_MARK
    assert reason(known(has_attempts=False), in_file=None, in_cache=None) == StopReason.NO_MARK


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"has_attempts": False}, None),
        ({"is_believed": True}, None),
        ({}, StopReason.NO_MARK),
    ],
    ids=["nothing sent yet", "upgraded just now", "restored from before marks were kept"],
)
def test_database_when_never_marked_then_only_believed_if_upgraded(values: dict[str, Any], expected: Any) -> None:
    assert reason(known(was_marked=False, **values), in_file=None, in_cache=None) == expected


def test_folder_when_copied_to_another_machine_then_stopped() -> None:
    assert reason(machine="other") == StopReason.NO_MARK
    assert reason(machine="") is None
    assert reason(in_file=replace(MARK, machine="")) is None


def test_database_when_run_at_another_address_then_stopped() -> None:
    assert reason(site_url="https://staging.example.com") == StopReason.OTHER_SITE


@pytest.mark.parametrize(
    ("recorded", "now", "expected"),
    [
        ("", "https://a.example", False),
        ("https://a.example", "http://a.example:8000", False),
        ("http://localhost:8000", "http://127.0.0.1:8300", False),
        ("https://a.example", "http://localhost:8000", True),
        ("http://localhost:8000", "https://a.example", True),
    ],
)
def test_address_when_compared_then_own_machine_is_one_place(recorded: str, now: str, expected: bool) -> None:
    assert is_elsewhere(recorded, now) is expected
