"""A panel as the README starts it, with customers who order and read pages, and providers that misbehave."""

from __future__ import annotations

import itertools
import random
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import requests

from panel.sandbox.http import faults
from panel.sandbox.http.faults import Fault
from panel.sandbox.server import SandboxServer
from tests.chain.panel import Panel
from tests.chain.processes import Process, Server
from tests.ports import free_port
from tests.soak.memory import children_of

_PROVIDERS = 3
_SECONDS_BETWEEN_ORDERS, _SECONDS_BETWEEN_PAGES, _SECONDS_BETWEEN_FAULTS = 0.5, 0.1, 0.4
_EMAIL, _PASSWORD = "soak@example.org", "correct horse battery"
_PAGES = ("/orders/", "/orders/new/", "/services/", "/wallet/", "/account/api/", "/api/", "/healthz")

_ACTIONS = ("add", "status", "balance", "services")
# An answer longer than the panel reads of it, and ones that cannot be read.
_BODIES = (b"<html>" + b"x" * 300_000, b"{", b"[" * 50_000, b"\xff\xfe", b'{"error": "Something went wrong"}')
_FAULTS: tuple[Callable[[str], Fault], ...] = (
    faults.drop_before,
    faults.drop_after,
    faults.reset_before,
    faults.reset_after,
    faults.truncate,
    lambda action: faults.reply(action=action, status=500, body=random.choice(_BODIES)),
    lambda action: faults.reply(action=action, body=random.choice(_BODIES)),
    lambda action: faults.delay_before(20, action),
)


class Installation:
    """Runs the processes and the load until `closing` ends. Counts what was done."""

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self._upstreams = [closing.enter_context(_provider(number)) for number in range(_PROVIDERS)]
        self.panel = Panel("soak", folder=folder, cache=12, POLL_INTERVALS="1,2,4,8", METRICS_TOKEN="soak")
        closing.callback(self.panel.close)
        self._services = self._set_up()
        place = {"folder": self.panel.folder, "environment": self.panel.environment}
        celery = (sys.executable, "-m", "celery", "-A", "tests.soak.app", "worker", "--loglevel", "INFO")
        self.worker = Process("tasks", *celery, **place)
        closing.callback(self.worker.close)
        self._port = free_port()
        gunicorn = ("-m", "gunicorn", "panel.wsgi", "--workers", "2", "--threads", "8", "--no-control-socket")
        self.web = Server("web", *gunicorn, "--bind", f"127.0.0.1:{self._port}", port=self._port, **place)
        closing.callback(self.web.close)
        self.web.wait()
        self.created = self.pages = self.faults = 0
        self._stopping = threading.Event()
        self._load = [threading.Thread(target=one, daemon=True) for one in (self._order, self._read, self._misbehave)]
        closing.callback(self.end_load)

    def _set_up(self) -> list[int]:
        """Prepare the panel, the providers with their lists, and the customer. Return the services."""
        self.panel.start_worker()
        self.panel.do("migrate")
        output, _ = (collecting := self.panel.start_command("collectstatic", "--no-input")).communicate()
        assert collecting.returncode == 0, output
        for number, upstream in enumerate(self._upstreams):
            self.panel.do("connect", name=f"Sandbox {number}", url=upstream.url, api_key=upstream.key)
        self.panel.run("sync_catalog")
        self.panel.do("make_customer", email=_EMAIL, funds="100000")
        self._secret = self.panel.do("make_key", email=_EMAIL, name="Shop")["secret"]
        return [one["pk"] for one in self.panel.do("catalog")]

    @property
    def web_pids(self) -> list[int]:
        """The processes that answer requests."""
        return children_of(self.web.pid)

    def start_load(self) -> None:
        self._session = self._signed_in()
        for one in self._load:
            one.start()

    def end_load(self) -> None:
        self._stopping.set()
        for one in self._load:
            if one.ident:
                one.join()

    def check(self) -> None:
        """Fail if a process or a part of the load has ended."""
        assert self.worker.exit_code is None, self.worker.printed()
        assert self.web.exit_code is None, self.web.printed()
        assert all(one.is_alive() for one in self._load)

    def tracebacks(self) -> int:
        """Return how many tracebacks the worker has logged."""
        return self.worker.log.read_text(errors="replace").count("Traceback (most recent call last)")

    # -- load -----------------------------------------------------------------------------------------

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def _signed_in(self) -> requests.Session:
        session = requests.Session()
        page = session.get(self._url("/account/login/"), timeout=60)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token, page.text[:500]
        form = {"csrfmiddlewaretoken": token[1], "login": _EMAIL, "password": _PASSWORD}
        answer = session.post(self._url("/account/login/"), form, headers={"Referer": self._url("/")}, timeout=60)
        assert "/orders/" in answer.url, (answer.url, answer.status_code)
        return session

    def _order(self) -> None:
        for number in itertools.count():
            if self._stopping.wait(_SECONDS_BETWEEN_ORDERS):
                return
            form = {"key": self._secret, "action": "add", "service": random.choice(self._services), "quantity": 100}
            form["link"] = f"https://example.com/soak/{number}"
            answer = requests.post(self._url("/api/v2"), form, timeout=120).json()
            self.created += "order" in answer

    def _read(self) -> None:
        for page in itertools.cycle(_PAGES):
            if self._stopping.wait(_SECONDS_BETWEEN_PAGES):
                return
            answer = self._session.get(self._url(page), timeout=120)
            assert answer.status_code == 200, (page, answer.status_code)
            self.pages += 1

    def _misbehave(self) -> None:
        while not self._stopping.wait(_SECONDS_BETWEEN_FAULTS):
            for upstream in self._upstreams:
                if len(upstream.faults.armed()) < 10:
                    upstream.inject(random.choice(_FAULTS)(random.choice(_ACTIONS)))
                    self.faults += 1

    def wait(self, seconds: float) -> None:
        """Let the load run, and check that it does."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.5)
            self.check()


def _provider(number: int) -> SandboxServer:
    # Of its requests few are kept: they are in the memory of this process.
    server = SandboxServer(key=f"soak-key-{number}", speed=100, balance="1000000", services=1, keep_requests=10)
    server.set_service(1, rate="2", min=10, max=10_000, type="Default")
    return server
