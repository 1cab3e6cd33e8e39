"""The recorded requests of API v2, for tests."""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Recorded:
    """One request. `params` come without the key; times are Unix seconds.

    `processed` is whether the provider received it, `fault` the `end` of its fault; `answered_at` and `status` are
    None unless an answer was sent.
    """

    number: int
    method: str
    action: str | None
    params: dict[str, str]
    headers: dict[str, str]
    received_at: float
    processed: bool = False
    fault: str | None = None
    status: int | None = None
    answered_at: float | None = None


@dataclass(slots=True)
class RequestLog:
    """The last `keep` requests, oldest first; thread-safe."""

    keep: int
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _total: int = 0
    _kept: deque[Recorded] = field(init=False)

    def __post_init__(self) -> None:
        self._kept = deque(maxlen=self.keep)

    def add(self, entry: Recorded) -> None:
        """Number the entry and keep it."""
        with self._lock:
            self._total += 1
            entry.number = self._total
            self._kept.append(entry)

    def change(self, entry: Recorded, **values: object) -> None:
        """Set fields of a kept entry."""
        with self._lock:
            for name, value in values.items():
                setattr(entry, name, value)

    def copies(self) -> list[Recorded]:
        with self._lock:
            return [dataclasses.replace(entry) for entry in self._kept]

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
