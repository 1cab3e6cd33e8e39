"""One `add` under every fault: the server knows the truth, the client must not lie."""

from __future__ import annotations

import gc
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fault_server import (
    API_KEY,
    Behaviour,
    FaultServer,
    answer,
    chunked,
    close,
    drip,
    gzip_bomb,
    http,
    raw_bytes,
    reset,
    stall,
)

from catalog.upstream import (
    ErrorCode,
    NotSent,
    Phase,
    Placed,
    Refused,
    Unknown,
    UpstreamClient,
    transport,
)

MakeClient = Callable[..., UpstreamClient]
PARAMS = {"service": "7", "link": "https://example.com/p?a=1&b=ü", "quantity": "100"}
CHALLENGE = b'<!DOCTYPE html><html><script>var a = {"order": 5};</script></html>'

# Faults after which the order may have been placed.
UNKNOWN: dict[str, Behaviour] = {
    "reset after reading": reset,
    "close after reading": close,
    "stall": stall,
    "drip of the head": drip(http(b'{"order": 23501}')),
    "drip of the body": drip(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 99),
    "endless interim answers": drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 9),
    "truncated status line": raw_bytes(b"HTTP/1.1 20"),
    "truncated headers": raw_bytes(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "no HTTP": raw_bytes(b"220 smtp.example.com ESMTP\r\n"),
    "truncated body": raw_bytes(http(b'{"order": 23', length=16)),
    "truncated body that reads as a whole": raw_bytes(http(b'{"order": 23501}', length=99)),
    "truncated chunks": chunked(b'{"order": 23', ended=False),
    "refusal in truncated chunks": chunked(b'{"error": "Not enough funds"}', ended=False),
    "not gzip": answer(b'{"order": 1}', headers="Content-Encoding: gzip\r\n"),
    "gzip bomb": gzip_bomb(30_000_000),
    "body over the cap": answer(b'{"order": 5}' + b" " * 1_000_000),
    "500 with HTML": answer(CHALLENGE, status=500),
    "503 with HTML": answer(CHALLENGE, status=503),
    "502 empty": answer(b"", status=502),
    "500 with an error": answer({"error": "Not enough funds"}, status=500),
    "200 with HTML": answer(CHALLENGE, mime="text/html"),
    "403 with HTML": answer(CHALLENGE, status=403),
    "empty 200": answer(b""),
    "303": answer(b"", status=303, headers="Location: /orders/23501\r\n"),
    "garbage": answer(b"\x00\xff\x1f\x8b garbage"),
    "null": answer(b"null"),
    "order null": answer({"order": None, "id": 9}),
    "order 0": answer({"order": 0}),
    "order true": answer({"order": True}),
    "a word for an id": answer({"order": "success"}),
    "a sentence for an id": answer({"order": "has been placed"}),
    "NaN": answer(b'{"order": NaN}'),
    "an id of 5,000 digits": answer(b'{"order": ' + b"1" * 5000 + b"}"),
    "deep nesting": answer(b"[" * 200_000),
    "an order's status": answer({"status": "Fail", "charge": "0.20"}),
    "an order's status and why": answer({"status": "Fail", "charge": "0", "message": "late"}),
    "id and error": answer({"order": 23501, "error": "Not enough funds"}),
    "id and failure": answer({"order": 23501, "status": "fail", "message": "duplicate"}),
    "two answers": answer(b'{"error": "Bad link"}{"order": 23501}'),
    "inner object of a truncated answer": answer(b'{"data":\n{"order": 23501}\n'),
}

REFUSED: dict[str, tuple[Behaviour, ErrorCode]] = {
    "200 error": (answer({"error": "Not enough funds on balance"}), ErrorCode.FUNDS),
    "400 error": (answer({"error": "neworder.error.link"}, status=400), ErrorCode.BAD_LINK),
    "401 error": (answer({"Error": "Invalid API key"}, status=401), ErrorCode.CREDENTIALS),
    "402 error": (
        answer({"status": "fail", "message": "insufficient_balance"}, status=402),
        ErrorCode.FUNDS,
    ),
    "404 error": (answer({"errors": ["service_not_found"]}, status=404), ErrorCode.SERVICE_GONE),
    "422 error": (
        answer({"errors": {"quantity": ["min_quantity"]}}, status=422),
        ErrorCode.BAD_QUANTITY,
    ),
    "message": (answer({"success": False, "msg": "Bad link"}), ErrorCode.BAD_LINK),
    "unknown words": (answer({"error": "Computer says no"}), ErrorCode.UNRECOGNIZED),
    "error under data": (answer({"data": {"error": "Bad link"}}), ErrorCode.BAD_LINK),
    "302 with an error": (answer({"error": "Bad link"}, status=302), ErrorCode.BAD_LINK),
    "429 empty": (answer(b"", status=429, headers="Retry-After: 9\r\n"), ErrorCode.THROTTLED),
    "429 HTML": (answer(CHALLENGE, status=429), ErrorCode.THROTTLED),
    "429 words": (answer({"error": "Slow down"}, status=429), ErrorCode.THROTTLED),
    "busy link": (
        answer({"error": "You have active order with this link. Please wait"}),
        ErrorCode.LINK_BUSY,
    ),
}

NOTICE = b"<br />\n<b>Notice</b>: Undefined index: [x] in <b>/a.php</b> on line <b>3</b><br />\n"
PLACED: dict[str, tuple[Behaviour, str]] = {
    "int": (answer({"order": 23501}), "23501"),
    "digits": (answer({"order": "23501"}), "23501"),
    "opaque": (answer({"order": "ord_01HG9ABC"}), "ord_01HG9ABC"),
    "201": (answer({"order": 5}, status=201), "5"),
    "order_id": (answer({"order_id": 5}), "5"),
    "id": (answer({"status": "success", "id": "5", "msg": "ok"}), "5"),
    "500 with an id": (answer({"order": 5}, status=500), "5"),
    "failed later": (answer({"order": 5, "status": "Fail", "charge": "0.1"}), "5"),
    "empty error": (answer({"order": 5, "error": None, "errors": []}), "5"),
    "nested": (answer({"data": {"order": 5}}), "5"),
    "text/html": (answer({"order": 5}, mime="text/html"), "5"),
    "BOM": (answer(b'\xef\xbb\xbf{"order": 5}'), "5"),
    "PHP notice": (answer(NOTICE + b'{"order": 5}'), "5"),
    "plain PHP notice": (answer(b'\nNotice: x in {a} on line 3\n{"order": 5}'), "5"),
    "log line": (answer(b'[23-Nov-2026 10:00:00] PHP Notice: x\n{"order": 5}'), "5"),
    "chunked": (chunked(b'{"ord', b'er": 5}', ended=True), "5"),
    "until closed": (raw_bytes(b'HTTP/1.0 200 OK\r\n\r\n{"order": 5}'), "5"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_add_when_the_answer_settles_nothing_then_unknown(
    name: str, server: FaultServer, make_client: MakeClient
) -> None:
    server.behaviour = UNKNOWN[name]
    started = time.monotonic()

    outcome = make_client().add(PARAMS)

    assert server.received_whole
    assert isinstance(outcome, Unknown), outcome
    assert outcome.reason
    assert outcome.evidence.phase.may_have_sent
    assert server.connections == 1, "it must never be sent again"
    assert time.monotonic() - started < 2, "the deadline is for the whole exchange"


@pytest.mark.parametrize("behaviour", [gzip_bomb(200_000_000), answer(b" " * 1_000_001)])
def test_add_when_the_answer_is_huge_then_cut_at_the_cap(
    behaviour: Behaviour, server: FaultServer, make_client: MakeClient
) -> None:
    server.behaviour = behaviour
    outcome = make_client().add(PARAMS)
    assert isinstance(outcome, Unknown) and "longer than" in outcome.reason


@pytest.mark.parametrize("behaviour", ["truncated body", "truncated chunks"])
def test_add_when_the_answer_is_cut_off_then_what_came_is_evidence(
    behaviour: str, server: FaultServer, make_client: MakeClient
) -> None:
    server.behaviour = UNKNOWN[behaviour]
    outcome = make_client().add(PARAMS)
    assert outcome.evidence.body_excerpt == '{"order": 23'
    assert outcome.evidence.http_status == 200


@pytest.mark.parametrize("name", REFUSED)
def test_add_when_the_provider_says_no_then_refused(name: str, server: FaultServer, make_client: MakeClient) -> None:
    server.behaviour, code = REFUSED[name]
    outcome = make_client().add(PARAMS)
    assert isinstance(outcome, Refused), outcome
    assert outcome.code is code
    assert server.connections == 1


@pytest.mark.parametrize("name", PLACED)
def test_add_when_an_id_comes_then_placed(name: str, server: FaultServer, make_client: MakeClient) -> None:
    server.behaviour, order_id = PLACED[name]
    outcome = make_client().add(PARAMS)
    assert isinstance(outcome, Placed), outcome
    assert outcome.order_id == order_id
    assert outcome.evidence.phase is Phase.ANSWERED


def test_add_when_sent_then_form_is_what_was_asked(server: FaultServer, make_client: MakeClient) -> None:
    server.behaviour = answer({"order": 5, "charge": "1,234.56"})

    outcome = make_client(user_agent="Shop/2").add(PARAMS)

    assert isinstance(outcome, Placed) and outcome.charge == Decimal("1234.56")
    head, _, body = server.whole[0].partition(b"\r\n\r\n")
    sent = {key: values[0] for key, values in parse_qs(body.decode()).items()}
    assert sent == {"key": API_KEY, "action": "add", **PARAMS}
    assert head.startswith(b"POST /api/v2 HTTP/1.1\r\n")
    assert b"User-Agent: Shop/2\r\n" in head + b"\r\n"
    assert b"Connection: close" in head
    assert b"application/x-www-form-urlencoded" in head


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_add_when_redirected_then_not_sent_and_not_followed(
    status: int, server: FaultServer, make_client: MakeClient
) -> None:
    server.behaviour = answer(b"", status=status, headers=f"Location: {server.url}\r\n")
    outcome = make_client().add(PARAMS)
    assert isinstance(outcome, NotSent)
    assert server.connections == 1


def test_add_when_connection_is_refused_then_not_sent(make_client: MakeClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    outcome = make_client(url=f"http://127.0.0.1:{port}/").add(PARAMS)
    assert isinstance(outcome, NotSent)
    assert outcome.evidence.phase is Phase.CONNECTING


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64 + ".example", "xn--a.invalid"])
def test_add_when_the_name_does_not_resolve_then_not_sent(host: str, make_client: MakeClient) -> None:
    outcome = make_client(url=f"https://{host}/api/v2").add(PARAMS)
    assert isinstance(outcome, NotSent)
    assert outcome.evidence.phase is Phase.CONNECTING


def test_add_when_reset_on_accept_then_never_refused(server: FaultServer, make_client: MakeClient) -> None:
    server.before_reading = reset
    outcome = make_client().add(PARAMS)
    # The request may be in the kernel's hands by then: only the measured phase decides.
    assert isinstance(outcome, Unknown | NotSent)
    assert isinstance(outcome, Unknown) == outcome.evidence.phase.may_have_sent
    assert server.connections == 1


@pytest.mark.parametrize("error", [ConnectionRefusedError, TimeoutError, socket.gaierror, ValueError])
def test_add_when_sending_fails_with_any_exception_then_unknown(
    error: type[Exception],
    server: FaultServer,
    make_client: MakeClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Names lie: what elsewhere is raised while connecting comes here after sending."""

    def fail(_self: object) -> None:
        raise error("connection refused")

    monkeypatch.setattr("urllib3.connection.HTTPConnection.getresponse", fail)
    outcome = make_client().add(PARAMS)
    assert isinstance(outcome, Unknown)
    assert outcome.evidence.phase is Phase.SENT


def test_add_when_the_first_send_fails_then_unknown(
    server: FaultServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phase is set before the bytes leave: no failed send passes for "not sent"."""

    def fail(_self: object, _data: object) -> int:
        raise ConnectionRefusedError("connection refused")

    class Broken(socket.socket):
        send = fail  # type: ignore[assignment]

    monkeypatch.setattr("catalog.upstream.transport.socket.socket", Broken)
    outcome = make_client().add(PARAMS)
    assert isinstance(outcome, Unknown)
    assert outcome.evidence.phase is Phase.SENDING


def test_add_when_the_lease_is_over_then_not_even_connected(server: FaultServer, make_client: MakeClient) -> None:
    outcome = make_client().add(PARAMS, not_after=time.monotonic())
    assert isinstance(outcome, NotSent)
    assert outcome.evidence.phase is Phase.NEW
    assert server.connections == 0


def test_add_when_the_lease_ends_while_connecting_then_not_a_byte_is_sent(
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
def test_add_when_the_address_is_private_then_not_even_connected(
    scheme: str, server: FaultServer, make_client: MakeClient
) -> None:
    client = make_client(url=f"{scheme}://127.0.0.1:{server.port}/", allow_private=False)
    outcome = client.add(PARAMS)
    assert isinstance(outcome, NotSent)
    assert server.connections == 0


def test_add_when_a_public_address_turns_out_private_then_nothing_is_sent(
    server: FaultServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the connected peer stands on its own."""
    verdicts = iter([True, False])
    monkeypatch.setattr(transport, "is_public", lambda _address: next(verdicts))
    url = f"https://127.0.0.1:{server.port}/"
    outcome = make_client(url=url, allow_private=False).add(PARAMS)
    assert isinstance(outcome, NotSent) and "not public" in outcome.reason
    assert server.bytes_seen == 0


def test_add_when_parameters_cannot_be_encoded_then_not_sent(server: FaultServer, make_client: MakeClient) -> None:
    assert isinstance(make_client().add({"link": "\ud800"}), NotSent)
    assert server.connections == 0


def test_add_when_the_environment_names_a_proxy_then_it_is_ignored(
    server: FaultServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.behaviour = answer({"order": 5})
    assert isinstance(make_client().add(PARAMS), Placed)


def test_add_when_params_name_the_key_then_value_error(make_client: MakeClient) -> None:
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
def test_add_when_the_answer_echoes_the_key_then_it_is_nowhere_in_the_outcome(
    body: str, server: FaultServer, make_client: MakeClient
) -> None:
    server.behaviour = answer(body)
    client = make_client()
    outcome = client.add(PARAMS)
    assert API_KEY[:8] not in repr(outcome) + repr(client) + str(vars(outcome.evidence.phase))
    assert len(outcome.evidence.body_excerpt) <= 2048


def test_add_when_faults_repeat_then_no_socket_or_thread_leaks(server: FaultServer, make_client: MakeClient) -> None:
    client = make_client(add_timeout=0.1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = threading.active_count()
        for behaviour in (stall, reset, close, UNKNOWN["gzip bomb"], UNKNOWN["truncated body"]):
            server.behaviour = behaviour
            client.add(PARAMS)
        gc.collect()
        # The server has one thread a connection, which end as the client closes.
        for worker in server._workers:
            worker.join(timeout=2)
        assert threading.active_count() <= before
    assert [item for item in caught if issubclass(item.category, ResourceWarning)] == []


# -- TLS -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + built.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls_server(certificate: Path):  # type: ignore[no-untyped-def]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = FaultServer(tls=context)
    yield server
    server.close()


def test_add_when_the_certificate_is_not_trusted_then_not_sent(
    tls_server: FaultServer, make_client: MakeClient
) -> None:
    outcome = make_client(url=tls_server.url).add(PARAMS)
    assert isinstance(outcome, NotSent), outcome
    assert "CERTIFICATE_VERIFY_FAILED" in outcome.reason
    assert not tls_server.received_whole


@pytest.mark.parametrize("fault", [stall, reset, drip(b"\x16\x03\x03\x40\x00" + b"x" * 99)])
def test_add_when_the_handshake_fails_then_not_sent(
    fault: Behaviour, server: FaultServer, make_client: MakeClient
) -> None:
    server.before_reading = fault
    started = time.monotonic()
    outcome = make_client(url=server.url.replace("http:", "https:")).add(PARAMS)
    assert isinstance(outcome, NotSent), outcome
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (answer({"order": 5}), Placed),
        (drip(http(b'{"order": 23501}')), Unknown),
        (close, Unknown),
        (stall, Unknown),
        (answer({"error": "Bad link"}), Refused),
    ],
)
def test_add_over_tls_when_trusted_then_as_without(
    behaviour: Behaviour,
    expected: type,
    tls_server: FaultServer,
    certificate: Path,
    make_client: MakeClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(transport, "_tls_context", lambda: context)
    tls_server.behaviour = behaviour
    started = time.monotonic()
    outcome = make_client(url=tls_server.url).add({**PARAMS, "comments": "x" * 200_000})
    assert isinstance(outcome, expected), outcome
    assert tls_server.received_whole
    assert time.monotonic() - started < 2
