"""A Redis of the test's own, to be killed, stopped and emptied."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import redis

from tests.chain.processes import MAX_SECONDS, Process
from tests.ports import free_port


class Broker:
    """Listens on one port for good, and keeps nothing when it is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process = self._started()
        self.wait()

    def _started(self) -> Process:
        where = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder))
        return Process("redis", "redis-server", *where, "--save", "", "--appendonly", "no", folder=self.folder)

    def wait(self) -> None:
        """Returns once it answers."""
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
        return redis.Redis(host="127.0.0.1", port=self.port, retry=None, **values)

    def waiting(self) -> int:
        """How many messages nobody has taken yet."""
        with self.client() as client:
            return int(client.llen("celery"))

    def flush(self) -> None:
        """Takes away every message, and with them the bindings of the queues."""
        with self.client() as client:
            client.flushall()

    def be_away(self, seconds: float) -> None:
        """Is killed, and answers again after so many seconds, knowing nothing."""
        self._process.close()
        time.sleep(seconds)
        self._process = self._started()
        self.wait()

    def hang(self, seconds: float) -> None:
        """Takes connections and answers none of them."""
        self._process.signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            self._process.signal(signal.SIGCONT)
        self.wait()

    def refuse(self, seconds: float) -> None:
        """Answers every write with an error, as one that became a replica or has a full disk."""
        with self.client() as client:
            client.config_set("min-replicas-to-write", 1)
            time.sleep(seconds)
            client.config_set("min-replicas-to-write", 0)

    def close(self) -> None:
        self._process.close()
