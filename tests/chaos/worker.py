"""A Celery worker, or a beat, in a process that was forked with the panel loaded: it is at work in a moment."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait
from pathlib import Path

from panel.celery import app
from tests.chaos import sabotage
from tests.chaos.child import log_to, shorten_looks

# Beat in a hurry, since a worker lives for seconds here.
_EVERY = {"submit-orders": 0.5, "reconcile-orders": 0.5, "poll-orders": 1.0}


def serve(kind: str, name: str, *, log: str) -> None:
    """What `celery worker` or `celery beat` does, until it is killed or told to stop."""
    log_to(log)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    sabotage.install()
    shorten_looks()
    app.conf.beat_schedule = {
        entry: {**app.conf.beat_schedule[entry], "schedule": seconds} for entry, seconds in _EVERY.items()
    }
    if kind == "worker":
        app.worker_main(["worker", "--hostname", f"{name}@chaos", "--loglevel", "WARNING"])
    else:
        schedule = str(Path(log).with_suffix(".schedule"))
        app.start(["beat", "--scheduler", "celery.beat:Scheduler", "-s", schedule, "--pidfile=", "--loglevel=WARNING"])


def _die_with_parent() -> None:
    """Whoever kills the chaos itself must not leave its workers behind."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
