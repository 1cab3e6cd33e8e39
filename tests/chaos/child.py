"""Child processes that do a part of the panel's work, and die or stop at a given point of it.

The server that forks them imports this module first, so that each child starts with the panel loaded.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import django

django.setup()

from orders.dispatch.submit import submit_for_provider  # noqa: E402
from orders.reconcile import match  # noqa: E402
from tests.chaos import crashing, guards, sabotage  # noqa: E402
from tests.chaos.product import ROUNDS  # noqa: E402

# Exit codes: of a process that died at its crash point, and of one whose work raised an exception.
DEAD = 9
FAILED = 1


def work(rounds: Sequence[str], *, log: str, crash: str = "", stop: str = "", stopped: Any = None) -> None:
    """Run the named rounds of work. Die at the point `crash`; at `stop`, set `stopped` and stop by SIGSTOP."""
    log_to(log)
    sabotage.install()
    guards.install(log)
    shorten_searches()
    if crash:
        crashing.POINTS[crash].install(lambda: os._exit(DEAD))
    if stop:
        crashing.POINTS[stop].install(lambda: _stop(stopped))
    try:
        for name in rounds:
            ROUNDS[name]()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(FAILED)


def submit(provider: Any, **values: Any) -> None:
    """Submit the due orders of this provider only."""
    ROUNDS["one provider"] = lambda: submit_for_provider(provider=provider)
    work(["one provider"], **values)


def shorten_searches() -> None:
    """Search 200 ids instead of 2,000 where no later order is known: two calls instead of twenty.

    The sandbox skips at most three ids at a time, so no order is further ahead.
    """
    match.MAX_WIDTH = 200


def log_to(path: str) -> None:
    """Append everything that this process prints to the file at `path`."""
    with open(path, "ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)


def _stop(stopped: Any) -> None:
    """Stop the process the first time only: it may pass the point many times."""
    if not stopped.is_set():
        stopped.set()
        os.kill(os.getpid(), signal.SIGSTOP)
