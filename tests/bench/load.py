"""A load generator in its own process: persistent connections that each send a request as soon as they have an answer.

It shares the machine with the measured server and so does little: it uses raw sockets and prepared requests, and reads
only the status and the length of an answer's head. Every answer is checked; a wrong one ends the bench.
"""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from tests.bench.measuring import Wrong

# Seconds at the start of each load that are not measured.
WARM_UP = 0.3
# How long an answer may take.
MAX_SECONDS = 60.0
_CHUNK = 1 << 18
_OK = b"HTTP/1.1 200 "
_LENGTH = b"\r\ncontent-length:"
_ORDER = b'{"order": '


@dataclass(frozen=True, slots=True)
class Load:
    """A load on the server at `port`.

    `requests` are whole HTTP requests; the connections use them in turn. `expected` is the body of every answer; None
    expects the id of a new order.
    """

    port: int
    connections: int
    seconds: float
    requests: Sequence[bytes]
    expected: bytes | None


@dataclass(slots=True)
class Loaded:
    """The result of a load. `waits` are the seconds until each answer while it was measured; `answers` counts all."""

    seconds: float
    answers: int = 0
    waits: list[float] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)


class LoadGenerator:
    """Starts and controls the process."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, child_pipe = context.Pipe()
        self._process = context.Process(target=_serve, args=(child_pipe,))

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.send(None)
        self._process.join()

    def put(self, load: Load) -> Loaded:
        """Run the load and return its result after the last answer. Raise Wrong at a wrong answer."""
        self._pipe.send(load)
        result: Loaded | str = self._pipe.recv()
        if isinstance(result, str):
            raise Wrong(result)
        return result


def _serve(pipe: Connection) -> None:
    while (load := pipe.recv()) is not None:
        try:
            pipe.send(_Run(load).run())
        except (Wrong, OSError) as error:
            pipe.send(f"the load ended early: {error!r}")


class _Client:
    """One connection: its request, and what it has received of the answer."""

    __slots__ = ("received", "request", "sent_at", "socket", "total_length")

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=MAX_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = request
        self.received = bytearray()
        self.total_length = 0
        self.sent_at = 0.0

    def send(self) -> None:
        self.received.clear()
        self.total_length = 0
        self.sent_at = time.perf_counter()
        self.socket.sendall(self.request)

    def receive(self) -> bytes | None:
        """Receive a part of the answer. Return the body once it is complete. Raise Wrong if it has another status."""
        chunk = self.socket.recv(_CHUNK)
        if not chunk:
            raise Wrong("the server closed a connection")
        self.received += chunk
        if not self.total_length:
            head, end, _ = self.received.partition(b"\r\n\r\n")
            if not end:
                return None
            if not head.startswith(_OK):
                raise Wrong(f"the server answered {head[:200]!r}")
            _, _, after = head.lower().partition(_LENGTH)
            self.total_length = len(head) + 4 + int(after.partition(b"\r\n")[0])
        if len(self.received) < self.total_length:
            return None
        return bytes(self.received[self.received.index(b"\r\n\r\n") + 4 :])


class _Run:
    """One load. Answers count as measured between WARM_UP and the end; each client stops at its next answer."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._result = Loaded(load.seconds)

    def run(self) -> Loaded:
        load = self._load
        requests = load.requests
        clients = [_Client(load.port, requests[place % len(requests)]) for place in range(load.connections)]
        with selectors.DefaultSelector() as selector:
            for client in clients:
                selector.register(client.socket, selectors.EVENT_READ, client)
            started = time.perf_counter() + WARM_UP
            self._exchange(selector, clients, started, started + load.seconds)
        for client in clients:
            client.socket.close()
        return self._result

    def _exchange(
        self, selector: selectors.BaseSelector, clients: Sequence[_Client], started: float, ends: float
    ) -> None:
        for client in clients:
            client.send()
        waiting = len(clients)
        while waiting:
            ready = selector.select(MAX_SECONDS)
            if not ready:
                raise Wrong(f"no answer in {MAX_SECONDS:g} seconds")
            for key, _ in ready:
                client: _Client = key.data
                body = client.receive()
                if body is None:
                    continue
                now = time.perf_counter()
                self._check(body)
                if started <= now < ends:
                    self._result.waits.append(now - client.sent_at)
                if now < ends:
                    client.send()
                else:
                    waiting -= 1

    def _check(self, body: bytes) -> None:
        self._result.answers += 1
        expected = self._load.expected
        if expected is None:
            if not body.startswith(_ORDER):
                raise Wrong(f"expected an order, received {body[:200]!r}")
            self._result.orders.append(int(body[len(_ORDER) : -1]))
        elif body != expected:
            raise Wrong(f"expected {expected[:200]!r}, received {body[:200]!r}")
