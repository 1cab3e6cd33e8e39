"""One exchange: how far it came, the time left, and the addresses that it may connect to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from urllib3.util import Url

from panel.lib.http.addresses import is_public

# Bytes that an answer may have besides its body: interim answers, headers, chunk markers.
MAX_AROUND = 1_000_000


class Phase(StrEnum):
    """How far one exchange came, in this order. Recorded during the exchange, never inferred afterwards."""

    NEW = "new"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    SENDING = "sending"
    SENT = "sent"
    ANSWERED = "answered"  # status line and headers arrived; the body may still be cut off

    @property
    def may_have_sent(self) -> bool:
        """Return True if a byte of the request may have been sent."""
        return self not in (Phase.NEW, Phase.CONNECTING, Phase.CONNECTED)


class Stopped(Exception):
    """One of our rules ended the exchange: an address, a deadline, a size."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Times are seconds, `not_after` is a `time.monotonic()`; `max_body` is bytes after decompression.

    `form` is the body of a POST, URL-encoded unless `content_type` says otherwise, and added to the query of a GET.
    `headers` are sent besides our own.
    """

    url: Url
    form: bytes = field(repr=False)
    user_agent: str
    allow_private: bool
    connect_timeout: float
    total_timeout: float
    max_body: int
    not_after: float | None = None
    method: Literal["POST", "GET"] = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content_type: str = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a request. `failure` is "" if and only if the whole answer was read.

    `location` is the target that the server redirected to, as it came; it is never followed.
    """

    phase: Phase
    http_status: int | None
    body: bytes
    failure: str
    elapsed_ms: int
    location: str = ""


class Exchange:
    """The state of one request, shared by its connection, its socket and its reader.

    Whoever takes a step sets the phase, so it is true whatever error follows.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.phase = Phase.NEW
        self.http_status: int | None = None
        self.received = 0
        self.started = time.monotonic()
        self.deadline = self.started + request.total_timeout

    def remaining(self) -> float:
        """Return the seconds left of the whole exchange. Raise Stopped if none are left.

        Called before every wait, so that slow drips cannot extend the exchange.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Stopped(f"no complete answer within {self.request.total_timeout:g} s")
        return left

    def count(self, received: int) -> None:
        """Count bytes as received; the limit on the body counts them after decompression. Raise Stopped."""
        self.received += received
        if self.received > self.request.max_body * 2 + MAX_AROUND:
            raise Stopped("the answer does not end")

    def check_lease(self) -> None:
        if self.request.not_after is not None and time.monotonic() >= self.request.not_after:
            raise Stopped("the lease had run out before anything was sent")

    def before_send(self) -> None:
        """Check time and lease before the first byte. What passes may arrive, whatever error follows. Raise Stopped."""
        if self.phase is Phase.CONNECTED:
            self.remaining()
            self.check_lease()
            self.phase = Phase.SENDING

    def open_socket(self, host: str, port: int) -> socket.socket:
        """Return a TCP connection to an allowed address. Raise Stopped or OSError.

        The address is checked as resolved, so that not even a SYN reaches our own network, and again as connected:
        the name cannot resolve to something else in between.
        """
        problem: Exception = Stopped("the name has no address")
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
        """Return the addresses of a name. Raise Stopped if it takes longer than the connect timeout.

        The resolver has no timeout, so a thread of its own calls it. That thread holds nothing of the exchange: a
        late result is discarded.
        """
        found: Future[list[Any]] = Future()
        threading.Thread(target=_look_up, args=(found, host, port), name="resolver", daemon=True).start()
        if not wait([found], min(self.request.connect_timeout, self.remaining())).done:
            raise Stopped("the name was not resolved in time")
        return [(family, kind, protocol, address) for family, kind, protocol, _, address in found.result()]

    def _check_address(self, address: str) -> None:
        if not self.request.allow_private and not is_public(address):
            raise Stopped(f"the address {address} is not public")


def _look_up(found: Future[list[Any]], host: str, port: int) -> None:
    try:
        found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except Exception as error:
        found.set_exception(error)
