"""One form-encoded POST over a connection of its own, measured while it happens.

Whether anything was sent is read from the phase that the socket recorded before its first byte,
never from the name of an exception: those lie both ways. urllib3's connection classes are used
bare, since what is not there cannot act by itself: no pool, no retry, no redirect, no proxy or
credentials from the environment, no cookies.
"""

from __future__ import annotations

import functools
import io
import socket
import ssl
import threading
import time
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any, cast

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse
from urllib3.util import Url

from catalog.upstream.addresses import is_public
from catalog.upstream.cleaning import clean_text
from catalog.upstream.evidence import Phase

_CHUNK = 65_536
# What an answer may hold besides its body: interim answers, headers, the marks between chunks.
_MAX_AROUND = 1_000_000
_REASON = 200


class _Stopped(Exception):
    """A rule of ours ended the exchange: an address, a deadline, a size."""


@dataclass(frozen=True, slots=True)
class Request:
    """One POST. Times are seconds, `not_after` is a `time.monotonic()`; `max_body` is bytes,
    unpacked.
    """

    url: Url
    form: bytes = field(repr=False)
    user_agent: str
    allow_private: bool
    connect_timeout: float
    total_timeout: float
    max_body: int
    not_after: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it. `failure` is "" if, and only if, the whole answer was read."""

    phase: Phase
    http_status: int | None
    body: bytes
    failure: str
    elapsed_ms: int


class _Exchange:
    """The state of one POST, shared by its connection, its socket and its reader."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.phase = Phase.NEW
        self.received = 0
        self.started = time.monotonic()
        self.deadline = self.started + request.total_timeout

    def remaining(self) -> float:
        """Seconds left of the whole exchange. Asked before every wait, so that a drip cannot extend
        it.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise _Stopped(f"no complete answer within {self.request.total_timeout:g} s")
        return left

    def count(self, received: int) -> None:
        """Counts bytes as they come over the line, where the cap on the body sees only what is unpacked."""
        self.received += received
        if self.received > self.request.max_body * 2 + _MAX_AROUND:
            raise _Stopped("the answer does not end")

    def check_lease(self) -> None:
        if self.request.not_after is not None and time.monotonic() >= self.request.not_after:
            raise _Stopped("the lease had run out before anything was sent")

    def before_send(self) -> None:
        """The last gate: what it lets through may arrive, whatever error follows."""
        if self.phase is Phase.CONNECTED:
            self.remaining()
            self.check_lease()
            self.phase = Phase.SENDING

    def open_socket(self, host: str, port: int) -> socket.socket:
        """A TCP connection to an address that we may talk to, judged before one byte goes there.

        The address is judged as resolved, so that not even a SYN reaches our own network, and again
        as connected: the name cannot resolve to something else in between.
        """
        problem: Exception = _Stopped("the name has no address")
        for family, kind, protocol, address in self._resolve(host, port):
            sock = socket.socket(family, kind, protocol)
            try:
                self._check_address(str(address[0]))
                sock.settimeout(min(self.request.connect_timeout, self.remaining()))
                sock.connect(address)
                self._check_address(str(sock.getpeername()[0]))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(min(self.request.connect_timeout, self.remaining()))
                return sock
            except Exception as error:
                sock.close()
                problem = error
            except BaseException:
                sock.close()
                raise
        raise problem

    def _resolve(self, host: str, port: int) -> list[tuple[int, int, int, Any]]:
        """The addresses of a name, within the time for connecting.

        The resolver heeds no timeout of ours, so it is asked by a thread of its own. That thread holds
        nothing of the exchange: what it finds too late goes nowhere.
        """
        found: Future[list[Any]] = Future()
        threading.Thread(target=_look_up, args=(found, host, port), name="resolver", daemon=True).start()
        if not wait([found], min(self.request.connect_timeout, self.remaining())).done:
            raise _Stopped("the name was not resolved in time")
        return [(family, kind, protocol, address) for family, kind, protocol, _, address in found.result()]

    def _check_address(self, address: str) -> None:
        if not self.request.allow_private and not is_public(address):
            raise _Stopped(f"the address {address} is not public")


def _look_up(found: Future[list[Any]], host: str, port: int) -> None:
    try:
        found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except Exception as error:
        found.set_exception(error)


class _MeasuredReader(io.RawIOBase):
    """Reads that each wait no longer than the exchange has left, and end where an answer is endless."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, exchange: _Exchange) -> None:
        super().__init__()
        self._raw = raw
        self._sock = sock
        self._exchange = exchange

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._exchange.remaining())
        count = cast("int | None", self._raw.readinto(buffer))
        self._exchange.count(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _MeasuredSocket:
    """What http.client needs of a socket. Its own timeouts are ignored: the exchange's deadline
    governs.
    """

    def __init__(self, sock: socket.socket, exchange: _Exchange) -> None:
        self._sock = sock
        self._exchange = exchange

    def sendall(self, data: Any) -> None:
        self._exchange.before_send()
        view = memoryview(data)
        while view:
            self._sock.settimeout(self._exchange.remaining())
            view = view[self._sock.send(view) :]

    def makefile(self, _mode: str = "rb") -> io.BufferedReader:
        # The raw file keeps the socket open after http.client has closed its own end of it.
        raw = cast(io.RawIOBase, self._sock.makefile("rb", buffering=0))
        return io.BufferedReader(_MeasuredReader(raw, self._sock, self._exchange))

    def settimeout(self, _timeout: float | None) -> None:
        pass

    def close(self) -> None:
        self._sock.close()


class _MeasuredHTTP(HTTPConnection):
    exchange: _Exchange

    def _new_conn(self) -> socket.socket:
        return self.exchange.open_socket(self._dns_host, self.port)

    def connect(self) -> None:
        super().connect()
        self.sock = cast(Any, _MeasuredSocket(self.sock, self.exchange))


class _MeasuredHTTPS(HTTPSConnection):
    exchange: _Exchange

    def _new_conn(self) -> socket.socket:
        return self.exchange.open_socket(self._dns_host, self.port)

    def connect(self) -> None:
        super().connect()
        self.sock = cast(Any, _MeasuredSocket(self.sock, self.exchange))


@functools.cache
def _tls_context() -> ssl.SSLContext:
    """Certificates and names are always verified. Cached: loading the authorities costs about 20
    ms.
    """
    return ssl.create_default_context(cafile=certifi.where())


def post(request: Request) -> Answer:
    """Sends `request` once and reads the whole answer. Whatever happens is in the Answer: never
    raises.
    """
    exchange = _Exchange(request)
    status: int | None = None
    body = bytearray()
    failure = ""
    connection: _MeasuredHTTP | _MeasuredHTTPS | None = None
    response: HTTPResponse | None = None
    # Every exception ends here on purpose: the phase says what it means, and one that got past this
    # wall would leave an order that may have been placed without a word about it.
    try:
        exchange.check_lease()
        exchange.phase = Phase.CONNECTING
        connection = _connection(exchange)
        connection.connect()
        exchange.phase = Phase.CONNECTED
        connection.request(
            "POST",
            request.url.request_uri,
            body=request.form,
            headers={
                "User-Agent": request.user_agent,
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "Content-Type": "application/x-www-form-urlencoded",
                "Connection": "close",
            },
            preload_content=False,
        )
        exchange.phase = Phase.SENT
        response = connection.getresponse()
        status = response.status
        exchange.phase = Phase.ANSWERED
        # Piece by piece, unpacked: a gzip bomb ends at the cap, and of an answer that is cut off,
        # what did arrive is kept as evidence.
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > request.max_body:
                raise _Stopped(f"the answer is longer than {request.max_body} bytes")
            exchange.remaining()
    except Exception as error:
        failure = _reason(error)
    finally:
        if response is not None:
            response.close()
        if connection is not None:
            connection.close()
    elapsed_ms = int((time.monotonic() - exchange.started) * 1000)
    return Answer(exchange.phase, status, bytes(body[: request.max_body]), failure, elapsed_ms)


def _connection(exchange: _Exchange) -> _MeasuredHTTP | _MeasuredHTTPS:
    request = exchange.request
    host = (request.url.host or "").strip("[]")
    connection: _MeasuredHTTP | _MeasuredHTTPS
    if request.url.scheme == "https":
        connection = _MeasuredHTTPS(host, request.url.port, ssl_context=_tls_context())
    elif request.allow_private:
        connection = _MeasuredHTTP(host, request.url.port)
    else:
        # The API key would cross the internet in the clear.
        raise _Stopped("only https is allowed")
    connection.exchange = exchange
    return connection


def _reason(error: Exception) -> str:
    text = clean_text(str(error), limit=_REASON)
    if isinstance(error, _Stopped):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
