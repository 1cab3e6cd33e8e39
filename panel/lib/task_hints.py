"""Hints to tasks that there is work. Tasks find work in the database; a lost hint costs one tick of beat."""

from __future__ import annotations

import threading
import time

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction

from panel.lib import clock

log = structlog.get_logger(__name__)

# Seconds between hints: a program may create a hundred orders a second, and one round finds them all.
PAUSE = 0.1

_lock = threading.Lock()
_due: set[str] = set()
_sender: threading.Thread | None = None


def hint_after_commit(task: str) -> None:
    """Send `task` once the transaction is committed. Never fails or delays the caller."""
    if settings.EMBEDDED_BROKER:
        return  # Its messages never leave this process, and the worker's beat ticks every other second.
    transaction.on_commit(lambda: _send_from_thread(task), robust=True)


def _send_from_thread(task: str) -> None:
    """Send from a thread: a broker that accepts and then hangs would block the customer's page for seconds.

    There is one thread: tasks hinted while it sends or pauses follow afterwards, each once.
    """
    global _sender
    with _lock:
        _due.add(task)
        if _sender is None or not _sender.is_alive():  # After a fork, the parent's thread is not alive.
            _sender = threading.Thread(target=_send_due, daemon=True)
            _sender.start()


def _send_due() -> None:
    """Send the hinted tasks. End when nothing was hinted during a pause."""
    global _sender
    while True:
        with _lock:
            tasks = sorted(_due)
            _due.clear()
            if not tasks:
                _sender = None
                return
        for task in tasks:
            _send(task)
        time.sleep(PAUSE)


def _send(task: str) -> None:
    try:
        # The time by the database's clock: a round that began since has seen the work.
        current_app.send_task(task, headers={"hinted_at": clock.known().isoformat()}, retry=False)
    except Exception as error:  # Any broker trouble: the order is stored, and beat will find it.
        log.warning("hint not sent", task=task, error=str(error))
