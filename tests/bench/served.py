"""Measures API v2 under gunicorn, compared with two views.

One runs as many trivial statements as the API's action, the other replays the statements of `add`.
"""

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
from tests.bench.load import MAX_SECONDS, Load, LoadGenerator
from tests.bench.measuring import Wrong
from tests.bench.replay import Statement, recorded
from tests.bench.report import as_text
from tests.bench.web_server import WebServer, redis_url
from tests.make import reprice

CUSTOMERS = 32
# How many orders one `status` call lists.
MANY = 100
QUANTITY = 1_000
# The budget: the speed of `add` as a share of replaying its statements, the time of a list of services, and the memory
# of a worker.
MIN_SHARE = 0.5
MAX_MS = 50.0
MAX_MB = 150.0
COLUMNS = ("what", "connections", "requests/s", "p50 ms", "p95 ms", "web ms", "vs. bare view", "vs. replay")


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
    cache = "Redis" if redis else "the memory of each worker"
    yield _Report(
        title=f"served: API v2 under gunicorn, {options.listed:,} services, cache in {cache}",
        cells=bench.cells,
        targets=bench.targets,
        shop=shop,
        peak=peak,
        load=os.getloadavg()[0],
    )


@dataclass(frozen=True, slots=True)
class _Target:
    """A kind of request to measure.

    `bare` and `replay` name the baselines that it is compared with. It is measured with at least `min_connections`.
    """

    what: str
    requests: Sequence[bytes]
    expected: bytes | None
    bare: str = ""
    replay: str = ""
    min_connections: int = 0


@dataclass(slots=True)
class _Cell:
    """The results of one target at one number of connections, all rounds together."""

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
    """Customers with API keys, and their calls. `statements`: how many each action runs when the caches are filled."""

    def __init__(self, listed: int) -> None:
        service = create_services(listed)
        customers = [make.customer(f"c{place}@example.org", funds="1000000") for place in range(CUSTOMERS)]
        # Not one of those who order, so that the answers to this customer do not change.
        reader = make.customer("reader@example.org", funds="1000000")
        self.reader_key = make_key(customer=make.confirm_address(reader), name="Bench").secret
        self.keys = [make_key(customer=make.confirm_address(one), name="Bench").secret for one in customers]
        orders = _create_orders(reader, service)
        # In the future, so that the API does not update the last use of a key while the bench runs.
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
            _call(self.reader_key, form)
            with recorded() as statements:
                self.answers[action] = _call(self.reader_key, form)
            self.statements[action] = _count(statements)
        self.add = add
        self.recorded: list[list[Statement]] = []
        for key in self.keys:
            _call(key, {"action": "add", **add})
            with recorded() as statements:
                _call(key, {"action": "add", **add})
            self.recorded.append(statements)
        self.statements["add"] = _count(self.recorded[0])
        self._check(listed)
        settle()

    def _check(self, listed: int) -> None:
        status, statuses = self.answers["status"], self.answers["statuses"]
        if set(status) != {"charge", "start_count", "status", "remains", "currency"} or len(statuses) != MANY:
            raise Wrong(f"the answer to status or statuses is wrong: {status}")
        if any("error" in one for one in statuses.values()) or len(self.answers["services"]) != listed:
            raise Wrong("orders or services are missing")


def create_services(count: int) -> Service:
    """Create `count` services on sale and return the first."""
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


def _create_orders(customer: Any, service: Service) -> list[int]:
    """Create MANY accepted orders in progress and return their primary keys."""
    with transaction.atomic():
        found = [
            make.accepted_order(customer, service, upstream_id=str(number), quantity=QUANTITY).pk
            for number in range(1, MANY + 1)
        ]
        Order.objects.filter(pk__in=found).update(status=Status.IN_PROGRESS, start_count=4_711, remains=QUANTITY // 3)
    return found


def _call(key: str, form: dict[str, Any]) -> Any:
    """Return the API's answer, called in this process. Raise Wrong if it is an error."""
    response = Client(headers={"host": "localhost"}).post("/api/v2", {"key": key, **form})
    found = json.loads(response.content)
    if response.status_code != 200 or (isinstance(found, dict) and "error" in found):
        raise Wrong(f"{form['action']} answered {found}")
    return found


def _count(statements: Sequence[Statement]) -> int:
    """Return the number of statements without savepoints."""
    return sum(not statement.is_savepoint for statement in statements)


class _Bench:
    """Measures all targets and checks the orders that were created."""

    def __init__(self, shop: _Shop, server: WebServer, generator: LoadGenerator, options: Namespace) -> None:
        self._shop = shop
        self._server = server
        self._generator = generator
        self._options = options
        self._created: list[int] = []
        self._orders_before = Order.objects.count()
        self.targets = self._all_targets()
        self.cells: dict[tuple[str, int], _Cell] = {}

    def measure(self) -> None:
        """Measure the targets in turn in each round, so that all get the same noise."""
        for connections in self._options.connections:
            for _ in range(self._options.served_rounds):
                for target in self.targets:
                    if target.min_connections <= connections:
                        self._load(target, connections)

    def check(self) -> None:
        """Raise Wrong unless each answer to `add` is a different order, no other exists, and the ledger is clean."""
        if len(set(self._created)) != len(self._created):
            raise Wrong("two answers had the same order")
        if Order.objects.count() - self._orders_before != len(self._created):
            raise Wrong("the numbers of answers and of new orders differ")
        if Order.objects.filter(pk__in=self._created[-1_000:]).count() != len(self._created[-1_000:]):
            raise Wrong("an order from an answer does not exist")
        if breaches := find_breaches():
            raise Wrong(f"the ledger is not clean: {breaches[:3]}")

    def _load(self, target: _Target, connections: int) -> None:
        computing_before = self._server.computing()
        result = self._generator.put(
            Load(self._server.port, connections, self._options.served_seconds, target.requests, target.expected)
        )
        cell = self.cells.setdefault((target.what, connections), _Cell())
        cell.computing += self._server.computing() - computing_before
        cell.answers += result.answers
        cell.seconds += result.seconds
        cell.waits += result.waits
        self._created += result.orders

    def _all_targets(self) -> list[_Target]:
        shop = self._shop
        key = shop.reader_key
        form = {action: [_request("/api/v2", {"key": key, **form})] for action, form in shop.forms.items()}
        gzipped = [_request("/api/v2", {"key": key, **shop.forms["services"]}, "gzip")]
        adds = [_request("/api/v2", {"key": one, "action": "add", **shop.add}) for one in shop.keys]
        replays = [_request(f"/bench/replay/{place}", {}) for place in range(CUSTOMERS)]
        bare = {action: f"bare view, SELECT 1 x {count}" for action, count in shop.statements.items()}
        bare_targets = {
            bare[action]: _Target(bare[action], [_request(f"/bench/bare/{count}", {})], b'{"ok": true}')
            for action, count in shop.statements.items()
        }
        return [
            *bare_targets.values(),
            _Target(
                "balance",
                form["balance"],
                _body(self._server, form["balance"][0], shop.answers["balance"]),
                bare["balance"],
            ),
            _Target(
                "status of 1",
                form["status"],
                _body(self._server, form["status"][0], shop.answers["status"]),
                bare["status"],
            ),
            _Target(
                f"status of {MANY}",
                form["statuses"],
                _body(self._server, form["statuses"][0], shop.answers["statuses"]),
                bare["statuses"],
            ),
            _Target(
                "services, gzip", gzipped, _body(self._server, gzipped[0], shop.answers["services"]), bare["services"]
            ),
            _Target(
                "services, plain",
                form["services"],
                _body(self._server, form["services"][0], shop.answers["services"]),
                bare["services"],
            ),
            _Target(REPLAY_ONE, replays[:1], None, bare["add"]),
            _Target(ADD_ONE, adds[:1], None, bare["add"], REPLAY_ONE),
            _Target(REPLAY_ALL, replays, None, bare["add"], min_connections=CUSTOMERS),
            _Target(ADD_ALL, adds, None, bare["add"], REPLAY_ALL, min_connections=CUSTOMERS),
        ]


REPLAY_ONE, ADD_ONE = "replay of add, one customer", "add, one customer"
REPLAY_ALL, ADD_ALL = f"replay of add, {CUSTOMERS} customers", f"add, {CUSTOMERS} customers"


def _request(path: str, form: dict[str, Any], encoding: str = "identity") -> bytes:
    body = urlencode(form).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept-Encoding: {encoding}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _body(server: WebServer, request: bytes, expected: Any) -> bytes:
    """Return the body of the server's answer. Raise Wrong if its JSON, once decompressed, is not `expected`."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=MAX_SECONDS) as one:
        one.sendall(request)
        response = HTTPResponse(one)
        response.begin()
        body = response.read()
    plain = gzip.decompress(body) if response.getheader("Content-Encoding") == "gzip" else body
    if response.status != 200 or json.loads(plain) != expected:
        raise Wrong(f"the web server gave another answer: {response.status} {plain[:200]!r}")
    return body


@dataclass(frozen=True, slots=True)
class _Report:
    title: str
    targets: Sequence[_Target]
    cells: dict[tuple[str, int], _Cell]
    shop: _Shop
    peak: float
    load: float

    def __str__(self) -> str:
        lines: list[Sequence[str]] = [COLUMNS]
        for target in self.targets:
            for (what, connections), cell in self.cells.items():
                if what == target.what:
                    figures = (f"{cell.speed:,.0f}", f"{cell.p50:.1f}", f"{cell.p95:.1f}", f"{cell.web_ms:.2f}")
                    shares = [self._share(cell, other, connections) for other in (target.bare, target.replay)]
                    lines.append((what, str(connections), *figures, *shares))
        return as_text(self.title, lines, self._remarks())

    def _share(self, cell: _Cell, other: str, connections: int) -> str:
        return f"{cell.speed / self.cells[other, connections].speed:.0%}" if other else ""

    def _remarks(self) -> list[str]:
        shares = {
            f"{target.what} at {connections}": cell.speed / self.cells[target.replay, connections].speed
            for target in self.targets
            for (what, connections), cell in self.cells.items()
            if target.replay and what == target.what
        }
        lists = {
            what: cell.p50
            for (what, connections), cell in self.cells.items()
            if connections == 1 and "services" in what
        }
        share_texts = ", ".join(f"{what} {share:.0%}" for what, share in shares.items())
        list_times = ", ".join(f"{what} {ms:.1f} ms" for what, ms in lists.items())
        counted = ", ".join(f"{action} {count}" for action, count in self.shop.statements.items())
        return [
            _budget(
                min(shares.values()) >= MIN_SHARE, f"at least {MIN_SHARE:.0%} of the speed of a replay: {share_texts}"
            ),
            _budget(
                max(lists.values()) <= MAX_MS,
                f"a cached list, on one connection, in at most {MAX_MS:g} ms: {list_times}",
            ),
            _budget(self.peak <= MAX_MB, f"at most {MAX_MB:g} MB per web worker: {self.peak:.0f}"),
            f"Statements: {counted}, without BEGIN, COMMIT and savepoints. The bare view runs SELECT 1 as often.",
            "The replay of add runs the recorded statements of an order again, with the values of a new order.",
            f'"web ms" is the processor time of the workers per answer. Load at the end: {self.load:.1f}.',
            "Every answer was right, every order in an answer exists, and no other. The ledger is clean.",
        ]


def _budget(met: bool, text: str) -> str:
    return f"{'met' if met else 'NOT met'}: {text}"
