"""Forks of processes whose threads hold locks, in real processes."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, sys, threading, time
from contextlib import nullcontext
from panel.lib.forks import ForkGuard

guard = ForkGuard() if sys.argv[1] == "guarded" else nullcontext()
lock, holds = threading.Lock(), threading.Event()

def work():
    with guard, lock:
        holds.set()
        time.sleep(0.2)

threading.Thread(target=work, daemon=True).start()
holds.wait()
child = os.fork()
if not child:
    works = lock.acquire(timeout=1)
    with guard:
        os._exit(0 if works else 3)
_, status = os.waitpid(child, 0)
with guard:
    sys.exit(os.waitstatus_to_exitcode(status))
"""


def fork_while_a_thread_holds_a_lock(how: str) -> int:
    """Return 0 if the child got the lock, or 3 if it waited in vain."""
    return subprocess.run([sys.executable, "-c", PROGRAM, how], timeout=60, check=False).returncode


def test_fork_when_unguarded_then_the_lock_is_lost():
    """The hang is real: nobody releases what the child inherited."""
    assert fork_while_a_thread_holds_a_lock("bare") == 3


def test_fork_when_guarded_then_it_waits_for_the_thread():
    assert fork_while_a_thread_holds_a_lock("guarded") == 0
