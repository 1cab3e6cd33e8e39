"""A Redis server that a test can kill, suspend and empty."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import redis

from tests.chain.processes import MAX_SECONDS, Process
from tests.ports import free_port


def queue_of(prefix: str = "") -> str:
    """Return the key of the messages of the panel with this prefix; the release before had none."""
    return f"{prefix}:celery" if prefix else "celery"


class Broker:
    """A Redis server that keeps its port through restarts and loses all data when it is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process = self._start()
        self.wait()

    def _start(self) -> Process:
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder))
        return Process("redis", "redis-server", *options, "--save", "", "--appendonly", "no", folder=self.folder)

    def wait(self) -> None:
        """Wait until the server answers; fail if it exited or takes too long."""
        deadline = time.monotonic() + MAX_SECONDS
        while not self._answers():
            assert self._process.exit_code is None and time.monotonic() < deadline, self._process.printed()
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with self.client(socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def client(self, **values: float) -> redis.Redis:
        """Return a client that does not retry."""
        return redis.Redis(host="127.0.0.1", port=self.port, retry=None, **values)

    def waiting(self, prefix: str = "") -> int:
        """Return how many messages wait for a worker of the panel with this prefix."""
        with self.client() as client:
            return int(client.llen(queue_of(prefix)))

    def flush(self) -> None:
        """Delete every message, and with them the bindings of the queues."""
        with self.client() as client:
            client.flushall()

    def restart_after(self, seconds: float) -> None:
        """Kill the server and start it again, empty, after `seconds`."""
        self._process.close()
        time.sleep(seconds)
        self._process = self._start()
        self.wait()

    def hang(self, seconds: float) -> None:
        """Suspend the server for `seconds`: it accepts connections and answers nothing."""
        self._process.signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            self._process.signal(signal.SIGCONT)
        self.wait()

    def refuse(self, seconds: float) -> None:
        """Refuse every write for `seconds`, as a server that became a replica or whose disk is full."""
        with self.client() as client:
            client.config_set("min-replicas-to-write", 1)
            time.sleep(seconds)
            client.config_set("min-replicas-to-write", 0)

    def close(self) -> None:
        self._process.close()
