"""Servers in processes of their own: started together, waited for, and ended whatever happens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180
"""Seconds until a server that does not come up fails its test."""
_KEPT = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")


class Process:
    """A process of its own; what it prints goes to a file of its name in `folder`."""

    def __init__(self, name: str, *command: str, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as output:
            # A group of its own: whoever it starts is ended with it.
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=plain_environment() | dict(environment or {}),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        """None while it lives."""
        return self._process.poll()

    def signal(self, number: int) -> None:
        os.killpg(self._process.pid, number)

    def printed(self) -> str:
        return self.log.read_text(errors="replace")[-4_000:]

    def close(self) -> None:
        if self.exit_code is None:
            self.signal(signal.SIGKILL)
        self._process.wait()


class Server(Process):
    """A Python program that listens on a port of 127.0.0.1."""

    def __init__(
        self, name: str, *command: str, port: int, folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.port = port
        super().__init__(name, sys.executable, *command, folder=folder, environment=environment)

    def wait(self) -> None:
        """Returns once it listens."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.exit_code is None and time.monotonic() < deadline, self.printed()
            time.sleep(0.05)


def plain_environment() -> dict[str, str]:
    """What a process needs of this one's environment: none of its settings."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}
