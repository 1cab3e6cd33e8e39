"""Threads that work on their own, in a process that may fork.

A forked process has all locks as they were at that moment, but not the threads that would release them. If one of them
was importing a module or talking to the database, the new process waits for its lock forever. So forks wait for them.
"""

from __future__ import annotations

import os
import threading
from typing import Self

# Seconds that a fork waits. A thread that takes longer waits for another machine, and holds nothing that hangs others.
MAX_FORK_WAIT = 20.0


class ForkGuard:
    """While a thread is inside `with guard`, forks of this process wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held_for_fork = False
        os.register_at_fork(before=self._before, after_in_parent=self._after, after_in_child=self._renew)

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def _before(self) -> None:
        self._held_for_fork = self._lock.acquire(timeout=MAX_FORK_WAIT)

    def _after(self) -> None:
        if self._held_for_fork:
            self._lock.release()

    def _renew(self) -> None:
        self._lock = threading.Lock()
