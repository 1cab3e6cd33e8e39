"""Outages of Redis with real workers under load: the workers survive, and submit orders again within seconds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.outages.broker import Broker
from tests.outages.installation import MAX_RECOVERY_SECONDS, Installation

OUTAGES: dict[str, Callable[[Broker], None]] = {
    "killed for 3 s": lambda broker: broker.restart_after(3),
    "hung for 8 s": lambda broker: broker.hang(8),
    "killed for 12 s": lambda broker: broker.restart_after(12),
}
# The proof alone tries these.
MORE_OUTAGES: dict[str, Callable[[Broker], None]] = {
    "emptied": lambda broker: broker.flush(),
    "replaced": lambda broker: broker.restart_after(0),
    "refusing for 5 s": lambda broker: broker.refuse(5),
}
# How often the proof repeats all outages.
ROUNDS = 3


@pytest.fixture
def installation(tmp_path: Any) -> Iterator[Installation]:
    with ExitStack() as closing:
        installation = Installation(tmp_path, closing)
        installation.start_load()
        installation.seconds_until_recovered()
        yield installation


def check_recovery(
    installation: Installation, name: str, outage: Callable[[Broker], None], *, within: float = float("inf")
) -> None:
    """Check that all workers survive an outage under load and submit again.

    Only the proof, which has the machine to itself, sets `within` (seconds): elsewhere a busy machine may be slow.
    """
    installation.keep_busy()
    outage(installation.broker)
    sent, all_busy = installation.seconds_until_recovered()
    print(
        f"{name}: an order sent after {sent:.1f} s, all {len(installation.workers)} workers busy after {all_busy:.1f} s"
    )
    assert max(sent, all_busy) < within, name


@pytest.mark.redis
def test_redis_when_killed_or_hung_then_workers_survive_and_submit(installation):
    for name, outage in OUTAGES.items():
        check_recovery(installation, name, outage)
    installation.end_load()
    installation.wait_until_all_is_sent()


@pytest.mark.proof
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")
def test_redis_when_lost_repeatedly_then_workers_recover_in_time(installation):
    for _ in range(ROUNDS):
        for name, outage in {**OUTAGES, **MORE_OUTAGES}.items():
            check_recovery(installation, name, outage, within=MAX_RECOVERY_SECONDS)
    installation.end_load()
    installation.wait_until_all_is_sent()
