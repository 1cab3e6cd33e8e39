"""Writes the month, all of it or nothing, and only once: into the database of a demo that nobody has used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from random import Random

from django.db import transaction

from billing.models import Deposit, Entry, PaymentMethod
from catalog.imports.run import import_services
from catalog.models import Provider, Service, SyncRun
from orders.marks.guard import may_send
from orders.models import DripFeed, Order, PlacementAttempt
from orders.reports.statistics import count_figures
from panel.accounts.models import User
from panel.demo.history.catalog import write_catalog
from panel.demo.history.doubt import write_search
from panel.demo.history.goods import SERVICES, TODAYS_LIST
from panel.demo.history.money import write_money
from panel.demo.history.news import write_news
from panel.demo.history.orders import Shop, write_orders
from panel.demo.history.people import write_people
from panel.demo.history.provider_money import LEFT, Account, write_provider_money
from panel.demo.history.requests import past_refills, write_requests
from panel.demo.history.sold import Prices, Sold, sell
from panel.demo.history.story import tell
from panel.lib import clock
from panel.sandbox.amounts import to_text
from panel.sandbox.past import PastRefill, RecordedPast
from panel.sandbox.server import SandboxServer

SEED = 24
# Nobody but the demo's owner, customer and provider may be there.
_ACCOUNTS = 2


def is_wanted(*, provider: Provider) -> bool:
    """Return True if the database is a demo's, and nothing has happened in it yet."""
    if Provider.objects.exclude(pk=provider.pk).exists() or User.objects.count() > _ACCOUNTS:
        return False
    return not any(model.objects.exists() for model in (Order, Entry, Deposit, DripFeed, PlacementAttempt))


def list_as_before(server: SandboxServer) -> None:
    """Let the sandbox have the list of before today: it may be that of an older demo, whose database is gone."""
    for name, changes in TODAYS_LIST.items():
        service = SERVICES[name]
        before = {"rate": to_text(service.rate), "max": service.max}
        server.set_service(service.id, **{column: before[column] for column in changes})


def let_rates_change(*, provider: Provider, server: SandboxServer) -> SyncRun:
    """Let the sandbox have today's list, and import it. Return the import."""
    for name, changes in TODAYS_LIST.items():
        server.set_service(SERVICES[name].id, **changes)
    return import_services(provider=provider)


def write_history(
    *, provider: Provider, server: SandboxServer, owner: User, customer: User, method: PaymentMethod
) -> bool:
    """Write the month up to now. Return False, and write nothing, if the database is not that of a new demo, or may not
    send orders.

    The sandbox gets its orders first: if this is killed before the end, it has some that nobody knows, and the next
    start writes others.
    """
    # Without a mark from before the first order, the database would be taken for a restored one.
    if not may_send():
        return False
    now = clock.now()
    with transaction.atomic():
        if not is_wanted(provider=provider):
            return False
        _write(provider=provider, server=server, owner=owner, customer=customer, method=method, now=now)
    return True


def _write(
    *, provider: Provider, server: SandboxServer, owner: User, customer: User, method: PaymentMethod, now: datetime
) -> None:
    draw = Random(SEED)  # noqa: S311  (it must be predictable)
    services = {one.name: one for one in Service.objects.select_related("upstream")}
    accounts = write_people(owner=owner, buyer=customer, services=services, now=now)
    shop = Shop(now=now, provider=provider, services=services, accounts=accounts)
    prices = Prices(accounts.users)
    sold = sell(tell(draw), prices=prices, draw=draw)
    ids, refill_ids = _record(server, sold, now)
    orders = write_orders(shop=shop, sold=sold, ids=ids, draw=draw)
    write_requests(shop=shop, sold=sold, orders=orders, refill_ids=refill_ids)
    write_money(shop=shop, orders=orders, owner=owner, method=method, draw=draw)
    write_provider_money(shop=shop, account=Account(sold), sold=sold, orders=orders, owner=owner)
    write_search(shop=shop, sold=sold, orders=orders, ids=ids)
    write_catalog(shop=shop, prices=prices, owner=owner)
    count_figures()
    write_news(now=now)


def _record(server: SandboxServer, sold: Sequence[Sold], now: datetime) -> tuple[dict[int, int], dict[int, int]]:
    """Give the orders and refills to the sandbox. Return its ids of both, by the order's place."""
    there = [(place, past) for place, one in enumerate(sold) if (past := one.past_order())]
    # The sandbox takes orders as they were accepted, the panel as they were created.
    there.sort(key=lambda pair: -pair[1].age)
    place_there = {place: number for number, (place, _) in enumerate(there)}
    refills = past_refills([one.purchase for one in sold])
    recorded: RecordedPast = server.record_past(
        orders=[past for _, past in there],
        refills=[PastRefill(place_there[one.place], one.ends_in, one.forced_status) for one in refills],
        balance=LEFT,
        wall=now.timestamp(),
    )
    ids = {place: number for (place, _), number in zip(there, recorded.order_ids, strict=True)}
    refill_ids = {one.place: number for one, number in zip(refills, recorded.refill_ids, strict=True)}
    return ids, refill_ids
