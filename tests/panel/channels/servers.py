"""Real servers on loopback to which channels deliver: SMTP, the Bot API and a receiver of webhooks."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar


class MailServer(socketserver.ThreadingTCPServer):
    """Takes mails, or answers `refusals` by command, such as {"RCPT": "550 no such person"}.

    `cut_after` a command closes the connection without an answer; a mail is stored before that.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _MailSession)
        self.mails: list[EmailMessage] = []
        self.refusals: dict[str, str] = {}
        self.cut_after = ""

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _MailSession(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.say("220 ready")
        while line := self.rfile.readline():
            command = line.decode().split()[0].upper() if line.strip() else ""
            if command == "DATA" and command not in self.server.refusals:
                self.say("354 go on")
                self.keep_mail()
            if command == self.server.cut_after:
                return
            self.say(self.server.refusals.get(command) or ("221 bye" if command == "QUIT" else "250 fine"))

    def keep_mail(self) -> None:
        lines = iter(self.rfile.readline, b".\r\n")
        body = b"".join(line[1:] if line.startswith(b"..") else line for line in lines)
        self.server.mails.append(message_from_bytes(body, policy=policy.default))  # type: ignore[arg-type]

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@dataclass(frozen=True, slots=True)
class Post:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Reply:
    """An answer on demand. `cut` closes the connection instead, once the request was read."""

    status: int = 200
    body: object = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


class Receiver(ThreadingHTTPServer):
    """Keeps each POST and answers `replies` in turn, then `reply`. `hold`: answer only once it is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Posts)
        self.posts: list[Post] = []
        self.replies: list[Reply] = []
        self.reply = Reply()
        self.hold: threading.Event | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, post: Post) -> Reply:
        return self.replies.pop(0) if self.replies else self.reply


class Telegram(Receiver):
    """The Bot API with one bot. `updates` are what people sent it; `chat` gets what it sends."""

    TOKEN = "123456789:AAF-this-is-a-token-of-the-tests-only"  # noqa: S105

    def __init__(self) -> None:
        super().__init__()
        self.updates: list[dict[str, Any]] = []

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [post.json for post in self.posts if post.path.endswith("/sendMessage")]

    def answer(self, post: Post) -> Reply:
        if self.replies:
            return self.replies.pop(0)
        if not post.path.startswith(f"/bot{self.TOKEN}/"):
            return Reply(401, {"ok": False, "error_code": 401, "description": "Unauthorized"})
        results: dict[str, object] = {"getMe": {"username": "upmark_bot"}, "getUpdates": self.updates}
        return Reply(200, {"ok": True, "result": results.get(post.path.rpartition("/")[2], {"message_id": 1})})

    def somebody_writes(self, text: str, *, chat: int = -1001, title: str = "Owners") -> None:
        message = {"message_id": 1, "chat": {"id": chat, "title": title, "type": "group"}, "text": text}
        self.updates.append({"update_id": len(self.updates) + 1, "message": message})


class _Posts(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        post = Post(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.server.posts.append(post)
        reply = self.server.answer(post)
        if self.server.hold:
            self.server.hold.wait(120)
        self.close_connection = True
        if reply.cut:
            return
        sent = json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(sent))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *args: object) -> None:
        """Print nothing."""


Server = TypeVar("Server", bound=socketserver.BaseServer)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Run a server in a thread."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
