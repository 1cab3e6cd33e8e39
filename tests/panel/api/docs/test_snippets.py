"""The clients of the documentation, taken from the page and run as shown."""

from __future__ import annotations

import html
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from orders.models import Order
from panel.api.docs.snippets import snippets
from panel.api.keys.services import make_key
from tests import make
from tests.scenes import money_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

PROGRAMS = {"python": sys.executable, "php": shutil.which("php"), "node": shutil.which("node")}
LANGUAGES = [
    pytest.param(slug, marks=pytest.mark.skipif(program is None, reason=f"needs {slug}"))
    for slug, program in PROGRAMS.items()
]


class Line(ThreadingHTTPServer):
    """A bad line to the panel. `faults` apply to `add` in turn.

    "lose" drops the answer after the panel processed the request; "busy" answers "too many requests" in its place.
    """

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target = urlsplit(target).netloc
        self.faults: list[str] = []
        self.seen: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def of(self, action: str) -> list[dict[str, str]]:
        return [params for params in self.seen if params["action"] == action]


class Handler(BaseHTTPRequestHandler):
    server: Line

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        params = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.server.seen.append(params)
        fault = self.server.faults.pop(0) if params["action"] == "add" and self.server.faults else ""
        if fault == "busy":
            return self.reply(b'{"error": "Too many requests: try again in 1 seconds"}')
        panel = http.client.HTTPConnection(self.server.target, timeout=120)
        panel.request("POST", self.path, body, {"Content-Type": self.headers["Content-Type"]})
        answer = panel.getresponse().read()
        panel.close()
        if fault == "lose":
            self.close_connection = True
            return None
        return self.reply(answer)

    def reply(self, answer: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def line(live_server: Any, settings: Any) -> Iterator[Line]:
    with Line(live_server.url) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        settings.SITE_URL = server.url
        yield server
        server.shutdown()


def shown(slug: str) -> tuple[str, str]:
    """Return the file's name and text, as a reader copies them."""
    page = Client().get(reverse("api_docs")).content.decode()
    part = page.split(f'id="client-{slug}"')[1]
    name, text = re.search(r"Save it as <code>(.+?)</code>.*?<pre[^>]*><code>(.*?)</code>", part, re.DOTALL).groups()
    return name, html.unescape(text)


@pytest.fixture
def run(tmp_path: Path, line: Line) -> Any:
    """Run a client with Alice's key; return what it printed as JSON, or its complaint if it failed."""

    def _run(slug: str, *words: str, secret: str) -> Any:
        name, text = shown(slug)
        (tmp_path / name).write_text(text)
        done = subprocess.run(
            [PROGRAMS[slug], name, *words],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "UPMARK_KEY": secret},
            capture_output=True,
            text=True,
            timeout=180,
        )
        return json.loads(done.stdout) if done.returncode == 0 else done.stdout + done.stderr

    return _run


@pytest.fixture
def secret(customer: Any) -> str:
    return make_key(customer=customer, name="Client").secret


@pytest.mark.parametrize("slug", LANGUAGES)
def test_client_when_run_then_reads_balance_services_and_statuses(slug, run, line, secret, customer, service):
    assert run(slug, "balance", secret=secret) == {"balance": "10", "currency": "USD"}
    [row] = run(slug, "services", secret=secret)
    assert (row["service"], row["rate"]) == (service.pk, "2.5")
    order = make.order(customer, service)
    ids = [str(order.pk), *(str(10_000 + number) for number in range(104))]
    output = run(slug, "status", ",".join(ids), secret=secret)
    assert output[str(order.pk)]["status"] == "Pending"
    assert output["10103"] == {"error": "Incorrect order ID"}
    assert len(output) == 105
    assert [len(params["orders"].split(",")) for params in line.of("status")] == [100, 5]


@pytest.mark.parametrize("slug", LANGUAGES)
def test_client_when_it_has_to_retry_then_it_orders_once(slug, run, line, secret, customer, service):
    line.faults = ["lose", "busy"]
    order = run(slug, "add", str(service.pk), "https://example.com/a?b=c&d=é", "1000", "mine-1", secret=secret)
    assert [params["request_id"] for params in line.of("add")] == ["mine-1"] * 3
    placed = Order.objects.get()
    assert placed.pk == order
    assert (placed.link, placed.quantity) == ("https://example.com/a?b=c&d=é", 1000)
    assert money_of(customer)[0] == 7_500_000
    # The same again, a day later.
    assert run(slug, "add", str(service.pk), placed.link, "1000", "mine-1", secret=secret) == order
    assert Order.objects.count() == 1


@pytest.mark.parametrize("slug", LANGUAGES)
def test_client_when_refused_then_it_does_not_retry(slug, run, line, secret, service):
    complaint = run(slug, "add", str(service.pk), "https://example.com/a", "1", "mine-1", secret=secret)
    assert "Quantity less than minimal 10" in complaint and "Refused" in complaint
    assert len(line.of("add")) == 1
    assert not Order.objects.exists()
    assert "Invalid API key" in run(slug, "balance", secret="wrong")


@pytest.mark.parametrize("slug", LANGUAGES)
@pytest.mark.parametrize(
    ("words", "secret_is", "output"),
    [
        (["balance"], "", "Refused: the environment variable UPMARK_KEY is missing: put your key in it"),
        (["balance"], "wrong", "Refused: Invalid API key"),
        (["dance"], "wrong", "Use: balance | services | add SERVICE LINK QUANTITY REQUEST_ID | status IDS"),
        (["status"], "wrong", "Use: balance | services | add SERVICE LINK QUANTITY REQUEST_ID | status IDS"),
        (["add", "1"], "wrong", "Use: balance | services | add SERVICE LINK QUANTITY REQUEST_ID | status IDS"),
    ],
    ids=["no-key", "wrong-key", "unknown", "no-ids", "half-an-order"],
)
def test_client_when_it_fails_then_it_complains_in_one_line(slug, words, secret_is, output, run, line):
    assert run(slug, *words, secret=secret_is) == f"{output}\n"


@pytest.mark.parametrize("slug", LANGUAGES)
def test_client_when_ordering_then_request_id_in_no_other_example(slug):
    page = Client().get(reverse("api_docs")).content.decode()
    [used] = re.findall(r"my-order-[0-9]+", shown(slug)[1])
    assert f"request_id={used}" not in page


def test_clients_when_shown_then_they_contain_only_panel_address(settings):
    settings.SITE_URL = "https://resell.example.org"
    for snippet in snippets(address="https://resell.example.org/api/v2"):
        assert snippet.text.count("https://resell.example.org/api/v2") == 1
        assert "panel.example.com" not in snippet.text
        assert shown(snippet.slug) == (snippet.file, snippet.text)
        assert max(map(len, snippet.text.splitlines())) <= 120
