"""A provider on loopback that misbehaves on demand, and knows the truth: what it received whole."""

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

API_KEY = "k3y-0123456789abcdef"

Behaviour = Callable[[socket.socket], None]


class FaultServer:
    """Runs `before_reading` on a connection, or else reads the request and runs `behaviour`."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.behaviour: Behaviour = answer(b"{}")
        self.before_reading: Behaviour | None = None
        self.connections = 0
        self.bytes_seen = 0
        self.whole: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopped = threading.Event()
        self._workers: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
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

    def close(self) -> None:
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the acceptor
        self._acceptor.join()
        self._listener.close()
        for worker in self._workers:
            worker.join(timeout=5)

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
            if self.before_reading is not None:
                self.before_reading(connection)
                return
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with contextlib.closing(connection):
                request = self._read(connection)
                if request is not None:
                    self.whole.append(request)
                self.behaviour(connection)

    def _read(self, connection: socket.socket) -> bytes | None:
        data = b""
        while chunk := connection.recv(65_536):
            self.bytes_seen += len(chunk)
            data += chunk
            head, found, body = data.partition(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")),
                0,
            )
            if found and len(body) >= length:
                return data
        return None


def http(body: bytes, *, status: int = 200, headers: str = "", length: int | None = None, mime: str = "") -> bytes:
    """The bytes of a whole answer; `length` lies about the body's."""
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


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def close(connection: socket.socket) -> None:
    connection.close()


def stall(connection: socket.socket) -> None:
    """Says nothing until the client goes away."""
    with contextlib.suppress(OSError):
        connection.recv(1)


def drip(data: bytes, pause: float = 0.03) -> Behaviour:
    """Sends a byte at a time, each soon enough for a timeout of its own."""

    def behave(connection: socket.socket) -> None:
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
