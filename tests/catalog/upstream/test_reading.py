"""Calls to a real server: retries, deadlines, and actions that are never repeated."""

from __future__ import annotations

import contextlib
import gzip
import json
import pickle
import socket
import time
from collections.abc import Callable
from decimal import Decimal

import pytest

from catalog.upstream import (
    CancelAccepted,
    ErrorCode,
    OrderStatus,
    ProviderRefused,
    RowError,
    StatusRow,
    UnreadableAnswer,
    UpstreamClient,
    UpstreamError,
    UpstreamUnavailable,
)
from tests.catalog.upstream.fault_server import (
    API_KEY,
    Behaviour,
    FaultServer,
    answer,
    close,
    drip,
    http,
    raw_bytes,
    reset,
    stall,
)

MakeClient = Callable[..., UpstreamClient]


def test_statuses_when_many_ids_then_one_call(server: FaultServer, make_client: MakeClient) -> None:
    server.behaviour = answer({"1": {"status": "Completed", "charge": "1"}, "2": {"error": "x"}})
    answered = make_client().statuses(["1", "2", "3", "1"])
    assert b"&action=status&orders=1%2C2%2C3" in server.whole[0]
    assert server.connections == 1
    assert set(answered) == {"1", "2"}
    assert isinstance(answered["1"], StatusRow)
    assert answered["1"].status is OrderStatus.COMPLETED
    assert answered["2"] == RowError("2", ErrorCode.UNRECOGNIZED, "x")


def test_statuses_when_ids_are_invalid_then_nothing_is_sent(server: FaultServer, make_client: MakeClient) -> None:
    client = make_client()
    assert client.statuses([]) == {}
    for ids in (["1,2"], [""], ["1"] * 101, "12"):
        with pytest.raises(ValueError, match="id"):
            client.statuses(ids)
    assert server.connections == 0


def test_services_when_compressed_then_decompressed(server: FaultServer, make_client: MakeClient) -> None:
    row = {"name": "V", "type": "Default", "category": "C", "rate": 1, "min": 1, "max": 2}
    rows = [{"service": number, **row} for number in range(1, 5001)]
    packed = gzip.compress(json.dumps(rows).encode())
    server.behaviour = raw_bytes(http(packed, headers="Content-Encoding: gzip\r\n"))
    listed = make_client().services()
    assert len(listed.rows) == 5000
    assert listed.rows[0].rate == Decimal(1)


READING = {
    "balance": (lambda client: client.balance(), {"balance": "5"}),
    "services": (lambda client: client.services(), []),
    "status": (lambda client: client.statuses(["1"]), {"1": {"status": "Pending"}}),
    "refill_status": (lambda client: client.refill_statuses(["1"]), {"1": {"status": "Pending"}}),
}
ASKING = {
    "add": lambda client: client.add({"service": "1"}),
    "cancel": lambda client: client.cancel(["1"]),
    "refill": lambda client: client.refill(["1"]),
}


@pytest.mark.parametrize("action", READING)
def test_reading_when_first_tries_fail_then_retried_with_backoff(
    action: str, server: FaultServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, body = READING[action]
    faults = iter([reset, close])
    works = answer(body)
    pauses: list[float] = []
    monkeypatch.setattr("catalog.upstream.client.time.sleep", pauses.append)
    server.behaviour = lambda connection: next(faults, works)(connection)
    call(make_client(user_agent="Shop/2"))
    assert server.requests == 3
    assert len(pauses) == 2 and 0 < pauses[0] < pauses[1]
    for request in server.whole:
        assert f"action={action}".encode() in request and b"\r\nUser-Agent: Shop/2\r\n" in request


@pytest.mark.parametrize("action", ASKING)
@pytest.mark.parametrize(
    "behaviour",
    [reset, close, stall, answer(b"", status=503), answer(b"", status=429), answer(b"", status=302), answer(b"[")],
)
def test_cancel_and_refill_when_they_fail_then_never_retried(
    action: str, behaviour: Behaviour, server: FaultServer, make_client: MakeClient
) -> None:
    server.behaviour = behaviour
    with contextlib.suppress(UpstreamError):
        ASKING[action](make_client(add_timeout=0.3, read_timeout=0.3))
    server.wait_until_counted()
    assert server.requests == server.connections == 1


@pytest.mark.parametrize("action", ASKING)
def test_cancel_and_refill_when_unable_to_send_then_never_retried(
    action: str, server: FaultServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[object] = []

    def fail(*args: object, **_kwargs: object) -> object:
        tries.append(args)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with contextlib.suppress(UpstreamError):
        ASKING[action](make_client())
    assert len(tries) == 1


def test_reading_when_all_tries_fail_then_error_after_two_retries(server: FaultServer, make_client: MakeClient) -> None:
    server.behaviour = answer(b"<html>", status=503)
    with pytest.raises(UpstreamUnavailable, match="HTTP 503") as failure:
        make_client().balance()
    assert server.connections == 3
    assert failure.value.evidence is not None
    assert failure.value.evidence.http_status == 503


@pytest.mark.parametrize("behaviour", [stall, drip(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 999)])
def test_reading_when_slow_then_one_deadline_for_all_tries(
    behaviour: Callable[[object], None], server: FaultServer, make_client: MakeClient
) -> None:
    server.behaviour = behaviour  # type: ignore[assignment]
    started = time.monotonic()
    with pytest.raises(UpstreamUnavailable):
        make_client(read_timeout=0.5).balance()
    assert time.monotonic() - started < 20  # the server drips for thirty seconds


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, {"error": "Invalid API key"}, ErrorCode.CREDENTIALS),
        (500, {"error": "Invalid API key"}, ErrorCode.CREDENTIALS),
        (403, {"success": False, "msg": "No"}, ErrorCode.UNRECOGNIZED),
        (429, "busy", ErrorCode.THROTTLED),
        (429, {"error": "busy"}, ErrorCode.THROTTLED),
    ],
)
def test_reading_when_provider_refuses_then_raised_at_once(
    status: int, body: object, code: ErrorCode, server: FaultServer, make_client: MakeClient
) -> None:
    server.behaviour = answer(body, status=status)  # type: ignore[arg-type]
    with pytest.raises(ProviderRefused) as refusal:
        make_client().balance()
    assert refusal.value.code is code
    assert server.connections == 1


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"[1,", b"\xff\xfe\x00"])
def test_reading_when_answer_is_nonsense_then_unreadable(
    body: bytes, server: FaultServer, make_client: MakeClient
) -> None:
    server.behaviour = answer(body)
    with pytest.raises(UnreadableAnswer):
        make_client().balance()
    assert server.connections == 1


@pytest.mark.parametrize("action", ["cancel", "refill"])
@pytest.mark.parametrize("behaviour", [reset, answer(b"", status=503)])
def test_cancel_and_refill_when_in_doubt_then_never_sent_again(
    action: str,
    behaviour: Callable[[object], None],
    server: FaultServer,
    make_client: MakeClient,
) -> None:
    server.behaviour = behaviour  # type: ignore[assignment]
    with pytest.raises(UpstreamUnavailable) as failure:
        getattr(make_client(), action)(["1"])
    assert server.connections == 1
    assert failure.value.evidence is not None
    assert failure.value.evidence.phase.may_have_sent


def test_cancel_when_accepted_then_cancel_accepted(server: FaultServer, make_client: MakeClient) -> None:
    server.behaviour = answer([{"order": 2, "cancel": 1}])
    assert make_client().cancel(["2", "3"]) == {"2": CancelAccepted("2")}


def test_errors_when_shown_or_pickled_then_complete_but_key_hidden(
    server: FaultServer, make_client: MakeClient
) -> None:
    server.behaviour = answer({"error": f"Invalid API key: {API_KEY}"})
    client = make_client()
    with pytest.raises(ProviderRefused) as refusal:
        client.balance()
    assert str(refusal.value) == "credentials: Invalid API key: [key]"
    copy = pickle.loads(pickle.dumps(refusal.value))
    assert (copy.code, copy.text, copy.evidence) == refusal.value.args
    assert API_KEY not in repr(refusal.value) + repr(client)


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "ftp://example.com/"},
        {"url": "example.com/api"},
        {"url": "https:///api"},
        {"url": "https://user:pass@example.com/"},
        {"url": "http://[::1"},
        {"user_agent": "a\r\nX: y"},
    ],
)
def test_client_when_url_or_user_agent_is_invalid_then_value_error(
    changes: dict[str, str], make_client: MakeClient
) -> None:
    with pytest.raises(ValueError, match="must|no URL|may hold"):
        make_client(**changes)
