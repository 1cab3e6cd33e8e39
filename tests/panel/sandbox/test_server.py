"""The sandbox server: forced states, its file, control over HTTP, its page and its command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from panel.sandbox.http import control
from panel.sandbox.server import SandboxServer

Call = Callable[..., Any]
AddOrder = Callable[..., int]
ROOT = Path(__file__).resolve().parents[3]
ADD = {
    "key": "k",
    "action": "add",
    "service": "2",
    "link": "https://example.com/sandbox-stuck",
    "quantity": "100",
}


# -- forcing states ---------------------------------------------------------------------------------


def test_set_order_when_ended_then_shown_and_refunded_once(
    server: SandboxServer, call: Call, add_order: AddOrder
) -> None:
    order = add_order("sandbox-stuck")
    server.set_order(order, status="Partial", remains=250)
    row = call("status", order=order)
    assert (row["status"], row["charge"], row["remains"]) == ("Partial", "0.9", "250")
    assert server.balance == Decimal("999.1")
    server.set_order(order, status="Partial", remains=250)
    server.advance(1000)
    assert server.balance == Decimal("999.1")

    server.set_order(order, status="Canceled", remains=1000)
    assert server.balance == 1000
    server.set_order(order, status="Completed", remains=0)
    assert server.balance == Decimal("998.8")


@pytest.mark.parametrize(
    ("status", "remains", "charge"),
    [("Completed", "0", "1.2"), ("Canceled", "1000", "0"), ("Partial", "500", "0.6")],
)
def test_set_order_when_only_the_status_is_given_then_others_follow(
    server: SandboxServer, call: Call, add_order: AddOrder, status: str, remains: str, charge: str
) -> None:
    order = add_order()
    server.set_order(order, status=status)
    row = call("status", order=order)
    assert (row["status"], row["remains"], row["charge"]) == (status, remains, charge)


def test_set_order_when_values_are_unreadable_then_shown_unchanged(
    server: SandboxServer, call: Call, add_order: AddOrder
) -> None:
    first, second, third = add_order(), add_order(), add_order()
    server.set_order(first, status="in_progress", remains=None, charge=1.5, start_count="")
    row = call("status", order=first)
    assert (row["status"], row["remains"]) == ("in_progress", None)
    assert (row["charge"], row["start_count"]) == (1.5, "")
    server.set_order(second, answer=["what"])
    server.set_order(third, omitted=True)
    assert call("status", orders=f"{second},{third}") == {str(second): ["what"]}
    assert call("status", order=third) == {"error": "Incorrect order ID"}
    with pytest.raises(LookupError):
        server.set_order(1, status="Partial")
    with pytest.raises(ValueError):
        server.set_order(first, state="Partial")


def test_set_order_when_charge_is_higher_then_balance_pays_it(
    server: SandboxServer, call: Call, add_order: AddOrder
) -> None:
    order = add_order()
    server.set_order(order, status="Completed", charge="2")
    assert call("status", order=order)["charge"] == "2"
    assert call("balance")["balance"] == "998"


# -- the file ---------------------------------------------------------------------------------------


def test_restart_when_on_the_same_file_then_all_data_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "sandbox.sqlite3"
    with SandboxServer(db_path=path, key="k", speed=0, balance="10") as server:
        requests.post(server.url, data=ADD, timeout=60)
        server.set_service(7, rate="9.99")
        server.advance(12)
        before = server.orders()
    with SandboxServer(db_path=path, key="k", speed=0, balance="500") as server:
        assert server.orders() == before
        assert before[0].status == "In progress"
        assert server.balance == Decimal("9.88")
        rows = requests.post(server.url, data={"key": "k", "action": "services"}, timeout=60).json()
        assert rows[6]["rate"] == "9.99"
        assert requests.post(server.url, data=ADD, timeout=60).json()["order"] > before[0].id


def test_adds_when_twenty_at_once_then_accepted_ones_charged_once() -> None:
    with SandboxServer(key="k", balance="1.2") as server:

        def add(number: int) -> Any:
            return requests.post(server.url, data=ADD, timeout=60).json()

        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(add, range(20)))
        accepted = [answer["order"] for answer in answers if "order" in answer]
        assert len(set(accepted)) == 10 and len(accepted) == 10
        assert answers.count({"error": "Not enough funds on balance"}) == 10
        assert [order.id for order in server.orders()] == sorted(accepted)
        assert server.balance == 0


# A server in its own process, which a test can kill.
_RUN = """
import sys
from panel.sandbox.server import SandboxServer
server = SandboxServer(db_path=sys.argv[1], key="k", balance="1000", speed=0, control=True)
server.start()
print(server.url, flush=True)
sys.stdin.read()
"""


def test_kill_when_adds_in_progress_then_orders_and_balance_agree(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.sqlite3"
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    confirmed: list[int] = []
    enough = threading.Event()

    def add_until_killed() -> None:
        with requests.Session() as session:
            while True:
                try:
                    answer = session.post(url, data=ADD, timeout=60).json()
                except requests.RequestException:
                    return
                confirmed.append(answer["order"])
                if len(confirmed) >= 60:
                    enough.set()

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(add_until_killed) for _ in range(4)]
        assert enough.wait(60)
        os.kill(process.pid, signal.SIGKILL)
        for worker in workers:
            worker.result(60)
    process.communicate()

    with SandboxServer(db_path=path, key="k", speed=0) as server:
        orders = server.orders()
        assert {order.id for order in orders} >= set(confirmed)
        assert server.balance == 1000 - sum(order.charge for order in orders)
        assert all(order.charge == Decimal("0.12") for order in orders)


# -- control over HTTP ------------------------------------------------------------------------------


def test_control_when_open_then_every_command_works(server: SandboxServer, call: Call, add_order: AddOrder) -> None:
    def command(name: str, **arguments: Any) -> Any:
        return control.call(server.base_url, "k-test", name, **arguments)

    order = add_order()
    command("advance", seconds=60)
    assert call("status", order=order)["status"] == "Completed"
    call("refill", order=order)
    command("set_refill", refill_id=1, status="Rejected")
    assert call("refill_status", refill=1) == {"status": "Rejected"}
    command("set_dialect", many=False)
    assert call("refill_status", refills="1") == {"error": "Incorrect request"}
    command("set_dialect")
    command("set_order", order_id=order, status="Partial", remains=500)
    assert command("orders")[0]["refunded"] == "0.6"
    command("set_service", service_id=2, rate="3")
    command("set_balance", amount="7.5")
    assert command("balance") == "7.5"
    command("skip_order_ids", count=50)
    assert command("requests")[0]["action"] == "add"
    command("clear_requests")
    assert command("requests") == []
    command("inject", action="balance", status=503, body="<h1>Busy</h1>", processed=False)
    data = {"key": "k-test", "action": "balance"}
    busy = requests.post(server.url, data=data, timeout=60)
    assert (busy.status_code, busy.text) == (503, "<h1>Busy</h1>")
    command("inject", status=500, times=None)
    command("clear_faults")
    assert call("balance")["balance"] == "7.5"


@pytest.mark.parametrize(
    "message",
    [
        {"command": "explode"},
        {"command": "inject", "end": "nothing"},
        {"command": "inject", "colour": "red"},
        {"command": "set_dialect", "rows": "table"},
        {"command": "set_order", "order_id": 5, "status": "Partial"},
        {"command": "set_balance", "amount": "NaN"},
        {"command": "advance", "seconds": -1},
    ],
)
def test_control_when_command_is_wrong_then_error_and_no_change(server: SandboxServer, message: dict[str, Any]) -> None:
    url = server.base_url + "/_control"
    answer = requests.post(url, json={"key": "k-test", **message}, timeout=60)
    assert answer.status_code == 400 and answer.json()["error"]
    assert server.balance == 1000 and server.faults.armed() == []
    wrong_key = requests.post(url, json={"key": "x", **message}, timeout=60)
    assert wrong_key.status_code == 403
    assert requests.post(url, data=b"{", timeout=60).status_code == 400


def test_control_when_not_open_then_not_found() -> None:
    with SandboxServer(key="k") as server:
        url = server.base_url + "/_control"
        body = {"key": "k", "command": "set_balance", "amount": "1"}
        assert requests.post(url, json=body, timeout=60).status_code == 404
        assert server.balance == 1000


# -- the page and the command -----------------------------------------------------------------------


def test_page_when_opened_then_orders_are_shown_and_escaped(server: SandboxServer, call: Call) -> None:
    empty = requests.get(server.base_url + "/", timeout=60)
    assert empty.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Sandbox provider" in empty.text and "No orders yet." in empty.text
    call("add", service=2, link="https://e.example/<script>&", quantity=1000)
    text = requests.get(server.base_url + "/", timeout=60).text
    assert "998.8 USD" in text and "Instagram followers, standard" in text
    assert "https://e.example/&lt;script&gt;&amp;" in text and "<script" not in text


# The command in a minimal Django, without the panel's settings.
_COMMAND = """
import sys
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["panel.sandbox"])
django.setup()
from django.core.management import call_command
call_command("sandbox_provider", *sys.argv[1:])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command_when_it_gets_a_signal_then_it_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "var" / "sandbox.sqlite3"
    options = ["--port", "0", "--db", str(path), "--services", "100", "--balance", "12.5", "--speed", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, *options, "--key", "k", "--control", "--request-ids"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    url = line.split()[-1]
    with requests.Session() as session:
        services = session.post(url, data={"key": "k", "action": "services"}, timeout=60).json()
        balance = session.post(url, data={"key": "k", "action": "balance"}, timeout=60).json()
        # The signal arrives while a connection is kept alive: it must not delay the end.
        process.send_signal(number)
        rest, errors = process.communicate(timeout=60)
    assert line.startswith("Sandbox provider listening on http://127.0.0.1:")
    assert (len(services), balance["balance"]) == (100, "12.5")
    assert (process.returncode, rest, errors) == (0, "", "")


def test_close_when_requests_are_open_then_it_does_not_wait() -> None:
    from panel.sandbox.http import faults

    server = SandboxServer(key="k").start()
    server.inject(faults.delay_after(60, "balance"))
    with ThreadPoolExecutor(1) as pool:
        data = {"key": "k", "action": "balance"}
        waiting = pool.submit(requests.post, server.url, data=data, timeout=60)
        while not server.requests:
            threading.Event().wait(0.005)
        server.close()
        assert json.loads(waiting.result(60).content) == {"balance": "1000", "currency": "USD"}
    server.close()
    with pytest.raises(requests.ConnectionError):
        requests.post(server.url, timeout=60)
