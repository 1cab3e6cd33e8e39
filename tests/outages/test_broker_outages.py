"""Redis is killed, hangs and forgets, beside real workers under load: they live, and send again within seconds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.outages.broker import Broker
from tests.outages.town import MAX_SECONDS, Town

OUTAGES: dict[str, Callable[[Broker], None]] = {
    "killed for 3 s": lambda broker: broker.be_away(3),
    "hung for 8 s": lambda broker: broker.hang(8),
    "killed for 12 s": lambda broker: broker.be_away(12),
}
MORE: dict[str, Callable[[Broker], None]] = {
    "emptied": lambda broker: broker.flush(),
    "replaced": lambda broker: broker.be_away(0),
    "refusing for 5 s": lambda broker: broker.refuse(5),
}
ROUNDS = 3


@pytest.fixture
def town(tmp_path: Any) -> Iterator[Town]:
    with ExitStack() as closing:
        town = Town(tmp_path, closing)
        town.start_load()
        town.seconds_until_at_work()
        yield town


def survive(town: Town, name: str, outage: Callable[[Broker], None], *, within: float = float("inf")) -> None:
    """They do, before the town loses its patience; a proof, which has the machine to itself, asks how soon."""
    town.keep_busy()
    outage(town.broker)
    sent, all_at_work = town.seconds_until_at_work()
    print(f"{name}: an order sent after {sent:.1f} s, {len(town.workers)} workers at work after {all_at_work:.1f} s")
    assert max(sent, all_at_work) < within, name


@pytest.mark.redis
def test_redis_when_it_is_killed_or_hangs_then_all_workers_live_and_send_again(town):
    for name, outage in OUTAGES.items():
        survive(town, name, outage)
    town.end_load()
    town.wait_until_all_is_sent()


@pytest.mark.proof
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")
def test_redis_when_it_goes_over_and_over_then_all_workers_live_and_send_again(town):
    for _ in range(ROUNDS):
        for name, outage in {**OUTAGES, **MORE}.items():
            survive(town, name, outage, within=MAX_SECONDS)
    town.end_load()
    town.wait_until_all_is_sent()
