"""A load generator in a process of its own: so many kept connections, each asking again as soon as it is answered.

It shares the machine with what it measures, and so does little: raw sockets, requests made beforehand, and of an
answer's head only the length is read. Every answer is checked; a wrong one ends the bench.
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

# Seconds at the start of each load of which nothing is counted.
WARM_UP = 0.3
PATIENCE = 60.0
_CHUNK = 1 << 18
_OK = b"HTTP/1.1 200 "
_LENGTH = b"\r\ncontent-length:"
_ORDER = b'{"order": '


@dataclass(frozen=True, slots=True)
class Load:
    """`requests`: whole HTTP requests, one for each connection, again from the first where connections are more.

    `expected`: the answer's body, the same each time; None: the id of a new order.
    """

    port: int
    connections: int
    seconds: float
    requests: Sequence[bytes]
    expected: bytes | None


@dataclass(slots=True)
class Loaded:
    """`waits` are the seconds of each answer that came while it was counted, for `seconds`; `answers` are all."""

    seconds: float
    answers: int = 0
    waits: list[float] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)


class LoadGenerator:
    """The process, as the bench sees it."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,))

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ours.send(None)
        self._process.join()

    def put(self, load: Load) -> Loaded:
        """Puts the load on the server, and waits for the last answer. Raises Wrong."""
        self._ours.send(load)
        found: Loaded | str = self._ours.recv()
        if isinstance(found, str):
            raise Wrong(found)
        return found


def _serve(theirs: Connection) -> None:
    while (load := theirs.recv()) is not None:
        try:
            theirs.send(_Run(load).found())
        except (Wrong, OSError) as error:
            theirs.send(f"the load ended early: {error!r}")


class _Line:
    """One connection: its request, and what came of the answer so far."""

    __slots__ = ("asked", "came", "request", "socket", "wanted")

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = request
        self.came = bytearray()
        self.wanted = 0
        self.asked = 0.0

    def ask(self) -> None:
        self.came.clear()
        self.wanted = 0
        self.asked = time.perf_counter()
        self.socket.sendall(self.request)

    def take(self) -> bytes | None:
        """The body, once it is all there. Raises Wrong."""
        chunk = self.socket.recv(_CHUNK)
        if not chunk:
            raise Wrong("the server closed a connection")
        self.came += chunk
        if not self.wanted:
            head, end, _ = self.came.partition(b"\r\n\r\n")
            if not end:
                return None
            if not head.startswith(_OK):
                raise Wrong(f"the server answered {head[:200]!r}")
            _, _, after = head.lower().partition(_LENGTH)
            self.wanted = len(head) + 4 + int(after.partition(b"\r\n")[0])
        if len(self.came) < self.wanted:
            return None
        return bytes(self.came[self.came.index(b"\r\n\r\n") + 4 :])


class _Run:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._found = Loaded(load.seconds)

    def found(self) -> Loaded:
        load = self._load
        requests = load.requests
        lines = [_Line(load.port, requests[place % len(requests)]) for place in range(load.connections)]
        with selectors.DefaultSelector() as selector:
            for line in lines:
                selector.register(line.socket, selectors.EVENT_READ, line)
            started = time.perf_counter() + WARM_UP
            self._exchange(selector, lines, started, started + load.seconds)
        for line in lines:
            line.socket.close()
        return self._found

    def _exchange(self, selector: selectors.BaseSelector, lines: Sequence[_Line], started: float, ends: float) -> None:
        for line in lines:
            line.ask()
        waiting = len(lines)
        while waiting:
            ready = selector.select(PATIENCE)
            if not ready:
                raise Wrong(f"no answer in {PATIENCE:g} seconds")
            for key, _ in ready:
                line: _Line = key.data
                body = line.take()
                if body is None:
                    continue
                now = time.perf_counter()
                self._check(body)
                if started <= now < ends:
                    self._found.waits.append(now - line.asked)
                if now < ends:
                    line.ask()
                else:
                    waiting -= 1

    def _check(self, body: bytes) -> None:
        self._found.answers += 1
        expected = self._load.expected
        if expected is None:
            if not body.startswith(_ORDER):
                raise Wrong(f"instead of an order there came {body[:200]!r}")
            self._found.orders.append(int(body[len(_ORDER) : -1]))
        elif body != expected:
            raise Wrong(f"instead of {expected[:200]!r} there came {body[:200]!r}")
