"""Every fault of one `add`, over real sockets: the outcome must fit what the server received."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from catalog.upstream import AddAccepted, ErrorCode, NotSent, Phase, Refused, Unknown, UpstreamClient
from tests.catalog.upstream.fault_server import (
    Behaviour,
    FaultServer,
    Stage,
    answer,
    chunked,
    close,
    drip,
    gzip_bomb,
    http,
    late,
    raw_bytes,
    reset,
    stall,
)

PARAMS = {"service": "7", "link": "https://example.com/p?a=1&b=ü", "quantity": "100"}
PLACED = http(b'{"order": 23501}')
PAGE = b"<!DOCTYPE html><html><title>Just a moment</title></html>"
CHALLENGE = b'<!DOCTYPE html><html><script>var a = {"order": 5};</script></html>'
NOTICE = b"<br />\n<b>Notice</b>: Undefined index: [x] in <b>/a.php</b> on line <b>3</b><br />\n"


@dataclass(frozen=True)
class Fault:
    """What the server does once a connection has reached `stage`, and the expected outcomes.

    `tls` names the server's certificate. With `is_elsewhere` the request was read and redirected: the only case in
    which a sent request may count as not sent.
    """

    outcome: Any
    behaviour: Behaviour = close
    stage: Stage = "request"
    tls: str = ""
    address: Callable[[FaultServer], str] = lambda server: server.url
    is_deaf: bool = False
    detail: str = ""
    is_elsewhere: bool = False
    timeout: float = 9.0


def closed_port(_server: FaultServer) -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"


def crowded(server: FaultServer) -> str:
    server.crowd()
    return server.url


def no_name(_server: FaultServer) -> str:
    return "https://nowhere.invalid/api/v2"


def no_host(_server: FaultServer) -> str:
    return f"https://{'a' * 64}.example/api/v2"


def unknown(behaviour: Behaviour, **changes: Any) -> Fault:
    return Fault(Unknown, behaviour, **changes)


def silent(behaviour: Behaviour, **changes: Any) -> Fault:
    return Fault(Unknown, behaviour, timeout=1.0, **changes)


def not_sent(behaviour: Behaviour = stall, **changes: Any) -> Fault:
    return Fault(NotSent, behaviour, **changes)


def refused(code: ErrorCode, body: Any, **changes: Any) -> Fault:
    return Fault(Refused, answer(body, **changes), detail=code)


def placed(body: Any, order_id: str = "5", **changes: Any) -> Fault:
    return Fault(AddAccepted, body if callable(body) else answer(body, **changes), detail=order_id)


def elsewhere(status: int, body: bytes = b"") -> Fault:
    return Fault(NotSent, answer(body, status=status, headers="Location: /there\r\n"), is_elsewhere=True)


FAULTS: dict[str, Fault] = {
    # -- not sent --------------------------------------------------------------------------------
    "connection refused": not_sent(address=closed_port),
    "no such name": not_sent(address=no_name),
    "no name at all": not_sent(address=no_host),
    "queue full, no answer to the knock": not_sent(is_deaf=True, address=crowded, timeout=0.3),
    "TLS, reset on accept": not_sent(reset, stage="accept", tls="trusted"),
    "TLS, close on accept": not_sent(close, stage="accept", tls="trusted"),
    "TLS, handshake stalls": not_sent(stall, stage="accept", tls="trusted", timeout=0.3),
    "TLS, handshake drips": not_sent(
        drip(b"\x16\x03\x03\x40\x00" + b"x" * 1_999), stage="accept", tls="trusted", timeout=0.3
    ),
    "TLS, garbage": not_sent(raw_bytes(b"220 smtp.example.com ESMTP\r\n"), stage="accept", tls="trusted"),
    "TLS, an order in the clear": not_sent(raw_bytes(PLACED), stage="accept", tls="trusted"),
    "TLS, alert": not_sent(raw_bytes(b"\x15\x03\x03\x00\x02\x02\x28"), stage="accept", tls="trusted"),
    "TLS, untrusted certificate": not_sent(tls="untrusted"),
    "TLS, expired certificate": not_sent(tls="expired"),
    "TLS, another's certificate": not_sent(tls="another's"),
    # -- sent, result unknown ----------------------------------------------------------------------
    "never accepted": silent(stall, is_deaf=True),
    # The kernel may see the reset before or after it gets the request.
    "reset on accept": Fault((NotSent, Unknown), reset, "accept"),
    "close on accept": unknown(close, stage="accept"),
    "TLS, close right after the handshake": unknown(close, stage="handshake", tls="trusted"),
    "TLS, reset right after the handshake": unknown(reset, stage="handshake", tls="trusted"),
    "TLS, wants a certificate of ours": unknown(close, tls="demanding", stage="handshake"),
    "reset after the head": unknown(reset, stage="head"),
    "close after the head": unknown(close, stage="head"),
    "stall after the head": silent(stall, stage="head"),
    "reset after reading": unknown(reset),
    "close after reading": unknown(close),
    "stall after reading": silent(stall),
    "TLS, reset after reading": unknown(reset, tls="trusted"),
    "TLS, close after reading": unknown(close, tls="trusted"),
    "TLS, stall after reading": silent(stall, tls="trusted"),
    "TLS, drip": silent(drip(PLACED), tls="trusted"),
    "drip of the head": silent(drip(PLACED)),
    "drip of the body": silent(drip(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 1_999)),
    "later than the deadline": silent(late(raw_bytes(PLACED), 3)),
    "100, then nothing": unknown(raw_bytes(b"HTTP/1.1 100 Continue\r\n\r\n")),
    "100, then a stall": silent(lambda line: (line.sendall(b"HTTP/1.1 100 Continue\r\n\r\n"), stall(line))),
    "100 without end": silent(drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 90)),
    "truncated status line": unknown(raw_bytes(b"HTTP/1.1 20")),
    "truncated headers": unknown(raw_bytes(b"HTTP/1.1 200 OK\r\nContent-Le")),
    "no HTTP": unknown(raw_bytes(b"220 smtp.example.com ESMTP\r\n")),
    "two lengths": unknown(answer({"order": 5}, headers="Content-Length: 9\r\n")),
    "truncated body": unknown(raw_bytes(http(b'{"order": 23', length=16))),
    "truncated body that reads as a whole": unknown(raw_bytes(http(b'{"order": 23501}', length=99))),
    "refusal in a truncated body": unknown(raw_bytes(http(b'{"error": "Bad link"}', length=99))),
    "body longer than it says": unknown(raw_bytes(http(b'{"order": 23501}', length=13))),
    "body cut where it ends by closing": unknown(raw_bytes(b'HTTP/1.0 200 OK\r\n\r\n{"order": 235')),
    "truncated chunks": unknown(chunked(b'{"order": 23', ended=False)),
    "order in truncated chunks": unknown(chunked(b'{"order": 23501}', ended=False)),
    "refusal in truncated chunks": unknown(chunked(b'{"error": "Not enough funds"}', ended=False)),
    "redirect with a truncated body": unknown(raw_bytes(http(b"<", status=302, length=9))),
    "429 with a truncated body": unknown(raw_bytes(http(b"<", status=429, length=9))),
    "gzip garbage": unknown(answer(b'{"order": 1}', headers="Content-Encoding: gzip\r\n")),
    "gzip cut off": unknown(answer(gzip.compress(b'{"order": 23501}')[:-14], headers="Content-Encoding: gzip\r\n")),
    "gzip bomb": unknown(gzip_bomb(30_000_000)),
    "body over the cap": unknown(answer(b'{"order": 5}' + b" " * 1_000_000)),
    # -- answered, undecided -----------------------------------------------------------------------
    **{f"{status} empty": unknown(answer(b"", status=status)) for status in (200, 204, 400, 403, 404, 500, 502)},
    **{f"{status} HTML": unknown(answer(CHALLENGE, status=status)) for status in (200, 403, 500, 502, 503)},
    **{f"{status} error": unknown(answer({"error": "Not enough funds"}, status=status)) for status in (500, 503)},
    "303": unknown(answer(b"", status=303, headers="Location: /orders/23501\r\n")),
    "300": unknown(answer(b"", status=300)),
    "garbage": unknown(answer(b"\x00\xff\x1f\x8b garbage")),
    "null": unknown(answer(b"null")),
    "a number": unknown(answer(b"23501")),
    "a list": unknown(answer([{"order": 5}])),
    "order null": unknown(answer({"order": None, "id": 9})),
    "order 0": unknown(answer({"order": 0})),
    "order true": unknown(answer({"order": True})),
    "a word for an id": unknown(answer({"order": "success"})),
    "a sentence for an id": unknown(answer({"order": "has been placed"})),
    "NaN": unknown(answer(b'{"order": NaN}')),
    "an id of 5,000 digits": unknown(answer(b'{"order": ' + b"1" * 5000 + b"}")),
    "deep nesting": unknown(answer(b"[" * 200_000)),
    "deep nesting for an id": unknown(answer(b'{"order": ' + b"[" * 900 + b"]" * 900 + b"}")),
    "an order's status": unknown(answer({"status": "Fail", "charge": "0.20"})),
    "an order's status and why": unknown(answer({"status": "Fail", "charge": "0", "message": "late"})),
    "inner object of a truncated answer": unknown(answer(b'{"data":\n{"order": 23501}\n')),
    # -- answered, contradictory -------------------------------------------------------------------
    "order twice": unknown(answer(b'{"order":1,"order":2}')),
    "order twice, once empty": unknown(answer(b'{"order":null,"order":2}')),
    "error twice, once empty": unknown(answer(b'{"order":1,"error":"Bad link","error":""}')),
    "status twice": unknown(answer(b'{"order":1,"status":"fail","status":"ok","message":"Bad link"}')),
    "order beside data twice": unknown(answer(b'{"order":1,"data":{"order":2},"data":{}}')),
    "order twice, once true": unknown(answer(b'{"order":true,"order":1}')),
    "order beside a list of them": unknown(answer({"order": 5, "data": [{"order": 6}]})),
    "error beside a list of orders": unknown(answer({"error": "Bad link", "data": [{"order": 6}]})),
    "data twice": unknown(answer(b'{"data":{"order":1},"data":{"order":2}}')),
    "two id fields": unknown(answer({"order": 1, "order_id": 2})),
    "two id fields, one no id": unknown(answer({"order": 1, "id": "has been placed"})),
    "two id fields at two depths": unknown(answer({"order": 1, "data": {"order": 2}})),
    "id and error": unknown(answer({"order": 23501, "error": "Not enough funds"})),
    "id and error, 429": unknown(answer({"order": 23501, "error": "Too many requests"}, status=429)),
    "id and error, 302": unknown(answer({"order": 23501, "error": "Bad link"}, status=302)),
    "id and error at two depths": unknown(answer({"error": "Bad link", "data": {"order": 5}})),
    "unreadable id and error": unknown(answer({"order": "has been placed", "error": "Bad link"})),
    "id and failure": unknown(answer({"order": 23501, "status": "fail", "message": "duplicate"})),
    "two ids, 429": unknown(answer(b'{"order":1,"order":2}', status=429)),
    "two ids, 302": unknown(answer(b'{"order":1,"order":2}', status=302)),
    "garbled order, 429": unknown(answer(b'{"order": 23501', status=429)),
    "garbled order, 307": unknown(answer(b'{"order": 23501', status=307)),
    "quoted order, 429": unknown(answer(b'"{\\"order\\": 23501}"', status=429)),
    "two answers": unknown(answer(b'{"error": "Bad link"}{"order": 23501}')),
    "two orders": unknown(answer(b'{"order": 1}\n{"order": 2}')),
    "order, then a hidden answer": unknown(answer(b'{"order": 1}<!-- {"error": "Bad link"} -->')),
    "order, then a hidden field": unknown(answer(b'{"order": 1}<!-- "order": 2 -->')),
    "order, then braces": unknown(answer(b'{"order": 1}<!-- {2} -->')),
    "order, then a fatal error": unknown(answer(b'{"order": 1}<br />\n<b>Fatal error</b>: Uncaught in /a.php')),
    "order, then trouble": unknown(answer(b'{"order": 1}<!-- not enough funds -->')),
    "order, then a page": unknown(answer(b'{"order": 1}' + PAGE)),
    "order, then digits": unknown(answer(b'{"order": 1}23502')),
    "refusal, then a comment": unknown(answer(b'{"error": "Bad link"}<!-- 0.02s -->')),
    "bare id, then a comment": unknown(answer(b"23501<!-- 0.02s -->")),
    # -- redirected --------------------------------------------------------------------------------
    **{f"{status}": elsewhere(status) for status in (301, 302, 307, 308)},
    "302 HTML": elsewhere(302, PAGE),
    # -- refused -----------------------------------------------------------------------------------
    "200 error": refused(ErrorCode.FUNDS, {"error": "Not enough funds on balance"}),
    "400 error": refused(ErrorCode.BAD_LINK, {"error": "neworder.error.link"}, status=400),
    "401 error": refused(ErrorCode.CREDENTIALS, {"Error": "Invalid API key"}, status=401),
    "402 error": refused(ErrorCode.FUNDS, {"status": "fail", "message": "insufficient_balance"}, status=402),
    "404 error": refused(ErrorCode.SERVICE_GONE, {"errors": ["service_not_found"]}, status=404),
    "422 error": refused(ErrorCode.BAD_QUANTITY, {"errors": {"quantity": ["min_quantity"]}}, status=422),
    "message": refused(ErrorCode.BAD_LINK, {"success": False, "msg": "Bad link"}),
    "unknown words": refused(ErrorCode.UNRECOGNIZED, {"error": "Computer says no"}),
    "error under data": refused(ErrorCode.BAD_LINK, {"data": {"error": "Bad link"}}),
    "error and no order": refused(ErrorCode.BAD_LINK, {"error": "Bad link", "order": None}),
    "error and order -1": refused(ErrorCode.BAD_LINK, {"error": "Bad link", "order": -1}),
    "302 error": refused(ErrorCode.BAD_LINK, {"error": "Bad link"}, status=302),
    "429 empty": refused(ErrorCode.THROTTLED, b"", status=429, headers="Retry-After: 9\r\n"),
    "429 HTML": refused(ErrorCode.THROTTLED, PAGE, status=429),
    "429 words": refused(ErrorCode.THROTTLED, {"error": "Slow down"}, status=429),
    "429 message": refused(ErrorCode.THROTTLED, {"message": "Too Many Attempts."}, status=429),
    "busy link": refused(ErrorCode.LINK_BUSY, {"error": "You have active order with this link. Please wait"}),
    "TLS, refusal": Fault(Refused, answer({"error": "Bad link"}), tls="trusted", detail=ErrorCode.BAD_LINK),
    # -- accepted ----------------------------------------------------------------------------------
    "int": placed({"order": 23501}, "23501"),
    "digits": placed({"order": "23501"}, "23501"),
    "opaque": placed({"order": "ord_01HG9ABC"}, "ord_01HG9ABC"),
    "201": placed({"order": 5}, status=201),
    "order_id": placed({"order_id": 5}),
    "id": placed({"status": "success", "id": "5", "msg": "ok"}),
    "the same id in two fields": placed({"order": 5, "id": "5", "order_id": None}),
    "the same field twice": placed(b'{"order": 5, "order": 5}'),
    "500 with an id": placed({"order": 5}, status=500),
    "302 with an id": placed({"order": 5}, status=302),
    "429 with an id": placed({"order": 5}, status=429),
    "failed later": placed({"order": 5, "status": "Fail", "charge": "0.1"}),
    "empty error": placed({"order": 5, "error": None, "errors": []}),
    "nested": placed({"data": {"order": {"id": 5}}}),
    "empty data": placed({"order": 5, "data": []}),
    "text/html": placed({"order": 5}, mime="text/html"),
    "BOM": placed(b'\xef\xbb\xbf{"order": 5}'),
    "PHP notice": placed(NOTICE + b'{"order": 5}'),
    "plain PHP notice": placed(b'\nNotice: x in {a} on line 3\n{"order": 5}'),
    "log line": placed(b'[23-Nov-2026 10:00:00] PHP Notice: x\n{"order": 5}'),
    "comment after": placed(b'{"order": 5}<!-- 0.02s -->'),
    "PHP warning after": placed(b'{"order": 5}' + NOTICE),
    "plain PHP warning after": placed(b'{"order": 5}\nWarning: Undefined array key "x" in /a.php on line 3'),
    "chunked": placed(chunked(b'{"ord', b'er": 5}', ended=True)),
    "until closed": placed(raw_bytes(b'HTTP/1.0 200 OK\r\n\r\n{"order": 5}')),
    "more after the end": placed(raw_bytes(http(b'{"order": 5}') + b"HTTP/1.1 500 X\r\n\r\n")),
    "packed": placed(gzip.compress(b'{"order": 5}'), headers="Content-Encoding: gzip\r\n"),
    "100 before": placed(raw_bytes(b"HTTP/1.1 100 Continue\r\n\r\n" + http(b'{"order": 5}'))),
    "TLS": Fault(AddAccepted, raw_bytes(PLACED), tls="trusted", detail="23501"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_add_when_fault_occurs_then_outcome_fits_what_was_received(
    name: str, make_client: Callable[..., UpstreamClient], tls: Callable[[str], ssl.SSLContext]
) -> None:
    fault = FAULTS[name]
    with contextlib.closing(FaultServer(tls(fault.tls) if fault.tls else None, is_deaf=fault.is_deaf)) as server:
        server.behaviour, server.stage = fault.behaviour, fault.stage
        url = fault.address(server)
        started = time.monotonic()
        outcome = make_client(url=url, add_timeout=fault.timeout).add(PARAMS)
        assert time.monotonic() - started < 30, (
            "what drips goes on for a minute: the deadline is for the whole exchange"
        )
        server.wait_until_counted()

    assert isinstance(outcome, fault.outcome), outcome
    phase = outcome.evidence.phase
    assert server.connections <= 1 and server.requests <= 1, "it must never be sent again"
    assert phase.may_have_sent or not server.bytes_seen, "the phase denies what arrived"
    if fault.stage == "request" and phase.may_have_sent:
        assert server.received_whole
    match outcome:
        case NotSent():
            assert fault.is_elsewhere == (server.bytes_seen > 0) == phase.may_have_sent
        case Refused():
            assert server.received_whole and phase is Phase.ANSWERED
            assert (outcome.evidence.http_status or 0) < 500
            assert outcome.code == fault.detail
        case AddAccepted():
            assert server.received_whole and phase is Phase.ANSWERED
            assert outcome.order_id == fault.detail
        case Unknown():
            assert phase.may_have_sent
    if not isinstance(outcome, AddAccepted | Refused):
        assert outcome.reason
