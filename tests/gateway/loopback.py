"""What the fake gateways have in common: an HTTP server on loopback, and how it answers or hangs up."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar


class Handler(BaseHTTPRequestHandler):
    def say(self, status: int, answer: Any) -> None:
        """Answer with these bytes, or with anything else as JSON."""
        body = answer if isinstance(answer, bytes) else self.encode(answer)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @staticmethod
    def encode(answer: Any) -> bytes:
        return json.dumps(answer).encode()

    def hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, *args: Any) -> None:
        pass


class Loopback(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handler: type[Handler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


_Server = TypeVar("_Server", bound=Loopback)


@contextmanager
def serving(server: _Server) -> Iterator[_Server]:
    """Run the server until the end of the block."""
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
