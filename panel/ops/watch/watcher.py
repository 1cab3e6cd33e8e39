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
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from panel.alerts.models import Heartbeat, Process
from panel.channels.tell import tell_what_is_due
from panel.lib import clock
from panel.lib.forks import ForkGuard
from panel.ops.watch import offline
from panel.ops.watch.judgement import judge
from panel.ops.watch.pings import ping
from panel.ops.watch.presence import EVERY, SILENT, arrive, be_seen, forget_old, leave

log = structlog.get_logger(__name__)

# Seconds between two looks after which this process itself has slept: what it sees then is no news.
MAX_GAP = EVERY * 3
# Looks in a row that the database did not answer.
MIN_FAILURES = 2
# Milliseconds that a statement of a watcher may take.
MAX_STATEMENT_MS = 8_000
# Telling is a task. While it is late, the watchers do it.
TELLS_LATE = timedelta(seconds=25)
PING_EVERY = 60.0

# A server that loads the panel first and forks then would hand down the locks of a look.
_LOOKING, _TELLING = ForkGuard(), ForkGuard()


class Watcher:
    """One process's eyes. `look` is one look; `run` looks until `stop`."""

    def __init__(self, kind: Process.Kind) -> None:
        self.kind = kind
        self._process: Process | None = None
        self._stopped = threading.Event()
        self._last_look: tuple[float, float] | None = None
        self._judges_from = 0.0
        self._failures = 0
        self._away_since: datetime | None = None
        self._pinged = 0.0
        self._beside: threading.Thread | None = None

    def run(self) -> None:
        while not self._stopped.is_set():
            self.look()
            self._stopped.wait(EVERY)

    def stop(self) -> None:
        self._stopped.set()

    def look(self) -> None:
        """Look once. Never raises."""
        with _LOOKING:
            self._look()

    def _look(self) -> None:
        self._notice_sleep()
        try:
            limit_statements()
            self._be_seen()
            if time.monotonic() < self._judges_from:
                return
            judge()
            self.do_beside(self._tell_and_ping)
            offline.keep_channels()
            offline.tell_that_it_is_back()
            self._failures, self._away_since = 0, None
        except (OperationalError, InterfaceError) as error:
            self._meet_failure(error)
        except Exception:
            log.exception("watch failed")
        finally:
            connections.close_all()

    def do_beside(self, work: Callable[[], None]) -> None:
        """Do what may wait for other machines in a thread of its own, one at a time: this one says that we live."""
        if self._beside is None or not self._beside.is_alive():
            self._beside = threading.Thread(target=_closing(work), name="watcher-tells", daemon=True)
            self._beside.start()

    def leave(self) -> None:
        """Store that this process was stopped in the ordinary way."""
        self.stop()
        try:
            if self._process is not None:
                limit_statements()
                leave(self._process)
        except DatabaseError as error:
            log.warning("process not ended", error=type(error).__name__)
        finally:
            connections.close_all()

    def _notice_sleep(self) -> None:
        """Judge nobody for a while after this machine slept or its clock was set: then all times are old at once.

        The monotonic clock stands still while a machine sleeps, the other one is set.
        """
        now = (time.monotonic(), time.time())
        if self._last_look and any(new - old > MAX_GAP for new, old in zip(now, self._last_look, strict=True)):
            self._judges_from = now[0] + SILENT.total_seconds()
        self._last_look = now

    def _be_seen(self) -> None:
        if self._stopped.is_set():
            return  # It is leaving.
        if self._process is None or not be_seen(self._process):
            self._process = arrive(self.kind)
            forget_old()

    def _tell_and_ping(self) -> None:
        """Tell what is due, if no worker does; and ping."""
        told = Heartbeat.objects.filter(task="tell_owner", beat_at__gte=clock.now() - TELLS_LATE)
        if not told.exists():
            tell_what_is_due()
        now = time.monotonic()
        if self.kind == Process.Kind.WORKER and now - self._pinged > PING_EVERY:
            self._pinged = now
            ping(settings.PING_URL_WORKER)

    def _meet_failure(self, error: Exception) -> None:
        self._away_since = self._away_since or timezone.now()
        self._failures += 1
        log.warning("watch without a database", error=type(error).__name__)
        if self._failures < MIN_FAILURES:
            return
        try:
            offline.tell_that_it_is_away(since=self._away_since, why=type(error).__name__)
        except Exception:
            log.exception("not told that the database is away")


def limit_statements() -> None:
    """Give up on a database that hangs: it is away as well, and only a watcher that waits for nothing can tell."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {MAX_STATEMENT_MS}")


def _closing(work: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        with _TELLING:
            try:
                work()
            except Exception:
                log.exception("watcher did not tell")
            finally:
                connections.close_all()

    return run


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
    atexit.register(watcher.leave)


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
            self.watcher.leave()

    terminate = stop
