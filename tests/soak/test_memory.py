"""The memory of a worker and of a web server stays within its limit, and does not grow, while everything goes wrong."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack

import pytest

from tests.soak.installation import Installation
from tests.soak.memory import Samples, head, last_row

MAX_WORKER_MB, MAX_WEB_MB = 200, 150
# What the worker may grow in the second half of the time, in MB a minute. Threads that begin to be used make steps, so
# that a worker without a leak grew 0.4 within minutes.
MAX_GROWTH = 0.5
MINUTES = float(os.environ.get("SOAK_MINUTES", "15"))
_SECONDS_BETWEEN_SAMPLES = 10


@pytest.mark.proof
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_when_everything_goes_wrong_for_long_then_flat(tmp_path):
    with ExitStack() as closing:
        installation = Installation(tmp_path, closing)
        installation.start_load()
        installation.wait(_SECONDS_BETWEEN_SAMPLES)
        worker = Samples("worker", installation.worker.pid)
        web = [Samples(f"web {number}", pid) for number, pid in enumerate(installation.web_pids, 1)]
        print(f"\n{head([worker, *web])}")
        began = time.monotonic()
        while (minute := (time.monotonic() - began) / 60) <= MINUTES:
            for one in (worker, *web):
                one.take(minute)
            print(last_row([worker, *web]), flush=True)
            installation.wait(_SECONDS_BETWEEN_SAMPLES)
        tracebacks = installation.tracebacks()
        for one in (worker, *web):
            print(f"{one.name}: at most {max(one.mb):.0f} MB, {one.growth():+.2f} MB a minute in the second half")
        print(
            f"{tracebacks} tracebacks, {installation.created} orders, {installation.pages} pages, "
            f"{installation.faults} faults of providers"
        )
    assert tracebacks > 100 * MINUTES and installation.pages > 100 * MINUTES
    assert max(worker.mb) <= MAX_WORKER_MB
    assert max(mb for one in web for mb in one.mb) <= MAX_WEB_MB
    assert worker.growth() <= MAX_GROWTH
