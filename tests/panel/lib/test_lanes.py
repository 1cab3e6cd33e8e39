"""Lanes: how many run at once, that hosts that hang keep few, and that an error ends only its own lane."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from panel.lib import lanes
from panel.lib.lanes import Lanes

HANGING, UNKNOWN = "hanging", "unknown"


class Held:
    """Work that holds its lane until it is let go."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun: list[str] = []

    def work(self, name: str) -> None:
        self.begun.append(name)
        self.gate.wait(30)


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def pool(held: Held) -> Iterator[Lanes]:
    pool = Lanes(
        is_suspect=lambda host: host.startswith((HANGING, UNKNOWN)), hangs=lambda host: host.startswith(HANGING)
    )
    yield pool
    held.gate.set()
    pool.close()


def start(pool: Lanes, held: Held, name: str, host: str, *, limit: int = 1) -> bool:
    return pool.start(lambda: held.work(name), name=name, host=host, limit=limit)


def test_lanes_when_the_limit_of_a_name_runs_then_no_more(pool: Lanes, held: Held) -> None:
    assert [start(pool, held, "one", "host", limit=2) for _ in range(3)] == [True, True, False]
    assert start(pool, held, "two", "host")


def test_lanes_when_work_ends_then_its_lane_is_free(pool: Lanes, held: Held) -> None:
    ended = threading.Event()
    assert pool.start(ended.set, name="one", host="host")
    assert ended.wait(10)
    pool.close()
    again = Lanes(is_suspect=lambda host: False)
    for _ in range(3):
        done = threading.Event()
        while not again.start(done.set, name="one", host="host"):
            pass  # The lane before is just ending.
        assert done.wait(10)
    again.close()


def test_lanes_when_a_host_hangs_then_it_keeps_two(pool: Lanes, held: Held) -> None:
    assert [start(pool, held, f"{number}", HANGING) for number in range(4)] == [True, True, False, False]
    assert start(pool, held, "healthy", "host")


def test_lanes_when_many_hosts_hang_then_half_is_left(pool: Lanes, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MAX_LANES", 8)
    monkeypatch.setattr(lanes, "MAX_ALL_SUSPECT_LANES", 4)
    hung = [start(pool, held, f"{number}", f"{HANGING}{number}") for number in range(6)]
    assert hung == [True] * 4 + [False] * 2
    # One that was not asked yet may be healthy.
    assert start(pool, held, "new", UNKNOWN)
    healthy = [start(pool, held, f"h{number}", f"host{number}") for number in range(6)]
    assert healthy == [True] * 3 + [False] * 3


def test_lanes_when_work_fails_then_the_lane_is_free_again(pool: Lanes, held: Held) -> None:
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise ValueError

    assert pool.start(fail, name="one", host="host")
    assert failed.wait(10)
    while not start(pool, held, "one", "host"):
        pass


def test_lanes_when_the_process_ends_then_none_begins(pool: Lanes, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    with monkeypatch.context() as patch:
        patch.setattr("concurrent.futures.ThreadPoolExecutor.submit", refuse)
        assert not start(pool, held, "one", "host")
    assert pool.running() == 0
    assert start(pool, held, "one", "host")


def test_lanes_when_closed_then_they_end_and_none_begins(held: Held) -> None:
    pool = Lanes(is_suspect=lambda host: False)
    assert start(pool, held, "one", "host")
    threading.Timer(0.05, held.gate.set).start()
    pool.close()
    assert (held.begun, start(pool, held, "two", "host")) == (["one"], False)
