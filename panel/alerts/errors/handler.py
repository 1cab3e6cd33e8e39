"""A handler of logs that reports each error with its exception, from a thread of its own.

Whoever logs an error may be in a transaction that is broken, or hold a lock. So the handler only keeps it, and a thread
stores what came within a second: a storm of errors costs one statement a second.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING

from panel.lib.forks import ForkGuard

if TYPE_CHECKING:
    from panel.alerts.errors.reports import Report

MAX_WAITING = 500
# Seconds between two writes, and that a process waits for the last one when it ends.
PAUSE = 1.0
MAX_END_WAIT = 3.0
# What strangers send is no error of ours; and what this module logs would come back to it.
IGNORED = ("django.security", "panel.alerts.errors")
_REPORTED = "_panel_reported"
_STORING = ForkGuard()

log = logging.getLogger(__name__)


class AlertHandler(logging.Handler):
    """Reports errors. It never raises and never waits."""

    def emit(self, record: logging.LogRecord) -> None:
        error = _error_of(record)
        if error is None or record.name.startswith(IGNORED) or hasattr(error, _REPORTED):
            return
        try:
            from panel.alerts.errors.reports import report_of  # Loaded before the apps are, by the logging's set-up.

            setattr(error, _REPORTED, True)  # Several loggers log one error.
            WRITER.add(report_of(error, where=_where(record)))
        except Exception as failure:  # An error in reporting must not hide the error.
            log.warning("error not reported: %s", type(failure).__name__)


class Writer:
    """A queue of reports and the thread that stores them. Thread-safe; a forked process starts its own thread."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Report] = queue.Queue(MAX_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def add(self, report: Report) -> None:
        """Keep the report. If too many wait, drop it: it is in the log."""
        try:
            self._waiting.put_nowait(report)
        except queue.Full:
            return
        with self._lock:
            if self._thread is None or self._pid != os.getpid() or not self._thread.is_alive():
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._write, name="errors", daemon=True)
                self._thread.start()
                atexit.register(self.finish)

    def finish(self) -> None:
        """Wait a little until what waits is stored: a command ends with its error."""
        end = time.monotonic() + MAX_END_WAIT
        while self._waiting.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.05)

    def _write(self) -> None:
        from django.db import connections

        while True:
            found = [self._waiting.get()]
            while not self._waiting.empty():
                found.append(self._waiting.get())
            try:
                self._store(found)
            finally:
                connections.close_all()
                for _ in found:
                    self._waiting.task_done()
            time.sleep(PAUSE)

    def _store(self, found: list[Report]) -> None:
        from panel.alerts.errors.reports import store_reports

        try:
            with _STORING:
                store_reports(found)
        except Exception as error:  # Without a database there is nobody to tell but the log.
            log.warning("errors not stored: %s", type(error).__name__)


WRITER = Writer()


def _error_of(record: logging.LogRecord) -> BaseException | None:
    if record.levelno < logging.ERROR:
        return None
    if record.exc_info:
        return record.exc_info[1]
    # structlog has made a text of it already; whoever logs it still handles it.
    return sys.exception() if isinstance(record.msg, dict) and "exception" in record.msg else None


def _where(record: logging.LogRecord) -> str:
    """Return the page, the task or the event in which it happened."""
    request = getattr(record, "request", None)
    if request is not None and getattr(request, "path", None):
        match = getattr(request, "resolver_match", None)
        return f"{request.method} /{match.route}" if match else f"{request.method} {request.path}"
    if isinstance(record.msg, dict):
        return str(record.msg.get("request") or record.msg.get("event", ""))
    if command := getattr(record, "command", None):
        return f"manage.py {command}"
    data = getattr(record, "data", None)
    if isinstance(data, dict) and "name" in data:
        return f"task {data['name']}"
    return record.name
