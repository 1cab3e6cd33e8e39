"""One HTTP connection to the sandbox: routing, recording and faults."""

from __future__ import annotations

import json
import logging
import socket
import struct
import time
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any, Protocol

from panel.sandbox.http.faults import Fault, FaultQueue
from panel.sandbox.http.recording import Recorded, RequestLog
from panel.sandbox.http.wire import Unreadable, read_form

logger = logging.getLogger("panel.sandbox")

API_PATH = "/api/v2"
CONTROL_PATH = "/_control"
MAX_BODY = 8 * 1024 * 1024
_GATE_SECONDS = 30.0
# Close sends RST instead of FIN: linger on, for 0 seconds.
LINGER_RESET = struct.pack("ii", 1, 0)


class Api(Protocol):
    """Answers a call of the API."""

    def answer(self, params: dict[str, str]) -> Any: ...


class Site(Protocol):
    """What a connection needs of the sandbox: its API, the page, and the faults."""

    control_allowed: bool
    faults: FaultQueue
    log: RequestLog

    @property
    def api(self) -> Api: ...

    def page(self) -> str: ...

    def control(self, body: bytes) -> tuple[int, Any]: ...

    def pause(self, seconds: float, *, until: Event | None = None) -> None: ...


class Handler(BaseHTTPRequestHandler):
    """Serves one connection. `sandbox` is set by the server that made the class."""

    sandbox: Site
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True
    # Head and body of an answer are sent together; handle_one_request flushes.
    wbufsize = 64 * 1024

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path == "/":
            self._send(200, self.sandbox.page().encode(), content_type="text/html; charset=utf-8")
        elif path.rstrip("/") == API_PATH:
            self._send_json({"error": "Incorrect request"})
        else:
            self._send(404, b"Not found\n", content_type="text/plain; charset=utf-8")

    def do_POST(self) -> None:
        path = self.path.split("?")[0].rstrip("/")
        body = self._read_body()
        if body is None:
            return
        if path == API_PATH:
            self._api(body)
        elif path == CONTROL_PATH:
            self._control(body)
        else:
            self._send(404, b"Not found\n", content_type="text/plain; charset=utf-8")

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0").strip()
        if not length.isdigit() or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._send(411, b"Length required\n", content_type="text/plain; charset=utf-8")
            return None
        if int(length) > MAX_BODY:
            self.close_connection = True
            self._send(413, b"Too large\n", content_type="text/plain; charset=utf-8")
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            # The client disconnected while sending; half a request is not processed.
            self.close_connection = True
            return None
        return body

    def _api(self, body: bytes) -> None:
        sandbox = self.sandbox
        try:
            params = read_form(body, self.headers.get("Content-Type", ""))
        except Unreadable:
            params = {}
        entry = Recorded(
            number=0,
            method=self.command,
            action=params.get("action"),
            params={name: value for name, value in params.items() if name != "key"},
            headers=dict(self.headers.items()),
            received_at=time.time(),
        )
        fault = sandbox.faults.take(entry.action)
        entry.fault = fault.end if fault else None
        sandbox.log.add(entry)
        if fault is None:
            sandbox.log.change(entry, processed=True)
            self._send_json(sandbox.api.answer(params), entry=entry)
            return

        sandbox.pause(fault.delay_before)
        content = b""
        if fault.processed:
            content = json.dumps(sandbox.api.answer(params)).encode()
            sandbox.log.change(entry, processed=True)
        sandbox.pause(fault.delay_after)
        if fault.gate is not None:
            sandbox.pause(_GATE_SECONDS, until=fault.gate)
        if fault.body is not None:
            content = fault.body
        self._end(fault, content, entry)

    def _end(self, fault: Fault, content: bytes, entry: Recorded) -> None:
        if fault.end in ("drop", "reset"):
            self.close_connection = True
            if fault.end == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
            return
        headers = dict(fault.headers)
        content_type = headers.pop("Content-Type", "application/json")
        self._send(
            fault.status or 200,
            content,
            content_type=content_type,
            headers=headers,
            sent=content[: len(content) // 2] if fault.end == "truncate" else content,
            apart=fault.drip_seconds if fault.end == "drip" else 0.0,
            entry=entry,
        )

    def _control(self, body: bytes) -> None:
        if not self.sandbox.control_allowed:
            self._send(404, b"Not found\n", content_type="text/plain; charset=utf-8")
            return
        status, answer = self.sandbox.control(body)
        self._send(status, json.dumps(answer).encode())

    def _send_json(self, answer: Any, *, entry: Recorded | None = None) -> None:
        self._send(200, json.dumps(answer).encode(), entry=entry)

    def _send(
        self,
        status: int,
        content: bytes,
        *,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
        sent: bytes | None = None,
        apart: float = 0.0,
        entry: Recorded | None = None,
    ) -> None:
        """Send an answer that announces `content`.

        `sent` is what is really sent, with `apart` seconds between bytes if that is more than 0.
        """
        sent = content if sent is None else sent
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if len(sent) < len(content):
            self.close_connection = True
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if entry is not None:
            self.sandbox.log.change(entry, status=status, answered_at=time.time())
        if apart > 0:
            for byte in sent:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                self.sandbox.pause(apart)
        else:
            self.wfile.write(sent)

    def version_string(self) -> str:
        return "Sandbox"

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)
