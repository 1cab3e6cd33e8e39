"""Hints: "there is work, look now". Work is found in the database; a lost hint costs one tick of beat."""

from __future__ import annotations

import threading

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction

log = structlog.get_logger(__name__)

_sending = threading.Lock()


def hint_after_commit(task: str) -> None:
    """Sends `task` once the transaction is committed. Never fails or delays the caller."""
    if settings.EMBEDDED_BROKER:
        return  # Its messages never leave this process, and the worker's beat ticks every other second.
    transaction.on_commit(lambda: _send_aside(task), robust=True)


def _send_aside(task: str) -> None:
    """Sends from a thread: a broker that accepts and then hangs would hold the customer's page for seconds.

    One hint at a time. While one hangs, further ones are dropped, so that threads never pile up.
    """
    if _sending.acquire(blocking=False):
        threading.Thread(target=_send_and_release, args=(task,), daemon=True).start()


def _send_and_release(task: str) -> None:
    try:
        _send(task)
    finally:
        _sending.release()


def _send(task: str) -> None:
    try:
        current_app.send_task(task, expires=60, retry=False)
    except Exception as error:  # Any broker trouble: the order is safe, and beat will find it.
        log.warning("hint not sent", task=task, error=str(error))
