"""A Celery worker or beat in a forked process that has the panel loaded, so that it starts quickly."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait
from pathlib import Path

from panel import task_settings
from panel.celery import app
from tests.chaos import guards, sabotage
from tests.chaos.child import log_to, shorten_searches

# Seconds between the tasks that beat sends: short, because a worker lives only for seconds here.
_INTERVALS = {"submit-orders": 0.5, "reconcile-orders": 0.5, "poll-orders": 1.0}


def serve(kind: str, name: str, *, log: str) -> None:
    """Run `celery worker` or `celery beat` until it is killed or terminated."""
    log_to(log)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    sabotage.install()
    guards.install(log)
    shorten_searches()
    schedule = {entry: {**app.conf.beat_schedule[entry], "schedule": seconds} for entry, seconds in _INTERVALS.items()}
    app.conf.beat_schedule = schedule
    task_settings.INTERVALS.update({entry["task"]: entry["schedule"] for entry in schedule.values()})
    if kind == "worker":
        app.worker_main(["worker", "--hostname", f"{name}@chaos", "--loglevel", "WARNING"])
    else:
        kept = str(Path(log).with_suffix(".schedule"))
        app.start(["beat", "--scheduler", "celery.beat:Scheduler", "-s", kept, "--pidfile=", "--loglevel=WARNING"])


def _die_with_parent() -> None:
    """Exit when the parent process ends, so that killing the chaos tests leaves no workers behind."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
