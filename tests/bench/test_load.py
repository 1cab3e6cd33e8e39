"""The load generator of the bench: it counts every answer, and a wrong answer ends it."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import pytest

from tests.bench import load
from tests.bench.load import Load
from tests.bench.measuring import Wrong

REQUEST = b"POST /api/v2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def server():
    """Start a server that answers each request with `server.body(number)`, where numbers count from 1."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            found = self.server.body(next(self.server.numbers))
            self.send_response(self.server.status)
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        found.daemon_threads = True
        found.status, found.numbers, found.body = 200, count(1), lambda number: b'{"ok": true}'
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def put(server, expected):
    return load._Run(Load(server.server_port, 4, 0.2, [REQUEST], expected)).run()


def test_load_when_every_answer_is_right_then_each_is_counted_once(server):
    found = put(server, b'{"ok": true}')
    assert found.answers == next(server.numbers) - 1
    assert 0 < len(found.waits) <= found.answers


def test_load_when_answers_are_orders_then_all_ids_are_returned(server):
    server.body = lambda number: b'{"order": %d}' % number
    found = put(server, None)
    assert sorted(found.orders) == list(range(1, next(server.numbers)))


@pytest.mark.parametrize("size", [1, 3_000_000])
def test_load_when_an_answer_comes_in_pieces_then_it_is_read_whole(server, size):
    server.body = lambda number: b"x" * size
    assert put(server, b"x" * size).answers > 0


@pytest.mark.parametrize("expected", [b'{"ok": true}', None])
def test_load_when_one_answer_is_wrong_then_it_ends(server, expected):
    right = expected or b'{"order": 1}'
    server.body = lambda number: right if number < 20 else b'{"error": "Internal error"}'
    with pytest.raises(Wrong, match="Internal error"):
        put(server, expected)


def test_load_when_the_status_is_not_200_then_it_ends(server):
    server.status = 500
    with pytest.raises(Wrong, match="500"):
        put(server, b'{"ok": true}')
