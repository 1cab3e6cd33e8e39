"""Celery workers and beats as processes of their own, started again whenever they were killed."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from tests.chaos.children import Children

_STOP_SECONDS = 15


class Crew:
    """Two workers; with a broker that carries messages between processes also two beats.

    The embedded broker's workers have a beat each inside.
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
        """SIGKILL to one of them, which is then started again at once."""
        name = draw.choice(self._names)
        process = self._running[name]
        if process.exitcode is not None:
            self.figures[f"{name.split('-')[0]}s that ended by themselves"] += 1
        process.kill()
        self._children.ended(process)
        self.figures["kills"] += 1
        self._start(name)

    def stop(self) -> None:
        """Lets them finish what they do; whoever does not is killed."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            self._children.ended(process, seconds=_STOP_SECONDS)
        self._running.clear()

    def errors(self) -> Counter[str]:
        """What went wrong in them by their logs: the last lines of tracebacks, counted."""
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
