"""How one `add` is sent: its bytes, its limits, and what is kept of the answer."""

from __future__ import annotations

import gc
import gzip
import io
import socket
import ssl
import threading
import time
import tracemalloc
import warnings
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import parse_qs

import pytest

from catalog.upstream import AddAccepted, NotSent, Phase, Refused, Unknown, UpstreamClient
from catalog.upstream.client import MAX_BODY
from panel.lib.http import exchange
from tests.catalog.upstream.fault_server import (
    API_KEY,
    Behaviour,
    Endless,
    FaultServer,
    answer,
    chunked,
    close,
    gzip_bomb,
    http,
    raw_bytes,
    reset,
    stall,
)

MakeClient = Callable[..., UpstreamClient]
PARAMS = {"service": "7", "link": "https://example.com/p?a=1&b=ü", "quantity": "100"}
OK = b"HTTP/1.1 200 OK\r\n"


def empty_gzip() -> bytes:
    """Return a gzip file of no bytes, with a long name field."""
    packed = io.BytesIO()
    gzip.GzipFile("x" * 60_000, "wb", fileobj=packed).close()
    return packed.getvalue()


# A megabyte that compresses to a kilobyte.
PACKED = gzip.compress(b" " * 1_000_000)


@pytest.mark.parametrize(
    "endless",
    [
        Endless(OK + b"Content-Length: 1000000000\r\n\r\n", b" " * 65_536),
        Endless(OK + b"\r\n", b" " * 65_536),
        Endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"ffff\r\n" + b" " * 65_535 + b"\r\n"),
        Endless(OK + b"Content-Encoding: gzip\r\n\r\n", PACKED),
        Endless(OK + b"X: " + b"y" * 65_536, b"y" * 65_536),
        Endless(OK, b"X: y\r\n" * 8_192),
        Endless(b"", b"HTTP/1.1 100 Continue\r\nX: " + b"y" * 60_000 + b"\r\n\r\n"),
        Endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"y" * 60_000 + b"\r\nx\r\n"),
        Endless(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: " + b"y" * 60_000 + b"\r\n"),
        Endless(OK + b"Content-Encoding: gzip\r\n\r\n", empty_gzip()),
    ],
    ids=["1 GB", "until closed", "chunks", "packed", "header", "headers", "interim answers"]
    + ["between chunks", "trailers", "packed nothing"],
)
def test_add_when_answer_is_endless_then_read_only_to_the_limit(
    endless: Endless, server: FaultServer, make_client: MakeClient
) -> None:
    endless.sent = 0
    server.behaviour = endless
    tracemalloc.start()
    try:
        outcome = make_client(add_timeout=60.0).add(PARAMS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    server.wait_until_counted()
    assert isinstance(outcome, Unknown)
    assert "within" not in outcome.reason, "a cap must end it, not the deadline"
    # The kernel buffers more of it than is ever read.
    assert endless.sent < MAX_BODY + 12_000_000
    assert peak < 8_000_000


CUT_OFF = [raw_bytes(http(b'{"order": 23', length=16)), chunked(b'{"order": 23', ended=False)]


@pytest.mark.parametrize("behaviour", CUT_OFF)
def test_add_when_answer_is_cut_off_then_evidence_holds_what_arrived(
    behaviour: Behaviour, server: FaultServer, make_client: MakeClient
) -> None:
    server.behaviour = behaviour
    outcome = make_client().add(PARAMS)
    assert outcome.evidence.body_excerpt == '{"order": 23'
    assert outcome.evidence.http_status == 200


def test_add_when_sent_then_form_holds_the_parameters(server: FaultServer, make_client: MakeClient) -> None:
    server.behaviour = answer({"order": 5, "charge": "1,234.56"})

    outcome = make_client(user_agent="Shop/2").add(PARAMS)

    assert isinstance(outcome, AddAccepted) and outcome.charge == Decimal("1234.56")
    head, _, body = server.whole[0].partition(b"\r\n\r\n")
    sent = {key: values[0] for key, values in parse_qs(body.decode()).items()}
    assert sent == {"key": API_KEY, "action": "add", **PARAMS}
    assert head.startswith(b"POST /api/v2 HTTP/1.1\r\n")
    assert b"User-Agent: Shop/2\r\n" in head + b"\r\n"
    assert b"Connection: close" in head
    assert b"application/x-www-form-urlencoded" in head


@pytest.mark.parametrize("error", [ConnectionRefusedError, TimeoutError, socket.gaierror, ValueError])
def test_add_when_sending_raises_any_exception_then_unknown(
    error: type[Exception],
    server: FaultServer,
    make_client: MakeClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exceptions that elsewhere occur while connecting occur here after sending."""

    def fail(_self: object) -> None:
        raise error("connection refused")

    monkeypatch.setattr("urllib3.connection.HTTPConnection.getresponse", fail)
    outcome = make_client().add(PARAMS)
    assert isinstance(outcome, Unknown)
    assert outcome.evidence.phase is Phase.SENT


def test_add_when_first_send_fails_then_unknown(
    server: FaultServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phase is set before the bytes are sent, so that a failed send never counts as "not sent"."""

    def fail(_self: object, _data: object) -> int:
        raise ConnectionRefusedError("connection refused")

    class Broken(socket.socket):
        send = fail  # type: ignore[assignment]

    monkeypatch.setattr("panel.lib.http.exchange.socket.socket", Broken)
    outcome = make_client().add(PARAMS)
    assert isinstance(outcome, Unknown)
    assert outcome.evidence.phase is Phase.SENDING


@pytest.mark.parametrize("limits", [{"connect_timeout": 0.5}, {"add_timeout": 0.5}])
def test_add_when_resolver_hangs_then_not_sent_in_time_nor_later(
    limits: dict[str, float], server: FaultServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve, answers = socket.getaddrinfo, threading.Event()

    def hang(*args: object, **kwargs: object) -> object:
        answers.wait(60)
        return resolve(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    started = time.monotonic()
    outcome = make_client(**limits).add(PARAMS)
    assert time.monotonic() - started < 30
    assert isinstance(outcome, NotSent) and "resolved" in outcome.reason
    assert outcome.evidence.phase is Phase.CONNECTING

    answers.set()
    for thread in threading.enumerate():
        if thread.name == "resolver":
            assert thread.daemon, "it must not keep the process alive"
            thread.join(timeout=60)
    server.wait_until_counted()
    assert server.connections == 0


def test_add_when_lease_has_ended_then_no_connection(server: FaultServer, make_client: MakeClient) -> None:
    outcome = make_client().add(PARAMS, not_after=time.monotonic())
    assert isinstance(outcome, NotSent)
    assert outcome.evidence.phase is Phase.NEW
    assert server.connections == 0


def test_add_when_lease_ends_while_connecting_then_no_byte_sent(
    server: FaultServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def slow(*args: object, **kwargs: object) -> object:
        time.sleep(0.1)
        return resolve(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    outcome = make_client().add(PARAMS, not_after=time.monotonic() + 0.05)
    assert isinstance(outcome, NotSent), outcome
    assert "lease" in outcome.reason
    time.sleep(0.05)
    assert server.bytes_seen == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_add_when_address_is_private_then_no_connection(
    scheme: str, server: FaultServer, make_client: MakeClient
) -> None:
    client = make_client(url=f"{scheme}://127.0.0.1:{server.port}/", allow_private=False)
    outcome = client.add(PARAMS)
    assert isinstance(outcome, NotSent)
    assert server.connections == 0


def test_add_when_connected_peer_is_private_then_nothing_sent(
    server: FaultServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connected peer is checked independently of the resolved address."""
    verdicts = iter([True, False])
    monkeypatch.setattr(exchange, "is_public", lambda _address: next(verdicts))
    url = f"https://127.0.0.1:{server.port}/"
    outcome = make_client(url=url, allow_private=False).add(PARAMS)
    assert isinstance(outcome, NotSent) and "not public" in outcome.reason
    assert server.bytes_seen == 0


def test_add_when_parameters_cannot_be_encoded_then_not_sent(server: FaultServer, make_client: MakeClient) -> None:
    assert isinstance(make_client().add({"link": "\ud800"}), NotSent)
    assert server.connections == 0


def test_add_when_environment_names_a_proxy_then_ignored(
    server: FaultServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.behaviour = answer({"order": 5})
    assert isinstance(make_client().add(PARAMS), AddAccepted)


def test_add_when_params_hold_key_or_action_then_value_error(make_client: MakeClient) -> None:
    with pytest.raises(ValueError, match="may not name"):
        make_client().add({"key": "x"})


@pytest.mark.parametrize(
    "body",
    [
        f'{{"error": "Invalid API key {API_KEY}"}}',
        f"<p>{API_KEY}</p>",
        f'{{"x": "{API_KEY}", "y": "{API_KEY}"}}',
        " " * 2040 + f'{{"x": "{API_KEY}"}}',
    ],
)
def test_add_when_answer_echoes_the_key_then_outcome_is_redacted(
    body: str, server: FaultServer, make_client: MakeClient
) -> None:
    server.behaviour = answer(body)
    client = make_client()
    outcome = client.add(PARAMS)
    assert API_KEY[:8] not in repr(outcome) + repr(client) + str(vars(outcome.evidence.phase))
    assert len(outcome.evidence.body_excerpt) <= 2048


@pytest.mark.parametrize("key", ["a", "ab1", "4711", "é/b", "null"])
@pytest.mark.parametrize("status", [200, 500])
def test_add_when_answer_echoes_a_short_key_then_outcome_is_redacted(
    key: str, status: int, server: FaultServer, make_client: MakeClient
) -> None:
    server.behaviour = answer({"error": f"Invalid API key ({key}) of banana 14711", "key": key}, status=status)
    outcome = make_client(api_key=key).add(PARAMS)
    assert isinstance(outcome, Refused if status == 200 else Unknown)
    text = outcome.text if isinstance(outcome, Refused) else outcome.reason
    assert text.endswith("Invalid API key ([key]) of banana 14711"), "words that only hold the key stay"
    assert outcome.evidence.body_excerpt.count("[key]") == 2


@pytest.mark.parametrize("key", ["4711", "id", "order", ""])
def test_add_when_short_key_occurs_in_answer_then_still_accepted(
    key: str, server: FaultServer, make_client: MakeClient
) -> None:
    server.behaviour = answer({"order": "4711", "id": 4711})
    outcome = make_client(api_key=key).add(PARAMS)
    assert isinstance(outcome, AddAccepted) and outcome.order_id == "4711"
    assert ("[key]" in outcome.evidence.body_excerpt) == bool(key)


def test_add_when_id_holds_the_key_then_no_partial_id_is_accepted(server: FaultServer, make_client: MakeClient) -> None:
    server.behaviour = answer({"order": f"ord_{API_KEY}"})
    assert isinstance(make_client().add(PARAMS), Unknown)


def test_add_when_faults_repeat_then_no_socket_or_thread_leaks(server: FaultServer, make_client: MakeClient) -> None:
    client = make_client(add_timeout=0.1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = threading.active_count()
        for behaviour in (stall, reset, close, gzip_bomb(30_000_000), CUT_OFF[0]):
            server.behaviour = behaviour
            client.add(PARAMS)
        gc.collect()
        # The server has one thread per connection, which ends when the client closes it.
        for worker in server._workers:
            worker.join(timeout=60)
        assert threading.active_count() <= before
    assert [item for item in caught if issubclass(item.category, ResourceWarning)] == []


def test_add_over_tls_when_form_is_large_then_arrives_whole(
    make_client: MakeClient, tls: Callable[[str], ssl.SSLContext]
) -> None:
    server = FaultServer(tls("trusted"))
    server.behaviour = answer({"order": 5})
    outcome = make_client(url=server.url).add({**PARAMS, "comments": "x" * 2_000_000})
    server.close()
    assert isinstance(outcome, AddAccepted), outcome
    assert server.whole[0].endswith(b"x" * 2_000_000)
