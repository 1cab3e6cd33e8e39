"""Connections of urllib3 that record how far an exchange came and obey its deadline only."""

from __future__ import annotations

import io
import socket
from typing import Any, cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse

from panel.lib.http.exchange import Exchange, Phase, Stopped


class _MeasuredReader(io.RawIOBase):
    """Limits each read to the time left of the exchange, and stops an endless answer."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, exchange: Exchange) -> None:
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
    """What http.client needs of a socket. Ignores http.client's timeouts: the exchange's deadline applies."""

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        self._sock = sock
        self._exchange = exchange

    def sendall(self, data: Any) -> None:
        self._exchange.before_send()
        view = memoryview(data)
        while view:
            self._sock.settimeout(self._exchange.remaining())
            try:
                view = view[self._sock.send(view) :]
            except OSError as error:
                # After some of these, urllib3 goes on to read an answer.
                raise Stopped(f"{type(error).__name__}: {error}") from error

    def makefile(self, _mode: str = "rb") -> io.BufferedReader:
        # The raw file keeps the socket open after http.client has closed its own end.
        raw = cast(io.RawIOBase, self._sock.makefile("rb", buffering=0))
        return io.BufferedReader(_MeasuredReader(raw, self._sock, self._exchange))

    def settimeout(self, _timeout: float | None) -> None:
        pass

    def close(self) -> None:
        self._sock.close()


# `requests` parses them twice, past the deadline, and takes half a minute for some that fit into an answer.
_COOKIES = ("Set-Cookie", "Set-Cookie2")


class _Measured(HTTPConnection):
    """Sets the phase at each step. Takes the exchange in addition to urllib3's arguments."""

    def __init__(self, *args: Any, exchange: Exchange, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._exchange = exchange

    def _new_conn(self) -> socket.socket:
        return self._exchange.open_socket(self._dns_host, self.port)

    def connect(self) -> None:
        if self._exchange.phase.may_have_sent:
            raise Stopped("a second connection")  # The phase would go back, and deny what was sent.
        self._exchange.phase = Phase.CONNECTING
        super().connect()
        self.sock = cast(Any, _MeasuredSocket(self.sock, self._exchange))
        self._exchange.phase = Phase.CONNECTED

    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        self._exchange.phase = Phase.SENT

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3
        response = super().getresponse()
        self._exchange.http_status = response.status
        self._exchange.phase = Phase.ANSWERED
        for name in _COOKIES:
            del response._original_response.msg[name]  # type: ignore[union-attr]  # of http.client, always there
        return response


class MeasuredHTTP(_Measured):
    pass


class MeasuredHTTPS(_Measured, HTTPSConnection):
    pass
