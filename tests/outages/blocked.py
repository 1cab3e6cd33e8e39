"""The panel's Celery app with two tasks more: one that blocks its thread, and one that says who ran it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from panel.celery import app


@app.task(name="tests.outages.block")
def block(folder: str, number: int) -> None:
    """Leave a file, and wait until the file `go` is there too."""
    (Path(folder) / f"blocked-{number}").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.05)


@app.task(name="tests.outages.note", bind=True)
def note(self: Any, folder: str, number: int) -> None:
    """Leave a file that names the worker."""
    (Path(folder) / f"note-{number}-{self.request.hostname}").touch()
