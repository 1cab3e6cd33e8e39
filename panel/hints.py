"""Hints: "there is work, look now". Work is found in the database; a lost hint costs one tick of beat."""

from __future__ import annotations

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction

log = structlog.get_logger(__name__)


def hint_after_commit(task: str) -> None:
    """Sends `task` once the transaction is committed. Never fails or delays the caller."""
    if settings.EMBEDDED_BROKER:
        return  # Its messages never leave this process, and the worker's beat ticks every other second.
    transaction.on_commit(lambda: _send(task), robust=True)


def _send(task: str) -> None:
    try:
        current_app.send_task(task, expires=60, retry=False)
    except Exception as error:  # Any broker trouble: the order is safe, and beat will find it.
        log.warning("hint not sent", task=task, error=str(error))
