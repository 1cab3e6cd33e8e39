"""Measure pages, tasks and `check_ledger` with the data of a whole panel, in this process through all middleware."""

from __future__ import annotations

import gzip
import statistics
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from django.conf import settings
from django.test import Client, override_settings

from orders.models import Order
from panel.accounts.models import User
from panel.lib import recent_sign_in
from panel.ops.invariants import find_breaches
from tests import make
from tests.bench.data import Filled, fill, orders_here
from tests.bench.measuring import Measured, Wrong, measured
from tests.bench.page_addresses import customer_addresses, staff_addresses
from tests.bench.report import as_text
from tests.bench.task_rounds import Rounds, measure_rounds
from tests.bench.upstream import Upstream

MAX_MS = {"customers": 100.0, "staff": 300.0}
MAX_STATEMENTS = {"customers": 12, "staff": 40}
# On the wire, and elements. Pages of the admin are unfold's.
MAX_KB = {"customers": 40, "staff": 150}
MAX_ELEMENTS = {"customers": 1_500}
OWNER = "bench-owner@example.org"
# A page is opened at least FEW_VIEWS times, and no more once it has taken this many seconds in total.
MAX_SECONDS = 2.0
FEW_VIEWS = 3
COLUMNS = (
    *("page", "first ms", "p50 ms", "p95 ms", "computing ms", "statements"),
    *("KB", "KB sent", "elements", "vs. baseline", ""),
)


def run(options: Namespace) -> Iterator[Filled | Pages | Rounds]:
    """Measure what the database holds with `--filled`; fill it first without."""
    with Upstream() as upstream:
        if not options.filled:
            yield fill(orders=orders_here(options.many), url=upstream.url)
        customer = _customer_of_most()
        owner = User.objects.filter(email=OWNER).first() or make.owner(OWNER)
        # Static files are not collected for this panel.
        plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
        storages = {**settings.STORAGES, "staticfiles": plain}
        with override_settings(STORAGES=storages, ROOT_URLCONF="tests.bench.pages_urls"):
            yield measure_pages("customers", customer, customer_addresses(customer), options.views)
            yield measure_pages("staff", owner, staff_addresses(owner, customer), options.views)
        yield measure_rounds(url=upstream.url)
    if breaches := find_breaches():
        raise Wrong(f"the books are not clean: {breaches}")


def _customer_of_most() -> User:
    """Return the first customer, who has every twentieth order."""
    some = Order.objects.order_by("pk").values_list("customer_id", flat=True)[:100]
    return User.objects.filter(pk__in=list(some)).order_by("pk")[0]


def measure_pages(whose: str, user: User, addresses: dict[str, str], views: int) -> Pages:
    """Open all pages in turn, `views` times, so that a noisy minute affects all of them alike."""
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    # Nobody is asked again whether it is them.
    recent_sign_in.signed_in_at = lambda request: time.time()
    found = {what: _Timed() for what in addresses}
    for what, address in addresses.items():
        started = time.perf_counter()
        _open(client, address)  # Warms up templates, query plans and caches.
        found[what].first = time.perf_counter() - started
        with measured() as one:
            found[what].opened = _open(client, address)
        found[what].measured = one
    for view in range(views):
        for what, address in addresses.items():
            if view >= FEW_VIEWS and sum(found[what].seconds) > MAX_SECONDS:
                continue
            started, computed = time.perf_counter(), time.process_time()
            _open(client, address)
            found[what].seconds.append(time.perf_counter() - started)
            found[what].computing.append(time.process_time() - computed)
    return Pages(whose, Order.objects.count(), views, found)


def _open(client: Client, address: str) -> Opened:
    response: Any = client.get(address, headers={"Accept-Encoding": "gzip"})
    if response.status_code != 200:
        raise Wrong(f"{address} answered {response.status_code}")
    return Opened(response.content, response.get("Content-Encoding") == "gzip")


class _Elements(HTMLParser):
    count = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.count += 1


@dataclass(frozen=True, slots=True)
class Opened:
    """The body of an answer as it was sent."""

    body: bytes
    is_packed: bool

    @property
    def text(self) -> bytes:
        return gzip.decompress(self.body) if self.is_packed else self.body

    @property
    def elements(self) -> int:
        parser = _Elements()
        parser.feed(self.text.decode(errors="replace"))
        return parser.count


@dataclass(slots=True)
class _Timed:
    seconds: list[float] = field(default_factory=list)
    computing: list[float] = field(default_factory=list)
    first: float = 0.0
    opened: Opened = field(default_factory=lambda: Opened(b"", is_packed=False))
    measured: Measured = field(default_factory=Measured)

    @property
    def p50(self) -> float:
        return statistics.median(self.seconds) * 1_000

    @property
    def p95(self) -> float:
        if len(self.seconds) < 20:
            return max(self.seconds) * 1_000
        return statistics.quantiles(self.seconds, n=20)[-1] * 1_000


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of `whose`: customers or staff. The first is the baseline."""

    whose: str
    orders: int
    views: int
    found: dict[str, _Timed]

    @property
    def over(self) -> list[str]:
        """Return a line for each page that is over its budget."""
        most = MAX_MS[self.whose]
        slow = [f"{what} {one.p95:.0f} ms" for what, one in self.found.items() if one.p95 > most]
        allowed = MAX_STATEMENTS[self.whose]
        chatty = {what: one.measured.statements for what, one in self.found.items()}
        return [
            *slow,
            *(f"{what} {count} statements" for what, count in chatty.items() if count > allowed),
            *self._heavy(),
        ]

    def _heavy(self) -> Iterator[str]:
        for what, one in self.found.items():
            size = len(one.opened.body) / 1_024
            if size > MAX_KB[self.whose]:
                yield f"{what} {size:.0f} KB on the wire"
            if one.opened.elements > MAX_ELEMENTS.get(self.whose, one.opened.elements):
                yield f"{what} {one.opened.elements} elements"

    def __str__(self) -> str:
        baseline = next(iter(self.found.values()))
        lines: list[Sequence[str]] = [COLUMNS]
        for what, one in self.found.items():
            share = "" if one is baseline else f"{one.p50 / baseline.p50:.1f} times"
            computing = statistics.median(one.computing) * 1_000
            figures = (
                f"{one.first * 1_000:.0f}",
                f"{one.p50:.1f}",
                f"{one.p95:.1f}",
                f"{computing:.1f}",
                str(one.measured.statements),
            )
            mark = "over" if one.p95 > MAX_MS[self.whose] else ""
            weight = (
                f"{len(one.opened.text) / 1_024:.0f}",
                f"{len(one.opened.body) / 1_024:.0f}",
                f"{one.opened.elements:,}",
            )
            lines.append((what, *figures, *weight, share, mark))
        title = f"pages of {self.whose}: {self.orders:,} orders, each page opened {self.views} times"
        return as_text(title, lines, self._remarks())

    def _weights(self) -> str:
        weights = f", {MAX_KB[self.whose]} KB on the wire"
        return f"{weights} and {MAX_ELEMENTS[self.whose]:,} elements" if self.whose in MAX_ELEMENTS else weights

    def _remarks(self) -> list[str]:
        over = self.over
        return [
            f"{'NOT met' if over else 'met'}: p95 of each page at most {MAX_MS[self.whose]:g} ms, and at most "
            f"{MAX_STATEMENTS[self.whose]} statements a page{self._weights()}. Over: {len(over)}.",
            *over,
            "In this process, through all middleware; without the web server and the network. Computing is this "
            "process's own, SQLite included: what a busy machine adds to the other times is not in it. A page that "
            f"took {MAX_SECONDS:g} s in all is opened no more, after {FEW_VIEWS} views.",
        ]
