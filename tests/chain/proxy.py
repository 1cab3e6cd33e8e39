"""A proxy between two panels that forwards requests and can damage the answers."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

# What can happen to an answer: a reset connection, half of the body, or an error page of the proxy.
RESET = "reset"
HALF = "half"
ERROR_PAGE = "error page"
DAMAGES = (RESET, HALF, ERROR_PAGE)
_PAGE = b"<html><head><title>504 Gateway Time-out</title></head><body>nginx</body></html>"
# A value of SO_LINGER with which closing the connection resets it.
_LINGER_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Listens on `url` and forwards everything to 127.0.0.1:`port`. `damage`: what happens to answers to `add`.

    `answered` holds the answer to each `add`, including those that did not reach the client.
    """

    def __init__(self, *, port: int) -> None:
        self.damage: str | None = None
        self.answered: list[bytes] = []
        proxy = self

        class Handler(_Handler):
            behind = proxy
            upstream_port = port

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/api/v2"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    behind: Proxy
    upstream_port: int

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, kind, answer = self._forward(body)
        damage = None
        if parse_qs(body.decode()).get("action") == ["add"]:
            self.behind.answered.append(answer)
            damage = self.behind.damage
        if damage == RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
            # Closed without a shutdown, which would end the connection normally.
            self.rfile.close()
            self.connection.close()
        elif damage == ERROR_PAGE:
            self._answer(504, "text/html", _PAGE)
        else:
            self._answer(status, kind, answer, shown=len(answer) // 2 if damage == HALF else None)

    def _forward(self, body: bytes) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream_port, timeout=120)
        try:
            headers = {name: self.headers[name] for name in ("Content-Type", "User-Agent", "Accept")}
            connection.request("POST", self.path, body, {name: text for name, text in headers.items() if text})
            response = connection.getresponse()
            return response.status, response.headers["Content-Type"], response.read()
        finally:
            connection.close()

    def _answer(self, status: int, kind: str, body: bytes, *, shown: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:shown])

    def finish(self) -> None:
        if self.connection.fileno() != -1:
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        pass
