"""What `requests` does by default and must not do here. Tests of the client cover the guarantees of an exchange."""

from __future__ import annotations

import gzip
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from urllib3.util import parse_url

from panel.lib.http.addresses import is_public
from panel.lib.http.connections import MeasuredHTTP
from panel.lib.http.exchange import Answer, Exchange, Phase, Request, Stopped
from panel.lib.http.transport import send_request
from tests.catalog.upstream.fault_server import FaultServer, answer, http, raw_bytes, reset

FORM = b"key=secret&action=balance"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    server = FaultServer()
    yield server
    server.close()


def posted(server: FaultServer, path: str = "", **changes: object) -> Answer:
    settings: dict[str, object] = {
        "url": parse_url(server.url.removesuffix("/api/v2") + (path or "/api/v2")),
        "form": FORM,
        "user_agent": "Test",
        "allow_private": True,
        "connect_timeout": 9.0,
        "total_timeout": 9.0,
        "max_body": 1_000,
    }
    return send_request(Request(**{**settings, **changes}))  # type: ignore[arg-type]


def head_of(server: FaultServer, number: int = -1) -> list[str]:
    return server.whole[number].split(b"\r\n\r\n")[0].decode().split("\r\n")


def test_post_when_sent_then_it_has_these_headers_and_no_others(server):
    assert posted(server).failure == ""
    line, *headers = head_of(server)
    assert line == "POST /api/v2 HTTP/1.1"
    assert sorted(header.lower() for header in headers) == sorted(
        [
            f"host: {server.url.split('/')[2]}",
            "user-agent: test",
            "accept: application/json",
            "accept-encoding: gzip, deflate",
            "content-type: application/x-www-form-urlencoded",
            "connection: close",
            f"content-length: {len(FORM)}",
        ]
    )
    assert server.whole[-1].endswith(FORM)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_answer_when_a_bomb_is_packed_several_times_then_little_memory(server, times):
    """Unpacked it has 64 MB; one piece of it that was unpacked at once would have as many."""
    packed = b" " * 64_000_000
    for _ in range(times):
        packed = gzip.compress(packed)
    server.behaviour = raw_bytes(http(packed, headers=f"Content-Encoding: {', '.join(['gzip'] * times)}\r\n"))
    tracemalloc.start()
    try:
        answer = posted(server, max_body=100_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.failure == "the answer is longer than 100000 bytes"
    assert peak < 8_000_000


@pytest.mark.parametrize("path", ["/%7Eshop/api", "/api/v2/?a=%2F&b=c+d", "/api;v=2/x.php?key=%C3%A9", "//api"])
def test_post_when_the_address_is_spelled_oddly_then_used_unchanged(server, path):
    assert posted(server, path).failure == ""
    assert head_of(server)[0] == f"POST {parse_url(f'http://x{path}').request_uri} HTTP/1.1"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_post_when_redirected_then_not_followed_and_answer_is_kept(server, status):
    server.behaviour = answer(b"look there", status=status, headers=f"Location: {server.url}/there\r\n")
    found = posted(server)
    assert (found.phase, found.http_status, found.body, found.failure) == (Phase.ANSWERED, status, b"look there", "")
    assert len(server.whole) == 1


def test_post_when_a_redirect_has_a_long_body_then_the_limit_holds(server):
    server.behaviour = answer(b"x" * 5_000, status=302, headers="Location: /there\r\n")
    found = posted(server)
    assert (found.body, found.failure) == (b"x" * 1_000, "the answer is longer than 1000 bytes")


@pytest.mark.parametrize("status", [413, 429, 503])
def test_post_when_the_server_says_retry_then_it_does_not(server, status):
    server.behaviour = answer(b"later", status=status, headers="Retry-After: 0\r\n")
    assert posted(server).http_status == status
    assert len(server.whole) == server.connections == 1


def test_post_when_the_connection_breaks_then_no_retry(server):
    server.behaviour = reset
    found = posted(server)
    assert (found.phase, found.http_status) == (Phase.SENT, None)
    assert server.connections == 1


def test_post_when_netrc_has_a_login_for_the_host_then_not_sent(server, tmp_path: Path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    posted(server)
    assert not any(header.lower().startswith("authorization") for header in head_of(server))


def test_post_when_a_cookie_was_set_then_the_next_one_has_none(server):
    server.behaviour = answer(b"{}", headers="Set-Cookie: a=b; Path=/\r\n")
    posted(server)
    posted(server)
    assert len(server.whole) == 2
    assert not any(header.lower().startswith("cookie") for header in head_of(server))


def test_post_when_its_cookies_take_long_to_parse_then_never_parsed(server, monkeypatch):
    """Forty such headers took `requests` half a minute, past a deadline of five seconds."""
    read: list[object] = []
    for name in ("split_header_words", "parse_ns_headers"):
        monkeypatch.setattr(f"http.cookiejar.{name}", lambda headers: read.append(headers) or [])
    cookies = "Set-Cookie: a=b\r\n" + f"Set-Cookie2: {'a,' * 30_000}\r\n" * 3
    server.behaviour = answer(b"{}", headers=cookies)
    found = posted(server, max_body=1_000_000)
    assert (found.phase, found.body, found.failure, read) == (Phase.ANSWERED, b"{}", "", [])


def test_connection_when_already_sent_over_another_then_refused(server):
    """Whatever a library does by itself, the phase never goes back to one that denies what was sent."""
    exchange = Exchange(Request(parse_url(server.url), FORM, "Test", True, 9.0, 9.0, 1_000))
    exchange.phase = Phase.SENT
    with pytest.raises(Stopped):
        MeasuredHTTP("127.0.0.1", server.port, exchange=exchange).connect()
    assert (exchange.phase, server.connections) == (Phase.SENT, 0)


def test_failure_when_caller_handles_another_then_own_is_reported(server):
    server.behaviour = reset
    try:
        raise ValueError("of the caller")
    except ValueError:
        failure = posted(server).failure
    assert failure.startswith(("ConnectionResetError", "RemoteDisconnected")), failure


def test_failure_when_nothing_listens_then_named_without_the_address():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = parse_url(f"http://127.0.0.1:{port}/api/v2?key=secret")
    found = send_request(Request(url, FORM, "Test", True, 9.0, 9.0, 1_000))
    assert found.phase is Phase.CONNECTING
    assert found.failure.startswith("ConnectionRefusedError: ")
    assert "secret" not in found.failure and "HTTPConnectionPool" not in found.failure


def test_failure_when_address_is_unencrypted_then_nothing_is_sent(server):
    found = posted(server, allow_private=False)
    assert (found.phase, found.failure) == (Phase.CONNECTING, "only https is allowed")
    assert server.connections == 0


@pytest.mark.parametrize(
    "address",
    [
        *("::1", "::", "fd00::1", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "::127.0.0.1", "::ffff:10.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2001:0:1::1", "fe80::1%eth0"),
    ],
)
def test_address_when_ipv6_and_not_public_then_blocked(address):
    assert not is_public(address)
    reply = send_request(_to(f"https://[{address.partition('%')[0]}]:9/api/v2", allow_private=False))
    assert (reply.phase, "is not public" in reply.failure) == (Phase.CONNECTING, True)


def test_address_when_ipv6_and_public_then_allowed():
    assert is_public("2606:4700::1111")


def test_post_when_the_address_is_ipv6_then_sent():
    class Server(HTTPServer):
        address_family = socket.AF_INET6

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.headers["Host"].encode())

        def log_message(self, *args: object) -> None:
            pass

    try:
        server = Server(("::1", 0), Handler)
    except OSError:
        pytest.skip("this machine has no IPv6")
    threading.Thread(target=server.handle_request, daemon=True).start()
    with closing(server.socket):
        reply = send_request(_to(f"http://[::1]:{server.server_port}/api/v2", allow_private=True))
    assert (reply.failure, reply.body.decode()) == ("", f"[::1]:{server.server_port}")


def _to(address: str, *, allow_private: bool) -> Request:
    return Request(
        url=parse_url(address),
        form=FORM,
        user_agent="Test",
        allow_private=allow_private,
        connect_timeout=9.0,
        total_timeout=9.0,
        max_body=1_000,
    )
