"""The served API v2 under gunicorn, beside a bare view that runs as many trivial statements, and beside one that runs
the very statements of `add`."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import socket
import statistics
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.test import Client
from django.utils import timezone

from catalog.models import Category, Provider, Service, UpstreamService
from orders.models import Order
from orders.states import Status
from panel.accounts.models import ApiKey
from panel.api.keys.services import make_key
from panel.ops.invariants import find_breaches
from tests import make
from tests.bench.environment import settle
from tests.bench.load import PATIENCE, Load, LoadGenerator
from tests.bench.measuring import Wrong
from tests.bench.replay import Statement, recorded
from tests.bench.report import as_text
from tests.bench.web_server import WebServer, redis_url
from tests.make import reprice

CUSTOMERS = 32
MANY = 100
QUANTITY = 1_000
LEAST_SHARE = 0.5
MAX_MS = 50.0
MAX_MB = 150.0
COLUMNS = ("what", "connections", "requests/s", "p50 ms", "p95 ms", "web ms", "of the bare view", "of its statements")


def run(options: Namespace) -> Iterator[_Report]:
    shop = _Shop(options.listed)
    redis = redis_url() if settings.DATABASES["default"]["ENGINE"].endswith("postgresql") else ""
    with tempfile.TemporaryDirectory() as directory, LoadGenerator() as generator:
        file = Path(directory) / "recorded"
        file.write_bytes(pickle.dumps(shop.recorded))
        with WebServer(redis=redis, recorded=file) as server:
            bench = _Bench(shop, server, generator, options)
            bench.measure()
            peak = server.peak_mb()
    bench.check()
    kept = "Redis" if redis else "memory, of each worker its own"
    yield _Report(
        title=f"served: API v2 under gunicorn, {options.listed:,} services, rates and lists kept in {kept}",
        cells=bench.cells,
        ways=bench.ways,
        shop=shop,
        peak=peak,
        load=os.getloadavg()[0],
    )


@dataclass(frozen=True, slots=True)
class _Way:
    """Something that is asked, the same each time. `bare` and `same` name the baselines that it is compared with."""

    what: str
    requests: Sequence[bytes]
    expected: bytes | None
    bare: str = ""
    same: str = ""
    only_at: int = 0


@dataclass(slots=True)
class _Cell:
    """A way at so many connections, in all rounds together."""

    seconds: float = 0.0
    computing: float = 0.0
    answers: int = 0
    waits: list[float] = field(default_factory=list)

    @property
    def speed(self) -> float:
        return len(self.waits) / self.seconds

    @property
    def p50(self) -> float:
        return statistics.median(self.waits) * 1_000

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.waits, n=20)[-1] * 1_000

    @property
    def web_ms(self) -> float:
        return self.computing / self.answers * 1_000


class _Shop:
    """Customers with keys, and what they ask. `statements`: how many each action runs once all is warm."""

    def __init__(self, listed: int) -> None:
        service = _stock(listed)
        customers = [make.customer(f"c{place}@example.org", funds="1000000") for place in range(CUSTOMERS)]
        # Another than those who order: what this one reads stays as it is.
        reader = make.customer("reader@example.org", funds="1000000")
        self.reading_key = make_key(customer=reader, name="Bench").secret
        self.keys = [make_key(customer=one, name="Bench").secret for one in customers]
        orders = _orders(reader, service)
        # Used a moment ago, and not to be noted again while this runs.
        ApiKey.objects.update(last_used_at=timezone.now() + timedelta(hours=1))
        add = {"service": service.pk, "link": "https://example.com/p/1", "quantity": QUANTITY}
        self.forms = {
            "balance": {"action": "balance"},
            "status": {"action": "status", "order": orders[0]},
            "statuses": {"action": "status", "orders": ",".join(map(str, orders))},
            "services": {"action": "services"},
        }
        self.answers: dict[str, Any] = {}
        self.statements: dict[str, int] = {}
        for action, form in self.forms.items():
            _ask(self.reading_key, form)
            with recorded() as found:
                self.answers[action] = _ask(self.reading_key, form)
            self.statements[action] = _count(found)
        self.add = add
        self.recorded: list[list[Statement]] = []
        for key in self.keys:
            _ask(key, {"action": "add", **add})
            with recorded() as found:
                _ask(key, {"action": "add", **add})
            self.recorded.append(found)
        self.statements["add"] = _count(self.recorded[0])
        self._check(listed)
        settle()

    def _check(self, listed: int) -> None:
        status, statuses = self.answers["status"], self.answers["statuses"]
        if set(status) != {"charge", "start_count", "status", "remains", "currency"} or len(statuses) != MANY:
            raise Wrong(f"status is told otherwise: {status}")
        if any("error" in one for one in statuses.values()) or len(self.answers["services"]) != listed:
            raise Wrong("orders or services are missing")


def _stock(count: int) -> Service:
    """`count` services on sale; the first is returned."""
    provider: Provider = make.provider()
    category = Category.objects.create(name="Social")
    upstream = UpstreamService.objects.bulk_create(
        UpstreamService(
            provider=provider,
            external_id=str(number),
            name=f"Instagram Followers {number} [Real, 30 days refill, up to 10K a day]",
            category="Social",
            type="default",
            rate=2_000_000 + number,
            min_quantity=10,
            max_quantity=100_000,
            refill=True,
            cancel=number % 2 == 0,
            description=f"Start: 0-1 hour. Speed: {number} a day. Quality: real accounts, drop {number % 10} %.",
        )
        for number in range(1, count + 1)
    )
    Service.objects.bulk_create(
        Service(upstream=one, category=category, name=one.name, description=one.description) for one in upstream
    )
    reprice(services=Service.objects.all())
    Service.objects.update(is_on_sale=True)
    first = Service.objects.order_by("pk").first()
    assert first is not None
    return first


def _orders(customer: Any, service: Service) -> list[int]:
    with transaction.atomic():
        found = [
            make.accepted_order(customer, service, upstream_id=str(number), quantity=QUANTITY).pk
            for number in range(1, MANY + 1)
        ]
        Order.objects.filter(pk__in=found).update(status=Status.IN_PROGRESS, start_count=4_711, remains=QUANTITY // 3)
    return found


def _ask(key: str, form: dict[str, Any]) -> Any:
    response = Client(headers={"host": "localhost"}).post("/api/v2", {"key": key, **form})
    found = json.loads(response.content)
    if response.status_code != 200 or (isinstance(found, dict) and "error" in found):
        raise Wrong(f"{form['action']} answered {found}")
    return found


def _count(found: Sequence[Statement]) -> int:
    return sum(not statement.is_savepoint for statement in found)


class _Bench:
    def __init__(self, shop: _Shop, server: WebServer, generator: LoadGenerator, options: Namespace) -> None:
        self._shop = shop
        self._server = server
        self._generator = generator
        self._options = options
        self._ordered: list[int] = []
        self._before = Order.objects.count()
        self.ways = self._all_ways()
        self.cells: dict[tuple[str, int], _Cell] = {}

    def measure(self) -> None:
        """In turn, in each round, so that all share the noise of a minute."""
        for connections in self._options.connections:
            for _ in range(self._options.served_rounds):
                for way in self.ways:
                    if way.only_at <= connections:
                        self._load(way, connections)

    def check(self) -> None:
        """Each answer of `add` is an order of its own, there are no others, and all are paid for."""
        if len(set(self._ordered)) != len(self._ordered):
            raise Wrong("an order was answered twice")
        if Order.objects.count() - self._before != len(self._ordered):
            raise Wrong("there are orders that nobody was told of")
        if Order.objects.filter(pk__in=self._ordered[-1_000:]).count() != len(self._ordered[-1_000:]):
            raise Wrong("an answered order is not there")
        if breaches := find_breaches():
            raise Wrong(f"the ledger is not clean: {breaches[:3]}")

    def _load(self, way: _Way, connections: int) -> None:
        computed = self._server.computing()
        found = self._generator.put(
            Load(self._server.port, connections, self._options.served_seconds, way.requests, way.expected)
        )
        cell = self.cells.setdefault((way.what, connections), _Cell())
        cell.computing += self._server.computing() - computed
        cell.answers += found.answers
        cell.seconds += found.seconds
        cell.waits += found.waits
        self._ordered += found.orders

    def _all_ways(self) -> list[_Way]:
        shop = self._shop
        key = shop.reading_key
        form = {action: [_request("/api/v2", {"key": key, **form})] for action, form in shop.forms.items()}
        zipped = [_request("/api/v2", {"key": key, **shop.forms["services"]}, "gzip")]
        adds = [_request("/api/v2", {"key": one, "action": "add", **shop.add}) for one in shop.keys]
        same = [_request(f"/bench/same/{place}", {}) for place in range(CUSTOMERS)]
        bare = {action: f"bare view, SELECT 1 x {count}" for action, count in shop.statements.items()}
        ways = {
            bare[action]: _Way(bare[action], [_request(f"/bench/bare/{count}", {})], b'{"ok": true}')
            for action, count in shop.statements.items()
        }
        return [
            *ways.values(),
            _Way(
                "balance",
                form["balance"],
                _body(self._server, form["balance"][0], shop.answers["balance"]),
                bare["balance"],
            ),
            _Way(
                "status of 1",
                form["status"],
                _body(self._server, form["status"][0], shop.answers["status"]),
                bare["status"],
            ),
            _Way(
                f"status of {MANY}",
                form["statuses"],
                _body(self._server, form["statuses"][0], shop.answers["statuses"]),
                bare["statuses"],
            ),
            _Way("services, gzip", zipped, _body(self._server, zipped[0], shop.answers["services"]), bare["services"]),
            _Way(
                "services, plain",
                form["services"],
                _body(self._server, form["services"][0], shop.answers["services"]),
                bare["services"],
            ),
            _Way(SAME_ONE, same[:1], None, bare["add"]),
            _Way(ADD_ONE, adds[:1], None, bare["add"], SAME_ONE),
            _Way(SAME_ALL, same, None, bare["add"], only_at=CUSTOMERS),
            _Way(ADD_ALL, adds, None, bare["add"], SAME_ALL, only_at=CUSTOMERS),
        ]


SAME_ONE, ADD_ONE = "statements of add, one customer", "add, one customer"
SAME_ALL, ADD_ALL = f"statements of add, {CUSTOMERS} customers", f"add, {CUSTOMERS} customers"


def _request(path: str, form: dict[str, Any], encoding: str = "identity") -> bytes:
    body = urlencode(form).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept-Encoding: {encoding}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _body(server: WebServer, request: bytes, told: Any) -> bytes:
    """What the server answers, compressed or not. Raises Wrong where it is not what was told in this process."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as one:
        one.sendall(request)
        response = HTTPResponse(one)
        response.begin()
        body = response.read()
    plain = gzip.decompress(body) if response.getheader("Content-Encoding") == "gzip" else body
    if response.status != 200 or json.loads(plain) != told:
        raise Wrong(f"the web server answers otherwise: {response.status} {plain[:200]!r}")
    return body


@dataclass(frozen=True, slots=True)
class _Report:
    title: str
    ways: Sequence[_Way]
    cells: dict[tuple[str, int], _Cell]
    shop: _Shop
    peak: float
    load: float

    def __str__(self) -> str:
        lines: list[Sequence[str]] = [COLUMNS]
        for way in self.ways:
            for (what, connections), cell in self.cells.items():
                if what == way.what:
                    figures = (f"{cell.speed:,.0f}", f"{cell.p50:.1f}", f"{cell.p95:.1f}", f"{cell.web_ms:.2f}")
                    shares = [self._share(cell, other, connections) for other in (way.bare, way.same)]
                    lines.append((what, str(connections), *figures, *shares))
        return as_text(self.title, lines, self._remarks())

    def _share(self, cell: _Cell, other: str, connections: int) -> str:
        return f"{cell.speed / self.cells[other, connections].speed:.0%}" if other else ""

    def _remarks(self) -> list[str]:
        shares = {
            f"{way.what} at {connections}": cell.speed / self.cells[way.same, connections].speed
            for way in self.ways
            for (what, connections), cell in self.cells.items()
            if way.same and what == way.what
        }
        lists = {
            what: cell.p50
            for (what, connections), cell in self.cells.items()
            if connections == 1 and "services" in what
        }
        told = ", ".join(f"{what} {share:.0%}" for what, share in shares.items())
        listed = ", ".join(f"{what} {ms:.1f} ms" for what, ms in lists.items())
        counted = ", ".join(f"{action} {count}" for action, count in self.shop.statements.items())
        return [
            _budget(
                min(shares.values()) >= LEAST_SHARE, f"at least {LEAST_SHARE:.0%} of a view that does the same: {told}"
            ),
            _budget(
                max(lists.values()) <= MAX_MS, f"a warm list, on one connection, in at most {MAX_MS:g} ms: {listed}"
            ),
            _budget(self.peak <= MAX_MB, f"at most {MAX_MB:g} MB for a web worker: {self.peak:.0f}"),
            f"Statements: {counted}; BEGIN, COMMIT and savepoints are none. The bare view runs as many of SELECT 1.",
            "The statements of add are those that an order ran, recorded, and run again with another order's values.",
            f"Web ms is the processor time of the workers for an answer. Load at the end: {self.load:.1f}.",
            "Every answer was right, every order that was told of is there, and no other. Ledger clean.",
        ]


def _budget(met: bool, text: str) -> str:
    return f"{'met' if met else 'NOT met'}: {text}"
