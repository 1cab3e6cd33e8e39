"""The panel under gunicorn as the README starts it, with its own port, and its own keys in the cache and the broker."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import redis

from tests.bench.environment import ROOT
from tests.bench.measuring import Wrong

COMMAND = ("-m", "gunicorn", "panel.wsgi", "--workers", "2", "--threads", "8")
# How long gunicorn may take to start.
MAX_START_SECONDS = 60.0
# Clock ticks per second, the unit of processor time in /proc.
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def redis_url() -> str:
    """Return BENCH_REDIS_URL if its server answers, else "" after a message that says why."""
    url = os.environ.get("BENCH_REDIS_URL", "")
    if not url:
        print("Skipped: Redis. Set BENCH_REDIS_URL, for example to redis://host/14.", flush=True)
        return ""
    try:
        redis.Redis.from_url(url, socket_connect_timeout=5).ping()
    except redis.RedisError as error:
        print(f"Skipped: Redis. The server of BENCH_REDIS_URL does not answer: {error}", flush=True)
        return ""
    return url


class WebServer:
    """Starts and measures gunicorn and its workers. `redis` is the URL of a server, or ""."""

    def __init__(self, *, redis: str, recorded: Path) -> None:
        self._redis = redis
        self._prefix = f"bench-{uuid4().hex}-"
        self._environ = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.bench.served_settings",
            "PANEL_PREFIX": self._prefix,
            "BENCH_RECORDED": str(recorded),
        }
        if redis:
            self._environ |= {"CACHE_URL": re.sub("^redis", "rediscache", redis), "CELERY_BROKER_URL": redis}

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (stays open as long as the server runs)
        with socket.socket() as listening:
            # The open socket is passed on, so that no other process can take the port meanwhile.
            listening.bind(("127.0.0.1", 0))
            listening.listen(256)
            self.port: int = listening.getsockname()[1]
            bind = ("--bind", f"fd://{listening.fileno()}", "--no-control-socket")
            self._process = subprocess.Popen(
                [sys.executable, *COMMAND, *bind],
                cwd=ROOT,
                env=self._environ,
                stdout=self._log,
                stderr=self._log,
                pass_fds=[listening.fileno()],
                start_new_session=True,
            )
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        if error is not None:
            print(f"The end of gunicorn's log:\n{self.log()}", flush=True)
        self._log.close()
        if self._redis:
            with redis.Redis.from_url(self._redis) as server:
                for name in server.scan_iter(match=f"{self._prefix}*", count=1_000):
                    server.delete(name)

    def _wait(self) -> None:
        """Wait until the server answers. Raise Wrong if it does not start."""
        until = time.monotonic() + MAX_START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            with (
                suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), timeout=MAX_START_SECONDS) as one,
            ):
                one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                if one.recv(64).startswith(b"HTTP/1.1 "):
                    return
            time.sleep(0.1)
        raise Wrong(f"gunicorn did not start:\n{self.log()}")

    def log(self) -> str:
        """Return the end of gunicorn's log."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")[-4_000:]

    def computing(self) -> float:
        """Return the seconds of processor time that the workers have used; 0 except on Linux."""
        found = 0.0
        for pid in self._workers():
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                found += (int(fields[11]) + int(fields[12])) / _TICKS
        return found

    def peak_mb(self) -> float:
        """Return the highest peak of memory of a worker; 0 except on Linux."""
        found = 0.0
        for pid in self._workers():
            with suppress(OSError):
                peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
                found = max(found, int(peak[1]) / 1_024 if peak else 0.0)
        return found

    def _workers(self) -> list[int]:
        pid = self._process.pid
        with suppress(OSError):
            return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []
