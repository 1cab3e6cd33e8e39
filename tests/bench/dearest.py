"""What the dearest requests of a stranger, of an account without money and of an API key cost, with 10,000 services.

Each is as large as the panel lets it be. The processor time decides: so many of them keep one core busy.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from catalog.models import Service, UpstreamService
from orders.checkout.bulk_text import MAX_LINES
from orders.checkout.bulk_text import MAX_TEXT as MAX_BULK
from orders.checkout.validation import MAX_RUNS, MAX_TEXT
from orders.models import Order
from orders.states import Status
from panel.api.keys.services import make_key
from panel.api.params import MAX_IDS
from tests import make
from tests.bench.environment import settle
from tests.bench.measuring import Measured, Wrong, measured
from tests.bench.report import as_text
from tests.bench.served import create_services

ORDERS = 200
VIEWS = 3
# The budget: seconds of a processor and megabytes.
MAX_SECONDS, MAX_MB = 1.0, 100.0
COLUMNS = ("who and what", "sent KB", "got KB", "p50 ms", "computing ms", "statements", "peak MB", "")
API = "/api/v2"
PASSWORD = "correct horse battery"  # noqa: S105  (of a customer that exists while the bench runs)
# A word of every service's name, and one of none.
COMMON, RARE = "instagram", "nothing-has-this"


@dataclass(slots=True)
class _Asked:
    """A request: what it takes, and the statuses that are right for it."""

    ask: Callable[[], Any]
    sent: int = 0
    right: tuple[int, ...] = (200,)
    got: int = 0
    seconds: list[float] = field(default_factory=list)
    computing: list[float] = field(default_factory=list)
    measured: Measured = field(default_factory=Measured)

    def run(self) -> None:
        started, computed = time.perf_counter(), time.process_time()
        response = self.ask()
        body = b"".join(response.streaming_content) if response.streaming else response.content
        self.seconds.append(time.perf_counter() - started)
        self.computing.append(time.process_time() - computed)
        self.got = len(body)
        if response.status_code not in self.right:
            raise Wrong(f"{response.status_code}: {body[:200]!r}")

    @property
    def cost(self) -> float:
        """Return the median of the processor time in seconds."""
        return statistics.median(self.computing)


def run(options: Namespace) -> Iterator[Dearest]:
    service = create_services(options.listed)
    UpstreamService.objects.filter(pk=service.upstream_id).update(max_quantity=10_000_000)
    user = make.customer("free@example.org")
    rich = make.customer("rich@example.org", funds="1000000")
    user.set_password(PASSWORD)
    user.save()
    with transaction.atomic():
        orders = [make.accepted_order(rich, service, upstream_id=str(one), quantity=1_000) for one in range(ORDERS)]
    Order.objects.filter(customer=rich).update(status=Status.IN_PROGRESS, created_at=timezone.now())
    settle()
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(
        STORAGES={**settings.STORAGES, "staticfiles": plain},
        ACCOUNT_RATE_LIMITS=False,
        PUBLIC_SHOP="yes",
        API_RATE_PER_KEY="1000000/s",
        API_RATE_PER_ADDRESS="1000000/s",
    ):
        found = {
            **_of_strangers(user.email),
            **_of_accounts(user, rich, service),
            **_of_keys(
                make_key(customer=make.confirm_address(rich), name="Bench").secret, service, [one.pk for one in orders]
            ),
        }
        for asked in found.values():
            asked.run()  # Warms up templates, query plans and caches.
            with measured() as asked.measured:
                asked.run()
            asked.seconds.clear()
            asked.computing.clear()
            for _ in range(VIEWS):
                asked.run()
    yield Dearest(options.listed, found)


def _client(user: Any = None) -> Client:
    client = Client(headers={"host": "localhost"})
    if user is not None:
        client.force_login(user)
    return client


def _get(client: Client, address: str, *right: int) -> _Asked:
    return _Asked(lambda: client.get(address), len(address), right or (200,))


def _post(client: Client, address: str, data: Any, *right: int, kind: str = "") -> _Asked:
    more = {"content_type": kind} if kind else {}
    size = len(data) if isinstance(data, bytes) else sum(len(str(part)) for pair in data.items() for part in pair)
    return _Asked(lambda: client.post(address, data, **more), size, right or (200,))


def _of_strangers(known: str) -> dict[str, _Asked]:
    body = settings.DATA_UPLOAD_MAX_MEMORY_SIZE - 1_000
    fields = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    login, form = reverse("account_login"), "application/x-www-form-urlencoded"
    client, shop = _client(), reverse("services")
    return {
        "stranger: home, the baseline": _get(client, reverse("home"), 200, 302),
        "stranger: services": _get(client, shop),
        "stranger: services, a word of all": _get(client, f"{shop}?q={COMMON}"),
        "stranger: services, a long search": _get(client, f"{shop}?q={'a+' * 3_000}"),
        "stranger: API documentation": _get(client, reverse("api_docs")),
        "stranger: sign in, wrong password": _post(client, login, {"login": known, "password": "x" * 4_096}),
        "stranger: sign in, unknown address": _post(client, login, {"login": "no@example.org", "password": "x"}),
        "stranger: sign in, a password of 2.5 MB": _post(client, login, {"login": known, "password": "x" * body}),
        "stranger: sign up, a bad password": _post(
            client, reverse("account_signup"), {"email": f"{'a' * 60}@example.org", "password1": "1" * 4_096}
        ),
        "stranger: form of 1,000 fields": _post(client, login, {f"f{number}": "x" for number in range(fields - 5)}),
        "stranger: form of 2.5 MB, one escape each": _post(client, login, b"login=" + b"%41" * (body // 3), kind=form),
        "stranger: API, bad key, 2.5 MB": _post(client, API, {"key": "x", "comments": "x" * body}),
        "stranger: API, JSON 1,000,000 deep": _post(client, API, b"[" * 1_000_000, kind="application/json"),
        "stranger: API, JSON list of 800,000": _post(
            client, API, b'{"key":[' + b"1," * (body // 2 - 10) + b"1]}", kind="application/json"
        ),
        "stranger: API, a number of 2.5 MB": _post(
            client, API, b'{"key":1,"quantity":' + b"9" * (body - 100) + b"}", kind="application/json"
        ),
        "stranger: API, key of 2.5 MB of escapes": _post(client, API, b"key=" + b"%41" * (body // 3), kind=form),
    }


def _of_accounts(user: Any, rich: Any, service: Service) -> dict[str, _Asked]:
    free, owner = _client(user), _client(rich)
    listed, mass, new = reverse("order_list"), reverse("mass_order"), reverse("order_new")
    pks = list(Service.objects.order_by("pk").values_list("pk", flat=True)[:MAX_LINES])
    filler = "x" * (MAX_BULK // MAX_LINES - 45)
    lines = "\n".join(f"{pk} | https://example.com/{filler[:100]} | 100" for pk in pks)
    bad = "\n".join(f"{pk} | {filler} | x" for pk in pks)[:MAX_BULK]
    drip = {"service": service.pk, "link": "https://example.com/a", "quantity": 10, "runs": MAX_RUNS, "interval": 1}
    change = {"oldpassword": "wrong password", "password1": "1" * 4_096, "password2": "1" * 4_096}
    return {
        "account: services": _get(free, reverse("services")),
        "account: services, a word of all": _get(free, f"{reverse('services')}?q={COMMON}"),
        "account: find a service": _get(free, f"{reverse('order_find')}?q={COMMON}"),
        "account: find what is not there": _get(free, f"{reverse('order_find')}?q={'+'.join('abcdefghij' * 5)}"),
        "account: order form": _get(free, new),
        "account: order with 100,000 characters": _post(
            free, new, {"service": service.pk, "link": "x" * 2_000, "quantity": 10, "comments": "a\n" * (MAX_TEXT // 2)}
        ),
        "account: quote of a drip-feed": _post(free, reverse("order_quote"), {**drip}),
        "account: mass order, 1,000 services": _post(free, mass, {"lines": lines}),
        "account: mass order, 1,000 mistakes": _post(free, mass, {"lines": bad}),
        "account: orders": _get(owner, listed),
        "account: orders, a link that is not there": _get(owner, f"{listed}?q={RARE}"),
        "account: orders, a part of all links": _get(owner, f"{listed}?q=com"),
        "account: export of all orders": _get(owner, reverse("order_export")),
        "account: spending": _get(owner, reverse("wallet_spending")),
        "account: changes in the shop": _get(free, reverse("service_changes")),
        "account: change the password": _post(free, reverse("account_change_password"), change),
    }


def _of_keys(secret: str, service: Service, orders: list[int]) -> dict[str, _Asked]:
    client = _client()
    body = settings.DATA_UPLOAD_MAX_MEMORY_SIZE - 1_000
    many = ",".join(map(str, orders[:MAX_IDS]))
    fill = {"key": secret, "service": service.pk, "link": "https://example.com/a", "quantity": "x"}

    def call(**form: Any) -> _Asked:
        return _post(client, API, {"key": secret, **form})

    listed = json.dumps({"key": secret, "action": "status", "orders": ["7"] * 300_000}).encode()
    return {
        "key: services": call(action="services"),
        "key: status of 100": call(action="status", orders=many),
        "key: status of 100, each written many times": call(action="status", orders=",".join([many] * 1_000)[:body]),
        "key: status, JSON list of 300,000": _post(client, API, listed, kind="application/json"),
        "key: refills of 100": call(action="refill", orders=many),
        "key: cancels of 100": call(action="cancel", orders=many),
        "key: add with comments of 2.4 MB": call(action="add", **fill, comments="a\n" * (body // 2 - 500)),
        "key: add with a link of 2.4 MB": call(action="add", **{**fill, "link": "https://" + "a." * (body // 2 - 500)}),
    }


@dataclass(frozen=True, slots=True)
class Dearest:
    """The requests, and which cost more than they may. The first is the baseline."""

    listed: int
    found: dict[str, _Asked]

    @property
    def over(self) -> list[str]:
        """Return a line for each request that is over the budget."""
        slow = [f"{what}: {one.cost:.2f} s" for what, one in self.found.items() if one.cost > MAX_SECONDS]
        base = next(iter(self.found.values())).measured.peak_mb
        grown = {what: one.measured.peak_mb - base for what, one in self.found.items()}
        return [*slow, *(f"{what}: {size:.0f} MB" for what, size in grown.items() if size > MAX_MB)]

    def __str__(self) -> str:
        lines = [COLUMNS]
        for what, one in self.found.items():
            figures = (
                f"{one.sent / 1_024:,.0f}",
                f"{one.got / 1_024:,.0f}",
                f"{statistics.median(one.seconds) * 1_000:.0f}",
                f"{one.cost * 1_000:.0f}",
                str(one.measured.statements),
                f"{one.measured.peak_mb:.0f}",
            )
            lines.append((what, *figures, "over" if any(text.startswith(f"{what}:") for text in self.over) else ""))
        title = f"dearest requests: {self.listed:,} services, {ORDERS:,} orders of one customer, {VIEWS} views"
        over = self.over
        remark = (
            f"{'NOT met' if over else 'met'}: at most {MAX_SECONDS:g} s of a processor, and at most {MAX_MB:g} MB more "
            f"than the baseline. Rate limits are off. Load: {os.getloadavg()[0]:.1f}."
        )
        return as_text(title, lines, [remark, *over])
