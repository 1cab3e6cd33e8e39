"""Starting the processes that are made to die. Each is forked from a server that has the panel loaded."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 60


class Children:
    """Runs functions in processes of their own; what they print goes to a file in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.chaos.child", "tests.chaos.worker"])
        self._running: set[Any] = set()

    def event(self) -> Any:
        return self._context.Event()

    def start(self, function: Any, *args: Any, log: str = "children", **values: Any) -> Any:
        path = str(self.folder / f"{log}.log")
        process = self._context.Process(target=function, args=args, kwargs={"log": path, **values})
        process.start()
        self._running.add(process)
        return process

    def run(self, *rounds: str, crash: str = "") -> int:
        """The exit code of a process that did these rounds."""
        from tests.chaos import child

        return self.ended(self.start(child.work, rounds, crash=crash))

    def ended(self, process: Any, *, seconds: float = PATIENCE_SECONDS) -> int:
        """The exit code; whoever does not end in time is killed."""
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
        self._running.discard(process)
        code: int = process.exitcode
        process.close()
        return code

    def close(self) -> None:
        """Kills whoever still runs, or stands still: nobody may outlive the chaos."""
        for process in list(self._running):
            self.ended(process, seconds=0)

    def last_words(self) -> str:
        """The end of what they printed: why one of them failed."""
        lines = (self.folder / "children.log").read_text(errors="replace").splitlines()
        return lines[-1][:300] if lines else ""
