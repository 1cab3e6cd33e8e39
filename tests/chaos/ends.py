"""Providers that take back what they said, while the workers that ask them are killed.

One cancels all orders and then takes back half of it, one delivers orders that it had canceled, and one gives the id of
a running order to a new one and reports the new one's fate.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import timedelta

from django.db.models import F, QuerySet

from billing.models import Entry
from orders.common.stops import open_stops
from orders.models import Order, OrderPoll
from orders.states import ReviewReason, StopReason
from panel.alerts.models import Alert
from panel.sandbox.server import SandboxServer
from panel.site import registry as site
from tests import make
from tests.chaos import product
from tests.chaos.children import Children
from tests.chaos.crew import Crew
from tests.chaos.figures import Figures
from tests.chaos.truth import audit, audit_ledger
from tests.chaos.upstream import ALREADY_TAKEN, DUPLICATE_ID, NamedFaults, sandbox, truth_of

_ORDERS = 40
# Fewer than make a wave: the first word ends them.
_RECANTED = 5
# Orders that wait while sending is stopped, and how long nothing may be sent.
_WAITING = 12
_WATCH_SECONDS = 4.0
_MAX_SECONDS = 180.0


def run(*, children: Children, has_broker: bool, seed: int) -> Figures:
    """Let three providers take back their words under kills, and audit what was paid."""
    began = time.monotonic()
    figures = Figures()
    crew = Crew(children, has_broker=has_broker)
    shops = [_Shop(name, figures) for name in ("wave", "recant", "reuse")]
    try:
        _Run(shops, crew, figures, random.Random(seed)).run()
    finally:
        crew.stop()
        figures.counts.update(crew.figures)
        for shop in shops:
            shop.close()
    figures.add("seconds", round(time.monotonic() - began))
    return figures


class _Shop:
    """A provider with a service, and the orders that it accepted."""

    def __init__(self, name: str, figures: Figures) -> None:
        self.name, self.figures = name, figures
        self.faults = NamedFaults(site.UPSTREAM_ADD_TIMEOUT.value)
        self.server: SandboxServer = sandbox(self.faults, request_ids=False).start()
        self.provider = make.provider(url=self.server.url, api_key=self.server.key, name=name)
        self.service = make.service(self.provider)
        self.customer = make.customer(f"{name}@example.org", funds="10000")
        self.created = 0

    def close(self) -> None:
        self.figures.add("add calls received", self.sent)
        self.figures.faults.update(self.faults.struck)
        self.server.close()

    @property
    def orders(self) -> QuerySet[Order]:
        return Order.objects.filter(provider=self.provider)

    @property
    def polls(self) -> QuerySet[OrderPoll]:
        return OrderPoll.objects.filter(provider=self.provider)

    @property
    def sent(self) -> int:
        return len(self.server.requests_of("add"))

    def order(self, count: int = 1) -> None:
        for _ in range(count):
            link = f"https://example.com/{self.name}/{self.created}"
            make.order(self.customer, self.service, quantity=100 + self.created, link=link)
            self.created += 1
            self.figures.add("orders created")

    def report(self, orders: QuerySet[Order] | list[Order], status: str, *, is_delivered: bool) -> None:
        """Let the provider report this status of the orders, with all or nothing delivered and charged."""
        for order in orders:
            charge = f"{order.expected_cost / 1_000_000:.6f}" if is_delivered else "0"
            remains = 0 if is_delivered else order.quantity
            self.server.set_order(int(order.upstream_id or 0), status=status, remains=remains, charge=charge)


class _Run:
    def __init__(self, shops: list[_Shop], crew: Crew, figures: Figures, draw: random.Random) -> None:
        self.wave, self.recant, self.reuse = self.shops = shops
        self.crew, self.figures, self.draw = crew, figures, draw
        self._next_kill = 0.0

    def run(self) -> None:
        for shop in self.shops:
            shop.order(_ORDERS)
            product.submit_for(shop.provider)
        # Before a worker polls: the answers of one call are a wave.
        self.wave.report(self.wave.orders, "Canceled", is_delivered=False)
        canceled = list(self.recant.orders.order_by("pk")[:_RECANTED])
        self.recant.report(canceled, "Canceled", is_delivered=False)
        self.crew.start()
        self._wave()
        self._recant(canceled)
        self._reuse()
        self.crew.stop()
        self._audit(without=canceled)

    def _wave(self) -> None:
        """All orders are canceled; half of it is taken back, and half is confirmed after the wait."""
        held = self.wave.polls.exclude(held_since=None)
        self._wait("the wave was not held", lambda: held.count() == _ORDERS)
        self._none_paid(self.wave, "at the first word of a wave")
        self.figures.add("ends held", held.count())
        taken_back = list(self.wave.orders.order_by("pk")[: _ORDERS // 2])
        self.wave.report(taken_back, "In progress", is_delivered=True)
        self._wait("the held ends were not dropped", lambda: held.count() == _ORDERS - len(taken_back))
        self._none_paid(self.wave, "though a wave was taken back")
        passed = timedelta(minutes=site.WAVE_WAIT_MINUTES.value + 1)
        held.update(held_since=F("held_since") - passed)
        self._wait("the confirmed ends were not refunded", lambda: not held.exists())
        self.wave.report(taken_back, "Completed", is_delivered=True)

    def _recant(self, canceled: list[Order]) -> None:
        """Some orders are canceled and refunded, and then delivered and charged."""
        ended = self.recant.orders.filter(pk__in=[order.pk for order in canceled])
        self._wait("the cancels were not refunded", lambda: ended.filter(refunded=F("charge")).count() == _RECANTED)
        before = _refunds(self.recant)
        self.recant.report(canceled, "Completed", is_delivered=True)
        in_review = ended.filter(review_reason=ReviewReason.RECANTED)
        self._wait("the recanted ends are not in review", lambda: in_review.count() == _RECANTED)
        if _refunds(self.recant) != before:
            self.figures.problem("wrong refunds", "recanted ends moved money")
        cause = f"provider:{self.recant.provider.pk}:recanted"
        if not Alert.objects.filter(cause=cause, resolved_at=None).exists():
            self.figures.problem("other problems", "recanted ends raised no alert")
        self.figures.add("ends recanted", in_review.count())

    def _reuse(self) -> None:
        """A new order is answered with the id of a running one, which is then reported as canceled."""
        shop = self.reuse
        first = shop.orders.get(upstream_id=ALREADY_TAKEN)
        shop.faults.arm(DUPLICATE_ID)
        shop.order()
        stops = open_stops().filter(provider=shop.provider, reason=StopReason.REUSED_IDS)
        self._wait("the known id did not stop the sending", stops.exists)
        shop.report([first], "Canceled", is_delivered=False)
        before = shop.sent
        shop.order(_WAITING)
        self._wait("", lambda: False, seconds=_WATCH_SECONDS)
        if shop.sent > before:
            self.figures.problem("other problems", f"{shop.sent - before} orders sent to a provider that reuses ids")
        self._none_paid(shop, "by the fate of another order with its id")
        product.decide_reused_ids()
        self._wait("the queue did not go on", lambda: shop.sent >= before + _WAITING)
        self._wait(
            "the first order was not refunded", lambda: shop.orders.filter(pk=first.pk).exclude(refunded=0).exists()
        )

    def _none_paid(self, shop: _Shop, when: str) -> None:
        if paid := shop.orders.exclude(refunded=0).count() + _refunds(shop):
            self.figures.problem("wrong refunds", f"{shop.name}: {paid} refunds {when}")

    def _wait(self, problem: str, done: Callable[[], bool], *, seconds: float = _MAX_SECONDS) -> None:
        """Make all work due and kill a worker each second until it is done. With a problem, that it must be."""
        limit = time.monotonic() + seconds
        while not done():
            if time.monotonic() > limit:
                if problem:
                    self.figures.problem("other problems", problem)
                return
            product.end_waits()
            if time.monotonic() > self._next_kill:
                self.crew.kill_one(self.draw)
                self._next_kill = time.monotonic() + 1.0
            time.sleep(0.1)

    def _audit(self, *, without: list[Order]) -> None:
        """Let all orders end and compare them with the providers, except those whose refund staff have to decide."""
        for shop in self.shops:
            shop.report(shop.orders.filter(finished_at=None, submission="placed"), "Completed", is_delivered=True)
        for _ in range(3):
            product.sweep()
        truth = truth_of({shop.provider.pk: shop.server for shop in self.shops})
        for shop in self.shops:
            orders = shop.orders.exclude(pk__in=[order.pk for order in without])
            audit(self.figures, orders, truth, where=f"{shop.name}:", ended=True)
            product.retire(shop.provider)
        audit_ledger(self.figures, where="ends:")


def _refunds(shop: _Shop) -> int:
    return Entry.objects.filter(kind=Entry.Kind.REFUND, order_ref__in=shop.orders.values("pk")).count()
