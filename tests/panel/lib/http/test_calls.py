"""The calls to each host: which hosts are suspect, and how long a reading call waits."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest

from panel.lib.http.calls import HUNG_SECONDS, MIN_PATIENCE, PATIENCE, Calls, host_of

HOST = "provider.example.com"
LONG = HUNG_SECONDS + 1


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def calls(clock: Clock) -> Calls:
    return Calls(clock)


def call(calls: Calls, clock: Clock, *, seconds: float, answered: bool, reads: bool = True) -> None:
    with calls.watched(HOST, reads=reads) as one:
        clock.now += seconds
        one.answered = answered


def begin(calls: Calls) -> AbstractContextManager[Any]:
    watched = calls.watched(HOST, reads=True)
    watched.__enter__()
    return watched


def test_host_when_it_never_answered_then_suspect(calls: Calls, clock: Clock) -> None:
    assert calls.is_suspect(HOST)
    call(calls, clock, seconds=0.1, answered=False)
    assert calls.is_suspect(HOST)
    call(calls, clock, seconds=LONG, answered=True)
    assert not calls.is_suspect(HOST)


def test_host_when_two_calls_in_a_row_hung_then_suspect(calls: Calls, clock: Clock) -> None:
    call(calls, clock, seconds=0.1, answered=True)
    found = []
    for seconds, answered in ((LONG, False), (0.1, True), (LONG, False), (0.1, False), (LONG, False), (0.1, True)):
        call(calls, clock, seconds=seconds, answered=answered)
        found.append(calls.is_suspect(HOST))
    # One alone may be chance, a quick failure is no hang, and an answer ends the suspicion.
    assert found == [False, False, False, False, True, False]


def test_host_when_calls_still_wait_then_suspect_before_they_end(calls: Calls, clock: Clock) -> None:
    call(calls, clock, seconds=0.1, answered=True)
    waiting = [begin(calls), begin(calls)]
    assert (calls.waiting(HOST), calls.is_suspect(HOST)) == (0, False)
    clock.now += LONG
    assert (calls.waiting(HOST), calls.is_suspect(HOST)) == (2, True)
    waiting[0].__exit__(None, None, None)
    assert (calls.waiting(HOST), calls.is_suspect(HOST)) == (1, True)


@pytest.mark.parametrize(
    ("took", "expected"), [([], 45), ([0.2], MIN_PATIENCE), ([4.0, 0.1], 4.0 * PATIENCE), ([30.0], 45)]
)
def test_patience_when_answers_came_then_it_follows_them(
    calls: Calls, clock: Clock, took: list[float], expected: float
) -> None:
    for seconds in took:
        call(calls, clock, seconds=seconds, answered=True)
    assert calls.patience(HOST, longest=45) == expected


def test_patience_when_orders_are_answered_quickly_then_reading_may_be_slow(calls: Calls, clock: Clock) -> None:
    call(calls, clock, seconds=12, answered=True)
    for _ in range(30):
        call(calls, clock, seconds=0.3, answered=True, reads=False)
    assert calls.patience(HOST, longest=45) == 45
    # A call that was given up shows that answers may take as long.
    for _ in range(20):
        call(calls, clock, seconds=1, answered=True)
    assert calls.patience(HOST, longest=45) == MIN_PATIENCE
    call(calls, clock, seconds=MIN_PATIENCE, answered=False)
    assert calls.patience(HOST, longest=45) == MIN_PATIENCE * PATIENCE


def test_host_when_not_asked_yet_then_suspect_but_not_hanging(calls: Calls, clock: Clock) -> None:
    assert (calls.is_suspect(HOST), calls.hangs(HOST)) == (True, False)
    for _ in range(2):
        call(calls, clock, seconds=LONG, answered=False)
    assert (calls.is_suspect(HOST), calls.hangs(HOST)) == (True, True)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Panel.example.com:443/api/v2", "panel.example.com"),
        ("https://www.panel.example.com/api", "panel.example.com"),
        ("http://127.0.0.1:8000/api/v2", "127.0.0.1:8000"),
    ],
)
def test_host_when_read_from_an_address_then_panels_on_it_are_one(url: str, host: str) -> None:
    assert host_of(url) == host
