"""The process that does a piece of the panel's work, and dies or is stopped at a given point of it.

Imported first by the server that forks these processes, so that each of them starts with the panel loaded.
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
from tests.chaos import crashing, sabotage  # noqa: E402
from tests.chaos.product import ROUNDS  # noqa: E402

# The exit code of a process that died at its point.
DEAD = 9
FAILED = 1


def work(rounds: Sequence[str], *, log: str, crash: str = "", stop: str = "", stopped: Any = None) -> None:
    """Does rounds of work by name. At the point `crash` it dies; at `stop` it tells `stopped` and stops itself."""
    log_to(log)
    sabotage.install()
    shorten_looks()
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
    """Sends the due orders of one provider alone."""
    ROUNDS["one provider"] = lambda: submit_for_provider(provider=provider)
    work(["one provider"], **values)


def shorten_looks() -> None:
    """Where no later order is known, 200 ids are looked through instead of 2,000: twenty calls are two.

    The sandbox gives ids in steps of at most three, so that nothing lies further ahead.
    """
    match.MAX_WIDTH = 200


def log_to(path: str) -> None:
    """Everything that this process prints goes to a file."""
    with open(path, "ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)


def _stop(stopped: Any) -> None:
    """A point is passed many times, but stops the process once."""
    if not stopped.is_set():
        stopped.set()
        os.kill(os.getpid(), signal.SIGSTOP)
