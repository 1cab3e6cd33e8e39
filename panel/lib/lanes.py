"""Lanes: threads for the work that waits for other machines, apart from the threads of tasks.

A task that waited for a provider itself would hold up the work for all others. So a task starts lanes and ends. A host
that hangs keeps few lanes, and all hosts that hang together at most half of them.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog
from django.db import connection, connections

from panel.lib.http.calls import CALLS

log = structlog.get_logger(__name__)

MAX_LANES = 64
# Lanes for one host that hangs or has not answered yet, and for all such hosts together.
MAX_SUSPECT_LANES = 2
MAX_ALL_SUSPECT_LANES = MAX_LANES // 2


class Lanes:
    """A pool of lanes. Each has the name of its work and the host that it waits for."""

    def __init__(
        self, *, is_suspect: Callable[[str], bool] = CALLS.is_suspect, hangs: Callable[[str], bool] = CALLS.hangs
    ) -> None:
        self._is_suspect, self._hangs = is_suspect, hangs
        self._lock = threading.Lock()
        self._names: Counter[str] = Counter()
        self._hosts: Counter[str] = Counter()
        self._pool: ThreadPoolExecutor | None = None
        self.is_closing = False

    def start(self, work: Callable[[], object], *, name: str, host: str, limit: int = 1) -> bool:
        """Run `work` in a lane of its own. Return False if no lane is free, or `limit` of this name run already.

        An error of the work is logged, with its name. Never fails: who has claimed an order calls it before sending.
        """
        with self._lock:
            if self.is_closing or self._names[name] >= limit or not self._is_free(host):
                return False
            self._names[name] += 1
            self._hosts[host] += 1
            if self._pool is None:
                self._pool = ThreadPoolExecutor(MAX_LANES, thread_name_prefix="lane")
            try:
                self._pool.submit(self._run, work, name, host)
            except RuntimeError as error:
                log.warning("no lane started", lane=name, exc_info=True)
                # Without a new thread the work is queued all the same, and another lane's thread does it.
                if "new thread" not in str(error):
                    self._leave(name, host)
                return False
        return True

    def running(self) -> int:
        """Return how many lanes run."""
        with self._lock:
            return self._names.total()

    def stop(self) -> None:
        """Start no lane any more. A process ends when its lanes have ended: an answer that still comes is recorded."""
        self.is_closing = True

    def close(self) -> None:
        """Start no lane any more, and wait until those that run have ended."""
        self.stop()
        with self._lock:
            pool = self._pool
        if pool is not None:
            pool.shutdown(wait=True)

    def _is_free(self, host: str) -> bool:
        if self._hosts.total() >= MAX_LANES:
            return False
        if not self._is_suspect(host):
            return True
        if self._hosts[host] >= MAX_SUSPECT_LANES:
            return False
        # Hosts that hang must not keep out one that was not asked yet.
        hanging = sum(count for one, count in self._hosts.items() if self._hangs(one))
        return not self._hangs(host) or hanging < MAX_ALL_SUSPECT_LANES

    def _run(self, work: Callable[[], object], name: str, host: str) -> None:
        _here.is_lane = True
        try:
            work()
        except Exception:
            log.exception("lane failed", lane=name)
        finally:
            try:
                connections.close_all()
            finally:
                with self._lock:
                    self._leave(name, host)

    def _leave(self, name: str, host: str) -> None:
        for counter, key in ((self._names, name), (self._hosts, host)):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]


LANES = Lanes()
_here = threading.local()


def leave_database(*, host: str) -> None:
    """Close the lane's connection to the database before it waits for a host that hangs.

    There may be as many such lanes as a database allows connections. Elsewhere than in a lane do nothing.
    """
    if getattr(_here, "is_lane", False) and CALLS.is_suspect(host) and not connection.in_atomic_block:
        connection.close()
