"""A provider on loopback that misbehaves on demand and records what it received."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

API_KEY = "k3y-0123456789abcdef"

Behaviour = Callable[[Any], None]
Stage = Literal["accept", "handshake", "head", "request"]


class Line:
    """A connection that reports every received byte to the server."""

    def __init__(self, connection: socket.socket, server: FaultServer) -> None:
        self._connection = connection
        self._server = server
        self._has_spoken = False

    def recv(self, size: int) -> bytes:
        data = self._connection.recv(size)
        if data and not self._has_spoken:
            self._has_spoken = True
            self._server.requests += 1
        self._server.bytes_seen += len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class FaultServer:
    """Runs `behaviour` once a connection has reached `stage` and the server has read what belongs to it.

    `connections` were accepted; `requests` are those over which at least a byte of a request came; `bytes_seen` counts
    these bytes. TLS is counted after decryption, so that a handshake is not a request.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, *, is_deaf: bool = False) -> None:
        self.tls = tls
        self.behaviour: Behaviour = answer(b"{}")
        self.stage: Stage = "request"
        self.connections = 0
        self.requests = 0
        self.bytes_seen = 0
        self.whole: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopped = threading.Event()
        self._workers: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._is_deaf = is_deaf
        self._crowd: list[socket.socket] = []
        if not is_deaf:
            self._acceptor.start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/api/v2"

    @property
    def received_whole(self) -> bool:
        return bool(self.whole)

    def crowd(self) -> None:
        """Fill the queue of a deaf server, so that it accepts no more connections."""
        self._listener.listen(0)
        with contextlib.suppress(TimeoutError):
            while len(self._crowd) < 9:
                self._crowd.append(socket.socket())
                self._crowd[-1].settimeout(0.1)
                self._crowd[-1].connect(("127.0.0.1", self.port))

    def wait_until_counted(self) -> None:
        """Wait until everything received has been counted. A deaf server only starts to accept now."""
        for sock in self._crowd:
            sock.close()
        if self._is_deaf:
            self._is_deaf = False
            self._listener.settimeout(0.1)
            self._accept()
        for worker in self._workers:
            worker.join(timeout=60)

    def close(self) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        if self._acceptor.ident is not None:
            self._acceptor.join()
        self._listener.close()
        self.wait_until_counted()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            worker = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._workers.append(worker)
            worker.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        with contextlib.suppress(OSError), contextlib.closing(connection):
            if self.stage == "accept":
                self.behaviour(connection if self.tls else Line(connection, self))
                return
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with contextlib.closing(connection):
                line = Line(connection, self)
                if self.stage != "handshake":
                    self._read(line)
                self.behaviour(line)

    def _read(self, line: Line) -> None:
        """Read a request, or as much of it as the stage needs."""
        data = b""
        while chunk := line.recv(1 if self.stage == "head" else 65_536):
            data += chunk
            head, found, body = data.partition(b"\r\n\r\n")
            if not found:
                continue
            if self.stage == "head":
                return
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")),
                0,
            )
            if len(body) >= length:
                self.whole.append(data)
                return


def http(body: bytes, *, status: int = 200, headers: str = "", length: int | None = None, mime: str = "") -> bytes:
    """Return the bytes of a whole answer; a false `length` may be given for the body."""
    size = len(body) if length is None else length
    kind = mime or "application/json"
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n{headers}\r\n"
    return head.encode() + body


def answer(body: bytes | str | dict[str, object] | list[object], **kwargs: object) -> Behaviour:
    if isinstance(body, dict | list):
        body = json.dumps(body)
    raw = body.encode() if isinstance(body, str) else body
    return raw_bytes(http(raw, **kwargs))  # type: ignore[arg-type]


def raw_bytes(data: bytes) -> Behaviour:
    return lambda connection: connection.sendall(data)


def reset(connection: Any) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def close(connection: Any) -> None:
    connection.close()


def stall(connection: Any) -> None:
    """Send nothing until the client disconnects."""
    with contextlib.suppress(OSError):
        while connection.recv(65_536):
            pass


def late(behaviour: Behaviour, pause: float) -> Behaviour:
    def behave(connection: Any) -> None:
        time.sleep(pause)
        behaviour(connection)

    return behave


def drip(data: bytes, pause: float = 0.03) -> Behaviour:
    """Send one byte at a time, each within the timeout of a single read."""

    def behave(connection: Any) -> None:
        for position in range(len(data)):
            connection.sendall(data[position : position + 1])
            time.sleep(pause)

    return behave


def gzip_bomb(size: int) -> Behaviour:
    packed = gzip.compress(b" " * size)
    return raw_bytes(http(packed, headers="Content-Encoding: gzip\r\n"))


def chunked(*chunks: bytes, ended: bool) -> Behaviour:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return raw_bytes(head + body + (b"0\r\n\r\n" if ended else b""))


class Endless:
    """Sends `head`, then `chunk` repeatedly for as long as the client reads."""

    def __init__(self, head: bytes, chunk: bytes) -> None:
        self.head = head
        self.chunk = chunk
        self.sent = 0

    def __call__(self, connection: Any) -> None:
        # A small buffer, so that the number of bytes sent is close to the number read.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        connection.sendall(self.head)
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(self.chunk)
                self.sent += len(self.chunk)
