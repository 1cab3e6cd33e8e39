"""`request_id` and the window for identical orders: many clients, two servers of one panel, and crashes.

Real gunicorn processes share one database, on PostgreSQL if DATABASE_URL names it, else on SQLite.
"""

from __future__ import annotations

import http.client
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from tests.chain.panel import Panel
from tests.chain.wsgi_words import DEATHS, REQUEST_IDS, WINDOW
from tests.threads import in_threads

pytestmark = [pytest.mark.processes, pytest.mark.slow]

LINK_BUSY = {"error": "You have active order with this link"}
REQUEST_ID_USED = {"error": "Incorrect request: this request_id was used for another order"}
# Of the random crashes.
SEED = 20_240_601
# Of 100 at $2.50 per 1,000, in micro-units.
CHARGE = 250_000


@pytest.fixture(scope="module")
def panel(tmp_path_factory: Any) -> Iterator[Panel]:
    """Start a panel with two servers and a window of one minute for identical orders."""
    made = Panel("shop", folder=tmp_path_factory.mktemp("served"), cache=11, API_DUPLICATE_WINDOW="60")
    try:
        made.start_worker()
        made.do("migrate")
        made.serve(sites=2, app="tests.chain.wsgi")
        made.service = made.do("stock")
        made.wait()
        yield made
    finally:
        made.close()


class Shop:
    """A customer of the panel with $10 and a key, whose program can call either server."""

    def __init__(self, panel: Panel, *, funds: str = "10", **values: Any) -> None:
        self.panel = panel
        self.email = f"{uuid4().hex[:12]}@example.org"
        self.pk = panel.do("make_customer", email=self.email, funds=funds)
        self.key = panel.do("make_key", email=self.email, name="Shop", **values)
        self.form = {"service": panel.service, "link": f"https://example.com/{uuid4().hex[:12]}", "quantity": 100}

    def add(self, *, site: int = 0, key: str = "", headers: Any = None, **changed: Any) -> Any:
        params = {**self.form, **changed}
        return self.panel.api(key or self.key["secret"], "add", site=site, headers=headers, **params)

    def at_once(self, count: int, **values: Any) -> list[Any]:
        """Send the order from `count` threads at once, to both servers in turn. Return the answers."""

        def add_at(site: int) -> Callable[[], Any]:
            return lambda: self.add(site=site, **values)

        return in_threads(*map(add_at, range(count)))

    @property
    def orders(self) -> list[int]:
        return [one["pk"] for one in self.panel.do("orders", customer=self.pk)]

    @property
    def entries(self) -> list[list[Any]]:
        """The entries after the first deposit, as [kind, amount]."""
        return self.panel.money(self.email)["entries"][1:]


@pytest.fixture
def shop(panel: Panel) -> Iterator[Shop]:
    """Return a new customer. After the test, the ledger must be clean."""
    yield Shop(panel)
    [printed] = panel.run("check_ledger")
    assert printed.startswith("Clean: "), printed


# -- in parallel -------------------------------------------------------------------------------------


def test_request_id_when_not_stored_then_each_thread_orders(shop):
    """The race is real: this happens without the guard."""
    answers = shop.at_once(16, request_id="one", headers={"X-Without": REQUEST_IDS})
    assert len({answer["order"] for answer in answers}) == len(shop.orders) == 16
    assert shop.entries == [["order", -CHARGE]] * 16


@pytest.mark.parametrize("attempt", range(3))
def test_request_id_when_threads_send_it_then_there_is_one_order(shop, attempt):
    answers = shop.at_once(16, request_id="one")
    assert answers == [{"order": shop.orders[0]}] * 16
    assert len(shop.orders) == 1
    assert shop.entries == [["order", -CHARGE]]


def test_request_id_when_threads_send_drip_feed_then_it_starts_once(shop):
    answers = shop.at_once(16, request_id="one", runs=3, interval=60)
    assert answers == [{"order": shop.orders[0]}] * 16
    assert shop.entries == [["drip_feed", -3 * CHARGE]]


def test_request_id_when_repeated_at_daily_limit_then_it_is_free(panel, shop):
    limited = Shop(panel, daily_limit=CHARGE)
    answers = limited.at_once(16, request_id="one")
    assert answers == [{"order": limited.orders[0]}] * 16
    assert panel.do("spent", key=limited.key["pk"]) == CHARGE
    assert "the daily limit" in limited.add(request_id="two")["error"]
    assert limited.add(request_id="one") == answers[0]
    assert (len(limited.orders), limited.entries) == (1, [["order", -CHARGE]])


def test_request_id_when_threads_send_different_orders_then_one_wins(shop):
    def add_quantity(quantity: int) -> Callable[[], Any]:
        return lambda: shop.add(site=quantity, quantity=quantity, request_id="one")

    answers = in_threads(*map(add_quantity, range(100, 116)))
    [order] = shop.orders
    won = shop.panel.order(order)
    assert answers == [
        {"order": order} if won["quantity"] == quantity else REQUEST_ID_USED for quantity in range(100, 116)
    ]
    assert shop.entries == [["order", -won["charge"]]]


def test_window_when_disabled_then_identical_orders_are_created(shop):
    """The race is real: requests that check first and create afterwards do not see each other."""
    answers = shop.at_once(8, headers={"X-Without": WINDOW})
    assert sum("order" in answer for answer in answers) == len(shop.orders) > 1


@pytest.mark.parametrize("attempt", range(3))
def test_window_when_threads_send_the_same_then_there_is_one_order(shop, attempt):
    answers = shop.at_once(8)
    [order] = shop.orders
    assert sorted(answers, key=lambda answer: "error" in answer) == [{"order": order}] + [LINK_BUSY] * 7
    assert shop.entries == [["order", -CHARGE]]
    # An order is not identical if its quantity or key differs, or if the other is older than the window.
    other = shop.panel.do("make_key", email=shop.email, name="Other")["secret"]
    assert "order" in shop.add(quantity=101)
    assert "order" in shop.add(key=other)
    shop.panel.do("age", order=order, days=1)
    assert "order" in shop.add()
    assert len(shop.orders) == 4


# -- repeated later ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [{"quantity": 200}, {"link": "https://example.com/other"}, {"runs": 2, "interval": 60}, {"service": "another"}],
    ids=lambda changed: next(iter(changed)),
)
def test_request_id_when_params_differ_then_it_is_an_error(shop, changed):
    first = shop.add(request_id="one")
    if "service" in changed:
        changed = {"service": shop.panel.do("stock")}
    assert shop.add(site=1, request_id="one", **changed) == REQUEST_ID_USED
    assert shop.add(site=1, request_id="one") == first
    assert (len(shop.orders), shop.entries) == (1, [["order", -CHARGE]])


@pytest.mark.parametrize(
    ("model", "values"),
    [
        ("catalog.Service", {"is_on_sale": False}),
        ("catalog.Service", {"min_quantity": 5_000}),
        ("catalog.Service", {"price": 9_000_000}),
        ("catalog.UpstreamService", {"min_quantity": 5_000}),
        ("catalog.UpstreamService", {"max_quantity": 20}),
        ("catalog.UpstreamService", {"type": "custom_comments"}),
        ("catalog.UpstreamService", {"type": "subscriptions"}),
        ("catalog.Provider", {"is_active": False}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(f"{name}-{one}" for name, one in value.items()),
)
def test_request_id_when_service_changed_then_answer_is_the_same(panel, shop, model, values):
    service = panel.do("stock")
    which = {"catalog.Service": {"pk": service}, "catalog.Provider": {"name": "Nobody"}}
    chosen = which.get(model, {"services": service})
    first = shop.add(service=service, request_id="one")
    assert panel.do("change", model=model, chosen=chosen, **values) == 1
    try:
        assert shop.add(site=1, service=service, request_id="one") == first
        later = shop.add(site=1, service=service, request_id="two")
        assert "price" in values or "error" in later
    finally:
        panel.do("change", model="catalog.Provider", chosen={}, is_active=True)
    assert len(shop.orders) == (2 if "price" in values else 1)


def test_request_id_when_another_key_uses_it_then_orders_differ(panel, shop):
    other = panel.do("make_key", email=shop.email, name="Other")["secret"]
    first, second = shop.add(request_id="one"), shop.add(key=other, request_id="one")
    assert first != second
    assert (shop.add(request_id="one"), shop.add(key=other, request_id="one")) == (first, second)
    assert (len(shop.orders), shop.entries) == (2, [["order", -CHARGE]] * 2)


def test_request_id_when_refused_for_funds_then_deposit_helps(panel, shop):
    poor = Shop(panel, funds="0.1")
    assert poor.at_once(4, request_id="one") == [{"error": "Not enough funds on balance"}] * 4
    assert (poor.orders, poor.entries) == ([], [])
    panel.do("deposit", email=poor.email, funds="10")
    answers = poor.at_once(16, request_id="one")
    assert answers == [{"order": poor.orders[0]}] * 16
    assert poor.entries == [["deposit", 10_000_000], ["order", -CHARGE]]


def test_request_id_when_eight_days_old_then_it_is_still_known(panel, shop):
    first = shop.add(request_id="one")
    panel.do("age", order=first["order"], days=8)
    assert shop.add(site=1, request_id="one") == first
    assert shop.add(site=1, request_id="one", quantity=101) == REQUEST_ID_USED
    assert shop.entries == [["order", -CHARGE]]


# -- through crashes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("clients", "orders"), [(4, 5), pytest.param(8, 10, marks=pytest.mark.proof)])
def test_request_id_when_servers_are_killed_then_no_order_doubles(panel, shop, clients, orders):
    """Some requests kill their server process, with all other requests in it. Clients repeat each until answered."""
    draw, seen = random.Random(SEED), Counter[str]()
    shops = [Shop(panel, funds="100") for _ in range(clients)]

    def work(client: Shop, plan: list[list[str]]) -> dict[str, int]:
        created = {}
        for number, deaths in enumerate(plan):
            request_id = f"r{number}"
            while request_id not in created:
                death = deaths.pop() if deaths else ""
                headers = {"X-Die-At": death} if death else None
                try:
                    answer = client.add(
                        site=draw.randrange(2), request_id=request_id, headers=headers, quantity=100 + number
                    )
                    created[request_id] = answer["order"]
                except (OSError, http.client.HTTPException):
                    seen[death or "by another request"] += 1
                    time.sleep(0.02)
        return created

    plans = [[draw.choices(("", *DEATHS), k=draw.randrange(3)) for _ in range(orders)] for _ in shops]
    began = time.monotonic()
    results = in_threads(*(partial(work, client, plan) for client, plan in zip(shops, plans, strict=True)))
    took = time.monotonic() - began
    for client, created in zip(shops, results, strict=True):
        assert sorted(created.values()) == client.orders
        assert len(client.orders) == orders
        charges = [one["charge"] for one in panel.do("orders", customer=client.pk)]
        assert sorted(client.entries) == sorted(["order", -charge] for charge in charges)
    assert all(seen[death] for death in DEATHS), seen
    print(f"{clients * orders} orders with {sum(seen.values())} lost answers ({dict(seen)}) in {took:.1f} s")
