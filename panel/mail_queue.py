"""Mails that must be sent even if the server is down or the process is killed. Rows of a table are the queue.

A row is due by `mail_due_at`, an indexed column that is null once the mail was sent. `mail_attempts` counts
attempts.

1. Claim: move `mail_due_at` past a lease. One of several workers wins. 2. Send, outside of any transaction. 3. Clear
it if the row still has the state that was mailed; otherwise the next round mails the new state.

A process that dies between 2 and 3 sends the mail again: twice is better than never.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import F, QuerySet

from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, record_heartbeat, resolve_alert
from panel.lib import clock
from panel.lib.backoff import backoff
from panel.lib.claims import claim_due
from panel.site import mail_setup

log = structlog.get_logger(__name__)

MAX_ROUND = 50
MAX_ATTEMPTS = 8
LEASE = timedelta(minutes=5)
_FIRST_WAIT = timedelta(minutes=1)
_MAX_WAIT = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class MailQueue:
    """The definition of a mail queue.

    `write` returns the mail for a row, or None if its state needs none. `unchanged` are the columns that must be
    unchanged since the mail was written. `alert` is the cause of its alerts, `unreachable` the text while there is
    no server, and `refused` the text about a row that was given up.
    """

    rows: Callable[[], QuerySet[Any]]
    write: Callable[[Any, BaseEmailBackend], EmailMessage | None]
    unchanged: tuple[str, ...]
    alert: Cause
    unreachable: str
    refused: Callable[[Any], str]


def send_due(queue: MailQueue) -> int:
    """Send the mails that are due. Return how many were sent."""
    due = queue.rows().filter(mail_due_at__lte=clock.now()).order_by("mail_due_at").values_list("pk", flat=True)
    attempt = {"mail_attempts": F("mail_attempts") + 1}
    sent = 0
    connection = get_connection()
    try:
        for pk in list(due[:MAX_ROUND]):
            if not _reach(queue, connection):
                break  # Nothing was claimed, so a server that is down uses up no attempts.
            for row in claim_due(queue.rows().filter(pk=pk), due="mail_due_at", lease=LEASE, limit=1, values=attempt):
                row.mail_attempts += 1
                sent += _send(queue, row, connection)
    finally:
        connection.close()
    return sent


def wait_after(attempts: int) -> timedelta:
    """Return how long to wait after this many failed attempts."""
    return backoff(attempts - 1, first=_FIRST_WAIT, longest=_MAX_WAIT, factor=4)


def _reach(queue: MailQueue, connection: BaseEmailBackend) -> bool:
    try:
        connection.open()
    except Exception as error:  # Each mail backend raises its own errors.
        log.warning("mail server not reached", error=type(error).__name__)
        raise_alert(cause=queue.alert, text=queue.unreachable)
        return False
    return True


def _send(queue: MailQueue, row: Any, connection: BaseEmailBackend) -> bool:
    """Send the mail for `row` as claimed. Return True if it was sent."""
    same = {column: getattr(row, column) for column in ("mail_due_at", *queue.unchanged)}
    unchanged = queue.rows().filter(pk=row.pk, **same)
    try:
        mail = queue.write(row, connection)
        if mail:
            mail.send()
    except Exception as error:  # Each mail backend raises its own errors.
        log.warning("mail not sent", queue=queue.alert, row=row.pk, error=type(error).__name__)
        connection.close()  # It may be unusable after an error.
        if row.mail_attempts < MAX_ATTEMPTS:
            unchanged.update(mail_due_at=clock.now() + wait_after(row.mail_attempts))
        elif unchanged.update(mail_due_at=None):
            raise_alert(cause=queue.alert, text=queue.refused(row))
        return False
    if unchanged.update(mail_due_at=None, mail_attempts=0):
        resolve_alert(cause=queue.alert)
    if mail:
        _note_proof()
    return True


def _note_proof() -> None:
    """Store that the mail server took a mail: the proof that there is one."""
    if mail_setup.is_mail_set_up():
        record_heartbeat(task="mail")
