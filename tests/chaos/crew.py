"""Celery workers and beats in child processes, restarted whenever they are killed."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from tests.chaos.children import Children

# After this time a process that was terminated is killed.
_STOP_SECONDS = 15


class Crew:
    """Two workers and, with a broker that connects processes, two beats.

    With the embedded broker each worker has its own beat inside.
    """

    def __init__(self, children: Children, *, has_broker: bool) -> None:
        self._children = children
        self._running: dict[str, Any] = {}
        self.figures: Counter[str] = Counter()
        self._names = ("worker-1", "worker-2", *(("beat-1", "beat-2") if has_broker else ()))

    def start(self) -> None:
        for name in self._names:
            self._start(name)

    def kill_one(self, draw: random.Random) -> None:
        """Send SIGKILL to one of them and restart it at once."""
        name = draw.choice(self._names)
        process = self._running[name]
        if process.exitcode is not None:
            self.figures[f"{name.split('-')[0]}s that ended on their own"] += 1
        process.kill()
        self._children.wait_for(process)
        self.figures["kills"] += 1
        self._start(name)

    def stop(self) -> None:
        """Let all processes finish their work; kill those that take too long."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            self._children.wait_for(process, seconds=_STOP_SECONDS)
        self._running.clear()

    def errors(self) -> Counter[str]:
        """Return how often each error is in their logs, by the last line of its traceback."""
        found: Counter[str] = Counter()
        for path in self._children.folder.glob("*.log"):
            for line in path.read_text(errors="replace").splitlines():
                if "Traceback" in line:
                    found[line.rstrip('"}').split("\\n")[-1][:160]] += 1
        return found

    def _start(self, name: str) -> None:
        from tests.chaos import worker

        kind = name.split("-")[0]
        self._running[name] = self._children.start(worker.serve, kind, name, log=name)
        self.figures[f"{kind}s started"] += 1
