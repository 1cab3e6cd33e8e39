"""Child processes: servers to start and wait for, and Python modules that run commands."""

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
# How long a server may take to start.
MAX_SECONDS = 180
# Environment variables that child processes inherit.
_INHERITED = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")


class Process:
    """A child process in the folder `root`. Its output goes to `<name>.log` in `folder`."""

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
            # In its own process group, so that its children are killed with it.
            self._process = subprocess.Popen(
                command,
                cwd=root,
                env=plain_environment() | dict(environment or {}),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, or None while the process runs."""
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
        """Wait until the server listens. Fail if it exits first, or after MAX_SECONDS."""
        deadline = time.monotonic() + MAX_SECONDS
        while True:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.exit_code is None and time.monotonic() < deadline, self.printed()
            time.sleep(0.05)


class CommandProcess:
    """A Python module that runs one command at a time, as `tests.chain.worker` does. Its other output goes to `log`.

    The first command waits until the module is loaded.
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
        """Run one command and return its result. Fail with the traceback if it raises."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"do": name, "with": values}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self._log.read_text()[-4_000:]
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


def plain_environment() -> dict[str, str]:
    """Return the part of this environment that any process needs, without settings of the panel."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}
