"""Servers in processes of their own: started together, waited for, and ended whatever happens."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Seconds until a server that does not come up fails its test.
PATIENCE = 180
_KEPT = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")


class Process:
    """A process of its own, in the tree of `root`; what it prints goes to a file of its name in `folder`."""

    def __init__(
        self,
        name: str,
        *command: str,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        root: Path = ROOT,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as output:
            # A group of its own: whoever it starts is ended with it.
            self._process = subprocess.Popen(
                command,
                cwd=root,
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


class CommandProcess:
    """A Python module that does one command at a time, as `tests.chain.worker` does; what else it prints goes to `log`.

    Ready at the first command.
    """

    def __init__(self, module: str, *, log: Path, environment: Mapping[str, str], root: Path = ROOT) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=root,
                env=plain_environment() | dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                start_new_session=True,
            )

    def do(self, name: str, /, **values: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"do": name, "with": values}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self._log.read_text()[-4_000:]
        said = json.loads(line)
        assert "error" not in said, said["error"]
        return said["result"]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


def plain_environment() -> dict[str, str]:
    """What a process needs of this one's environment: none of its settings."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}
