"""The calls of this process to each host: which still wait for an answer, and whether the last ones hung."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

# A call that waits for longer counts as hung until its answer is here.
HUNG_SECONDS = 5.0
# So many calls in a row that hung make a host suspect: one alone may be chance.
MIN_HUNG = 2
# How long a reading call may take, as a multiple of the slowest of the last answers, and at least (seconds).
PATIENCE = 4
MIN_PATIENCE = 10.0
_MAX_TIMES = 20


class Call:
    """A call that runs. Set `answered` when an answer came, whatever it says."""

    __slots__ = ("answered", "began", "reads")

    def __init__(self, began: float, *, reads: bool) -> None:
        self.began, self.reads = began, reads
        self.answered = False


@dataclass(slots=True)
class _Host:
    running: set[Call] = field(default_factory=set)
    # Calls in a row that hung, since the last answer.
    hung: int = 0
    has_answered: bool = False
    # How many seconds the last reading calls took, those that were given up included.
    times: deque[float] = field(default_factory=lambda: deque(maxlen=_MAX_TIMES))


class Calls:
    """Thread-safe. `clock` returns seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    @contextmanager
    def watched(self, host: str, *, reads: bool) -> Iterator[Call]:
        """Watch a call while it runs. `reads`: it only reads, and may be asked again."""
        call = Call(self._clock(), reads=reads)
        with self._lock:
            known = self._hosts.setdefault(host, _Host())
            known.running.add(call)
        try:
            yield call
        finally:
            took = self._clock() - call.began
            with self._lock:
                known.running.discard(call)
                if call.reads and (call.answered or took > HUNG_SECONDS):
                    known.times.append(took)
                if call.answered:
                    known.hung, known.has_answered = 0, True
                elif took > HUNG_SECONDS:
                    known.hung += 1

    def waiting(self, host: str) -> int:
        """Return how many calls to the host have waited for longer than HUNG_SECONDS."""
        with self._lock:
            known = self._hosts.get(host)
            return self._waiting(known) if known else 0

    def is_suspect(self, host: str) -> bool:
        """Return True if the last calls to the host hung, or if it has not answered this process yet."""
        with self._lock:
            known = self._hosts.get(host)
            return known is None or not known.has_answered or self._hangs(known)

    def hangs(self, host: str) -> bool:
        """Return True if the last calls to the host hung. One that was not asked yet does not."""
        with self._lock:
            known = self._hosts.get(host)
            return known is not None and self._hangs(known)

    def patience(self, host: str, *, longest: float) -> float:
        """Return for how many seconds to wait for an answer that may be asked for again, `longest` at most."""
        with self._lock:
            known = self._hosts.get(host)
            slowest = max(known.times, default=longest) if known else longest
        return min(max(slowest * PATIENCE, MIN_PATIENCE), longest)

    def _hangs(self, known: _Host) -> bool:
        return known.hung + self._waiting(known) >= MIN_HUNG

    def _waiting(self, known: _Host) -> int:
        now = self._clock()
        return sum(now - call.began > HUNG_SECONDS for call in known.running)


CALLS = Calls()


def host_of(url: str) -> str:
    """Return the host of an address, with its port if it is unusual: panels on one host fall together."""
    return urlsplit(url.strip().lower()).netloc.removesuffix(":443").removeprefix("www.")
