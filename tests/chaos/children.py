"""Starts the child processes that are killed, each forked from a server that has the panel loaded."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

# After this time a child is killed.
MAX_SECONDS = 60


class Children:
    """Runs functions in child processes. Their output goes to log files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.chaos.child", "tests.chaos.worker"])
        self._running: set[Any] = set()

    def event(self) -> Any:
        return self._context.Event()

    def start(self, function: Any, *args: Any, log: str = "children", **values: Any) -> Any:
        """Start the function in a child process and return the process."""
        path = str(self.folder / f"{log}.log")
        process = self._context.Process(target=function, args=args, kwargs={"log": path, **values})
        process.start()
        self._running.add(process)
        return process

    def run(self, *rounds: str, crash: str = "") -> int:
        """Run these rounds in a child process and return its exit code."""
        from tests.chaos import child

        return self.wait_for(self.start(child.work, rounds, crash=crash))

    def wait_for(self, process: Any, *, seconds: float = MAX_SECONDS) -> int:
        """Wait until the process has ended and return its exit code. Kill it after `seconds`."""
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
        self._running.discard(process)
        code: int = process.exitcode
        process.close()
        return code

    def close(self) -> None:
        """Kill all processes that still run or are stopped: none may outlive the chaos tests."""
        for process in list(self._running):
            self.wait_for(process, seconds=0)

    def last_line(self) -> str:
        """Return the last line that the children printed: why one of them failed."""
        lines = (self.folder / "children.log").read_text(errors="replace").splitlines()
        return lines[-1][:300] if lines else ""
