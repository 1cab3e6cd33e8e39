"""The customers' pages with very many orders of one customer, in this process through all middleware."""

from __future__ import annotations

import statistics
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from orders.models import Order
from panel.accounts.models import User
from tests import make
from tests.bench.environment import settle
from tests.bench.many_orders import many_orders
from tests.bench.measuring import Measured, Wrong, measured
from tests.bench.report import as_text

SERVICES = 40
# So far down the list is the deep page.
DEEP = 0.98
MAX_MS = 100.0
MAX_STATEMENTS = 12
COLUMNS = ("page", "median ms", "p95 ms", "computing ms", "statements", "KB", "vs. baseline")


def run(options: Namespace) -> Iterator[_Pages]:
    customer = make.customer("many@example.org", funds="1000000")
    provider = make.provider()
    services = [make.service(provider, external_id=str(n), name=f"Followers {n}") for n in range(1, SERVICES + 1)]
    many_orders(customer=customer, services=services, count=options.many)
    settle()
    # No files were collected for this panel, and none need be.
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES={**settings.STORAGES, "staticfiles": plain}):
        found = _measure(customer, _addresses(services[0].pk), options.views)
    yield _Pages(f"pages: a customer with {options.many:,} orders, each page opened {options.views} times", found)


def _measure(customer: User, addresses: dict[str, str], views: int) -> dict[str, _Timed]:
    client = Client(headers={"host": "localhost"})
    client.force_login(customer)
    found = {what: _Timed() for what in addresses}
    for address in addresses.values():
        _open(client, address)  # Templates, plans and the database's cache.
    # In turn, so that all share the noise of a minute.
    for _ in range(views):
        for what, address in addresses.items():
            started, computed = time.perf_counter(), time.process_time()
            _open(client, address)
            found[what].seconds.append(time.perf_counter() - started)
            found[what].computing.append(time.process_time() - computed)
    for what, address in addresses.items():
        with measured() as one:
            found[what].size = _open(client, address)
        found[what].measured = one
    return found


def _addresses(service: int) -> dict[str, str]:
    """The first is the baseline: the frame of every page, and nothing in it."""
    orders = Order.objects.order_by("pk")
    first, last = orders[0], orders.reverse()[0]
    deep = orders.filter(pk__gte=first.pk + int((last.pk - first.pk) * (1 - DEEP)))[0]
    some_day = timezone.localdate(deep.created_at)
    days = f"since={some_day}&until={some_day + timedelta(days=1)}"
    listed = reverse("order_list")
    return {
        "account: the frame alone": reverse("account"),
        "order form": reverse("order_new"),
        "orders: first page": listed,
        "orders: deep page": f"{listed}?after={deep.pk}.{deep.pk}",
        "orders: a status": f"{listed}?status=partial",
        "orders: a rare status, deep": f"{listed}?status=canceled&after={deep.pk}.{deep.pk}",
        "orders: a status of none": f"{listed}?status=pending",
        "orders: a service": f"{listed}?service={service}",
        "orders: a service and a status": f"{listed}?service={service}&status=canceled",
        "orders: two days long ago": f"{listed}?{days}",
        "orders: two days and a status": f"{listed}?{days}&status=canceled",
        "orders: a year": f"{listed}?since={some_day - timedelta(days=365)}&sort=oldest",
        "orders: highest charge": f"{listed}?sort=highest",
        "orders: lowest charge, deep": f"{listed}?sort=lowest&after=450000.{deep.pk}",
        "orders: highest charge of a status": f"{listed}?sort=highest&status=canceled",
        "orders: highest charge of two days": f"{listed}?sort=highest&{days}",
        "orders: a number": f"{listed}?q={deep.pk}",
        "orders: a whole link": f"{listed}?q=https://example.com/p/4711",
        "orders: a part of a link": f"{listed}?q=p/47",
        "orders: what every link has": f"{listed}?q=example",
        "orders: what no link has": f"{listed}?q=nothing-has-this",
        "order page": reverse("order_detail", args=[deep.pk]),
        "services": reverse("services"),
        "wallet": reverse("wallet"),
    }


def _open(client: Client, address: str) -> int:
    response: Any = client.get(address)
    if response.status_code != 200:
        raise Wrong(f"{address} answered {response.status_code}")
    return len(response.content)


@dataclass(slots=True)
class _Timed:
    seconds: list[float] = field(default_factory=list)
    computing: list[float] = field(default_factory=list)
    size: int = 0
    measured: Measured = field(default_factory=Measured)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds) * 1_000

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.seconds, n=20)[-1] * 1_000


@dataclass(frozen=True, slots=True)
class _Pages:
    title: str
    found: dict[str, _Timed]

    def __str__(self) -> str:
        baseline = next(iter(self.found.values()))
        lines: list[Sequence[str]] = [COLUMNS]
        for what, one in self.found.items():
            share = "" if one is baseline else f"{one.median / baseline.median:.1f} times"
            computing = statistics.median(one.computing) * 1_000
            figures = (f"{one.median:.1f}", f"{one.p95:.1f}", f"{computing:.1f}", str(one.measured.statements))
            lines.append((what, *figures, f"{one.size / 1_024:.0f}", share))
        return as_text(self.title, lines, self._remarks())

    def _remarks(self) -> list[str]:
        slow = [f"{what} {one.p95:.0f} ms" for what, one in self.found.items() if one.p95 > MAX_MS]
        chatty = [what for what, one in self.found.items() if one.measured.statements > MAX_STATEMENTS]
        return [
            f"{'NOT met' if slow else 'met'}: p95 of each page at most {MAX_MS:g} ms{_list(slow)}",
            f"{'NOT met' if chatty else 'met'}: at most {MAX_STATEMENTS} statements a page{_list(chatty)}",
            "In this process, through all middleware; without the web server and the network. Computing is this "
            "process's own, SQLite included: what a busy machine adds to the other times is not in it.",
        ]


def _list(names: list[str]) -> str:
    return f": {', '.join(names)}." if names else "."
