"""The thread of each web server and worker: it says that the process lives, judges the others, and tells the owner."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from celery import bootsteps
from django.conf import settings
from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from panel.alerts.models import Heartbeat, Process
from panel.channels.tell import tell_what_is_due
from panel.lib import clock
from panel.ops.watch import offline
from panel.ops.watch.judgement import judge
from panel.ops.watch.pings import ping
from panel.ops.watch.presence import EVERY, arrive, be_seen, forget_old, leave

log = structlog.get_logger(__name__)

# Seconds between two looks after which this process itself has slept: what it sees then is no news.
MAX_GAP = EVERY * 3
# Looks in a row that the database did not answer.
MIN_FAILURES = 2
# Telling is a task. While it is late, the watchers do it.
TELLS_LATE = timedelta(seconds=25)
PING_EVERY = 60.0


class Watcher:
    """One process's eyes. `look` is one look; `run` looks until `stop`."""

    def __init__(self, kind: Process.Kind) -> None:
        self.kind = kind
        self._process: Process | None = None
        self._stopped = threading.Event()
        self._last_look = 0.0
        self._failures = 0
        self._away_since: datetime | None = None
        self._pinged = 0.0

    def run(self) -> None:
        while not self._stopped.is_set():
            self.look()
            self._stopped.wait(EVERY)
        self._leave()

    def stop(self) -> None:
        self._stopped.set()

    def look(self) -> None:
        """Look once. Never raises."""
        began = time.monotonic()
        has_slept = self._last_look and began - self._last_look > MAX_GAP
        self._last_look = began
        try:
            self._be_seen()
            if has_slept:
                return
            judge()
            self._tell()
            offline.keep_channels()
            offline.tell_that_it_is_back()
            self._failures, self._away_since = 0, None
            self._ping(began)
        except DatabaseError as error:
            self._meet_failure(error)
        except Exception:
            log.exception("watch failed")
        finally:
            connections.close_all()

    def _be_seen(self) -> None:
        if self._process is None or not be_seen(self._process):
            self._process = arrive(self.kind)
            forget_old()

    def _tell(self) -> None:
        """Tell what is due, if no worker does."""
        told = Heartbeat.objects.filter(task="tell_owner", beat_at__gte=clock.now() - TELLS_LATE)
        if not told.exists():
            tell_what_is_due()

    def _ping(self, now: float) -> None:
        if self.kind == Process.Kind.WORKER and now - self._pinged > PING_EVERY:
            self._pinged = now
            ping(settings.PING_URL_WORKER)

    def _meet_failure(self, error: DatabaseError) -> None:
        self._away_since = self._away_since or timezone.now()
        self._failures += 1
        log.warning("watch without a database", error=type(error).__name__)
        if self._failures < MIN_FAILURES:
            return
        try:
            offline.tell_that_it_is_away(since=self._away_since, why=type(error).__name__)
        except Exception:
            log.exception("not told that the database is away")

    def _leave(self) -> None:
        try:
            if self._process is not None:
                leave(self._process)
        except DatabaseError as error:
            log.warning("process not ended", error=type(error).__name__)
        finally:
            connections.close_all()


class WatchMiddleware:
    """Starts the thread of a web server when it is ready to answer. It does nothing with requests."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        if settings.WATCH:
            start_in_this_process()
            # Web servers that load the panel before they fork: the parent's thread is not in the child.
            os.register_at_fork(after_in_child=start_in_this_process)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)


def start_in_this_process() -> None:
    """Start a web server's watcher, once in each process."""
    global _watching
    if _watching == os.getpid():
        return
    _watching = os.getpid()
    watcher = Watcher(Process.Kind.WEB)
    threading.Thread(target=watcher.run, name="watcher", daemon=True).start()
    atexit.register(watcher._leave)


_watching = 0


class WorkerWatch(bootsteps.StartStopStep):
    """Runs the thread in a Celery worker."""

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        self.watcher: Watcher | None = None
        self.thread: threading.Thread | None = None

    def include_if(self, worker: Any) -> bool:
        return bool(settings.WATCH)

    def start(self, worker: Any) -> None:
        self.watcher = Watcher(Process.Kind.WORKER)
        self.thread = threading.Thread(target=self.watcher.run, name="watcher", daemon=True)
        self.thread.start()

    def stop(self, worker: Any) -> None:
        if self.watcher and self.thread:
            self.watcher.stop()
            self.thread.join(EVERY)

    terminate = stop
