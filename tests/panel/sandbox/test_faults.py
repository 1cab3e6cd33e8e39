"""Faults that the sandbox injects into connections and answers, seen by a real HTTP client."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from panel.sandbox.http import faults
from panel.sandbox.http.faults import Fault, FaultQueue
from panel.sandbox.server import SandboxServer

KEY = "k-test"
ADD = {
    "key": KEY,
    "action": "add",
    "service": "2",
    "link": "https://example.com/sandbox-stuck",
    "quantity": "100",
}
BALANCE = {"key": KEY, "action": "balance"}


def send(server: SandboxServer, data: dict[str, str], **options: Any) -> requests.Response:
    """Post a request without following redirects."""
    return requests.post(server.url, data=data, timeout=60, allow_redirects=False, **options)


def send_raw(server: SandboxServer, data: str = "key=k-test&action=add&service=2&quantity=100&link=a") -> Any:
    """Send a request over a bare socket; return the first 4,096 bytes of the answer, or the error."""
    parts = urlsplit(server.url)
    assert parts.hostname and parts.port
    head = f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
    try:
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
            connection.sendall((head + data).encode())
            return connection.recv(4096)
    except OSError as error:
        return error


@pytest.mark.parametrize(
    ("fault", "orders"),
    [
        (faults.drop_before("add"), 0),
        (faults.drop_after("add"), 1),
        (faults.reset_before("add"), 0),
        (faults.reset_after("add"), 1),
        (faults.refuse(), 0),
        (faults.truncate("add"), 1),
        (faults.truncate("add", processed=False), 0),
    ],
)
def test_fault_when_answer_is_lost_then_order_exists_if_processed(
    server: SandboxServer, fault: Fault, orders: int
) -> None:
    server.inject(fault)
    if fault.end == "truncate" and not fault.processed:
        assert send(server, ADD).content == b""
    else:
        with pytest.raises(requests.RequestException):
            send(server, ADD)
    assert len(server.orders()) == orders
    assert send(server, ADD).json()["order"] >= 23501
    assert len(server.orders()) == orders + 1
    assert server.faults.armed() == []


@pytest.mark.parametrize("processed", [False, True])
def test_fault_when_drop_or_reset_then_an_orderly_end_or_a_reset(server: SandboxServer, processed: bool) -> None:
    for _ in range(20):
        server.inject(Fault(end="drop", processed=processed))
        assert send_raw(server) == b""
        server.inject(Fault(end="reset", processed=processed))
        assert isinstance(send_raw(server), ConnectionResetError)


def test_refuse_when_applied_then_nothing_is_read(server: SandboxServer) -> None:
    server.inject(faults.refuse(times=2))
    for _ in range(2):
        assert isinstance(send_raw(server), ConnectionError)
    assert server.requests == []
    assert b"200 OK" in send_raw(server)


def test_fault_when_for_another_action_then_it_waits_for_its_own(server: SandboxServer) -> None:
    server.inject(faults.reply(status=500, action="add", times=2))
    assert send(server, BALANCE).status_code == 200
    for left in (1, 0):
        assert send(server, ADD).status_code == 500
        assert [fault.times for fault in server.faults.armed()] == ([left] if left else [])
    assert send(server, ADD).status_code == 200
    assert len(server.orders()) == 1
    assert [entry.fault for entry in server.requests] == [None, "answer", "answer", None]
    assert [entry.processed for entry in server.requests] == [True, False, False, True]


def test_fault_when_times_is_none_then_applied_until_cleared(server: SandboxServer) -> None:
    server.inject(faults.reply(status=503, times=None))
    assert [send(server, BALANCE).status_code for _ in range(5)] == [503] * 5
    server.clear_faults()
    assert send(server, BALANCE).status_code == 200


def test_answer_when_the_status_is_replaced_then_the_body_stays(
    server: SandboxServer,
) -> None:
    server.inject(faults.reply(status=201, processed=True))
    accepted = send(server, ADD)
    assert (accepted.status_code, accepted.json()) == (201, {"order": 23501})
    server.inject(faults.reply(body=b'{"error":"Rate limit"}', status=429, headers={"Retry-After": "7"}))
    limited = send(server, ADD)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")
    assert limited.json() == {"error": "Rate limit"}
    page = {"Content-Type": "text/html"}
    server.inject(faults.reply(body=b"<html>", headers=page, processed=True))
    challenge = send(server, ADD)
    assert (challenge.text, challenge.headers["Content-Type"]) == ("<html>", "text/html")
    assert len(server.orders()) == 2


def test_redirect_when_applied_then_the_location_is_sent(server: SandboxServer) -> None:
    server.inject(faults.redirect("http://127.0.0.1:1/elsewhere", status=301))
    answer = send(server, ADD)
    assert (answer.status_code, answer.headers["Location"]) == (301, "http://127.0.0.1:1/elsewhere")
    assert server.orders() == []


def test_truncate_when_applied_then_more_is_announced_than_sent(server: SandboxServer) -> None:
    server.inject(faults.truncate("balance"))
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    connection.request("POST", parts.path, "key=k-test&action=balance")
    response = connection.getresponse()
    announced = int(response.headers["Content-Length"])
    with pytest.raises(http.client.IncompleteRead) as caught:
        response.read()
    assert len(caught.value.partial) == announced // 2
    connection.close()


def wait_for_an_order(server: SandboxServer) -> None:
    """Wait until the sandbox has an order, for at most 60 seconds; the caller checks that it has."""
    deadline = time.monotonic() + 60
    while not server.orders() and time.monotonic() < deadline:
        time.sleep(0.005)


def test_delay_after_when_the_client_gives_up_then_the_order_exists(server: SandboxServer) -> None:
    server.inject(faults.delay_after(30, "add"))
    with pytest.raises(requests.ReadTimeout):
        requests.post(server.url, data=ADD, timeout=(60, 0.05))
    wait_for_an_order(server)
    assert len(server.orders()) == 1


def test_delay_before_when_the_client_gives_up_then_ordered_later(server: SandboxServer) -> None:
    server.inject(faults.delay_before(2, "add"))
    with pytest.raises(requests.ReadTimeout):
        requests.post(server.url, data=ADD, timeout=(60, 0.02))
    assert server.orders() == []
    wait_for_an_order(server)
    assert len(server.orders()) == 1


def test_drip_when_applied_then_the_body_comes_slowly_and_whole(server: SandboxServer) -> None:
    server.inject(faults.drip(0.001, "balance"))
    began = time.monotonic()
    assert send(server, BALANCE).json() == {"balance": "1000", "currency": "USD"}
    assert time.monotonic() - began > 0.03


def test_gate_when_held_then_the_answer_waits_for_it(server: SandboxServer) -> None:
    gate = threading.Event()
    server.inject(Fault(action="add", gate=gate))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(send, server, ADD)
        wait_for_an_order(server)
        assert len(server.orders()) == 1 and not waiting.done()
        assert server.requests[0].answered_at is None
        gate.set()
        assert waiting.result(60).json() == {"order": 23501}


def test_body_when_half_of_it_is_sent_then_nothing_is_ordered(server: SandboxServer) -> None:
    parts = urlsplit(server.url)
    body = "key=k-test&action=add&service=2&quantity=100&link=a"
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        head = f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body) + 9}\r\n\r\n"
        connection.sendall((head + body).encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert server.orders() == [] and server.requests == []


def test_queue_when_many_threads_take_then_times_is_respected() -> None:
    queue = FaultQueue()
    queue.inject(faults.drop_after("add", times=50))
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: queue.take("add"), range(200)))
    assert sum(fault is not None for fault in taken) == 50


@pytest.mark.parametrize("values", [{"end": "explode"}, {"times": 0}, {"end": "refuse", "action": "add"}])
def test_fault_when_its_fields_contradict_then_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Fault(**values)


def test_fault_when_read_from_json_then_bodies_may_be_text_or_bytes() -> None:
    assert Fault.from_json({"body": "é"}).body == "é".encode()
    assert Fault.from_json({"body_base64": "/w=="}).body == b"\xff"
    with pytest.raises(ValueError):
        Fault.from_json({"gate": True})
