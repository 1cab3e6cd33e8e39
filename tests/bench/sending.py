"""Sends orders in lanes while answers are lost: how many an hour, beside the same without faults and a bare minimum.

Then how long an order waits behind a thousand of another customer, and at a healthy provider beside many that hang.
"""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from uuid import uuid4

from django.db import connection, transaction

from catalog.models import Provider, Service
from catalog.provider_accounts import client_for
from catalog.upstream.results import AddAccepted
from orders.checkout.validation import add_params
from orders.dispatch.lanes import start_sending
from orders.models import Order
from orders.states import Submission
from panel.lib.lanes import LANES
from tests import make
from tests.bench.environment import settle
from tests.bench.measuring import Wrong
from tests.bench.report import as_text
from tests.bench.upstream import Upstream

QUANTITY = 100
LANES_OF = (1, 5)
# Percent of the orders whose connection is cut after they were accepted, and that are never answered.
FAULTS = ((0, 0), (2, 0), (10, 0), (0, 2), (0, 10))
GOALS = {(2, 0): 80, (0, 2): 60}
# Seconds between two ticks of beat.
TICK = 2.0
# What a provider may take at most here: long enough for each case, and short enough to see a hung answer end.
os.environ["UPSTREAM_ADD_TIMEOUT"] = "15"
MASS = 1_000
MAX_BEHIND = 5.0
HEALTHY_ORDERS = 30
MAX_HEALTHY = 2.0
_NUMBERS = count(1)


class Text:
    """A table as a report. `over` has what is not met."""

    def __init__(self, text: str, over: Sequence[str]) -> None:
        self._text, self.over = text, over

    def __str__(self) -> str:
        return self._text


def run(options: Namespace) -> Iterator[Text]:
    yield _throughput(options)
    yield _waits(options)
    LANES.close()


# -- how many an hour --------------------------------------------------------------------------------


def _throughput(options: Namespace) -> Text:
    rows: list[Sequence[str]] = [
        ("latency", "lanes", "fault", "orders/h", "in doubt", "vs. no fault", "vs. 2 statements")
    ]
    over = []
    for latency in options.sending_latencies:
        with Upstream(latency=latency) as upstream:
            floor = _floor(upstream, options.sending_seconds / 4)
        for lanes in LANES_OF:
            without = 0.0
            for cut, hung in FAULTS:
                rate, doubts = _rate(latency, lanes, cut, hung, options.sending_seconds)
                without = without or rate
                share, goal = rate / without * 100, GOALS.get((cut, hung))
                fault = f"{cut} % cut" if cut else f"{hung} % hung" if hung else "none"
                mark = "" if goal is None else f" of {goal} %"
                row = (f"{latency:g} ms", str(lanes), fault, f"{rate:,.0f}", str(doubts), f"{share:.0f} %{mark}")
                rows.append((*row, f"{rate / floor:.2f}"))
                if goal and share < goal:
                    over.append(f"{latency:g} ms, {lanes} lanes, {fault}: {share:.0f} % of {goal} %")
    title = f"sending: orders an hour, each case {options.sending_seconds:g} s"
    remarks = [
        "Beside it the bare minimum in one lane: claim by one statement, send, and record by one.",
        f"A provider may take 15 s, ticks come every {TICK:g} s. Every answered order was accepted once.",
        *(over or ["All goals are met."]),
    ]
    return Text(as_text(title, rows, remarks), over)


def _rate(latency: float, lanes: int, cut: int, hung: int, seconds: float) -> tuple[float, int]:
    """Return the accepted orders an hour, and how many were in doubt at the end."""
    with Upstream(latency=latency, cut=cut, hung=hung) as upstream:
        provider, service = _provider(upstream.url, lanes)
        most = int(seconds * 250) if latency < 10 else int(seconds * lanes * 1_000 / latency) + 50
        _queue(service, min(most, 6_000))
        began = time.monotonic()
        _tick_until(lambda: time.monotonic() - began > seconds, provider)
        took = time.monotonic() - began
        accepted = Order.objects.filter(provider=provider, submission=Submission.ACCEPTED).count()
        doubts = Order.objects.filter(provider=provider, submission=Submission.IN_DOUBT).count()
        _retire(provider)
    return accepted / took * 3_600, doubts


def _tick_until(done: Callable[[], bool], provider: Provider) -> None:
    """Start lanes as the ticks of beat do, until it is done or the queue is empty."""
    queued = Order.objects.filter(provider=provider, submission__in=(Submission.QUEUED, Submission.SUBMITTING))
    while not done():
        start_sending()
        until = time.monotonic() + TICK
        while time.monotonic() < until and not done():
            time.sleep(0.05)
            if not queued.exists():
                return


def _floor(upstream: Upstream, seconds: float) -> float:
    """Return how many an hour are sent by one statement before and one after each, of a table of their own."""
    provider, service = _provider(upstream.url, 1)
    client, sent = client_for(provider), 0
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE floor (id bigint PRIMARY KEY, state text, token text, upstream_id text)")
        cursor.executemany("INSERT INTO floor VALUES (%s, 'queued', '', NULL)", [(number,) for number in range(20_000)])
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            token = uuid4().hex
            sql = "UPDATE floor SET state = 'sending', token = %s WHERE id = %s AND state = 'queued'"
            cursor.execute(sql, [token, sent])
            form = add_params(
                service_type=service.type,
                upstream_service_id=service.upstream.external_id,
                link=f"https://example.com/{token}",
                quantity=QUANTITY,
                params={},
            )
            outcome = client.add(form)
            if not isinstance(outcome, AddAccepted):
                raise Wrong("the provider did not accept every request of the bare minimum")
            sql = "UPDATE floor SET state = 'accepted', upstream_id = %s WHERE id = %s AND token = %s"
            cursor.execute(sql, [outcome.order_id, sent, token])
            sent += 1
        rate = sent / (time.monotonic() - began) * 3_600
        cursor.execute("DROP TABLE floor")
    _retire(provider)
    return rate


# -- how long one waits ------------------------------------------------------------------------------


def _waits(options: Namespace) -> Text:
    behind = _wait_behind_mass()
    healthy = _waits_beside_hung(options.hung_providers)
    middle, longest = sorted(healthy)[len(healthy) // 2], max(healthy)
    rows: list[Sequence[str]] = [
        ("what", "longest", "median", "goal"),
        (f"one order behind {MASS:,} of another customer, 300 ms", f"{behind:.1f} s", "", f"{MAX_BEHIND:g} s"),
        (
            f"{len(healthy)} orders beside {options.hung_providers} providers that never answer",
            f"{longest:.2f} s",
            f"{middle:.2f} s",
            f"{MAX_HEALTHY:g} s",
        ),
    ]
    over = [f"behind a mass order: {behind:.1f} s"] * (behind > MAX_BEHIND)
    over += [f"beside hung providers: {longest:.2f} s"] * (longest > MAX_HEALTHY)
    first_come = f"First come, first served would be {MASS * 0.3:.0f} s behind the mass order."
    return Text(
        as_text("sending: how long an order waits", rows, [first_come, *(over or ["All goals are met."])]), over
    )


def _wait_behind_mass() -> float:
    with Upstream(latency=300) as upstream:
        provider, service = _provider(upstream.url, 1)
        _queue(service, MASS)
        start_sending()
        time.sleep(1)
        [order] = _queue(service, 1)
        began = time.monotonic()
        mine = Order.objects.filter(pk=order.pk, submission=Submission.ACCEPTED)
        _tick_until(lambda: mine.exists() or time.monotonic() - began > 2 * MASS * 0.3, provider)
        waited = time.monotonic() - began
        _retire(provider)
    return waited


def _waits_beside_hung(hung_providers: int) -> list[float]:
    """Return how many seconds each order of a healthy provider waits from its creation to its acceptance."""
    with Upstream(hung=100) as hanging, Upstream(latency=20) as upstream:
        hung = []
        for number in range(hung_providers):
            provider, service = _provider(hanging.url_of(number + 2), 5)
            _queue(service, 20)
            hung.append(provider)
        healthy, service = _provider(upstream.url, 1)
        waits, next_tick = [], 0.0
        for _ in range(HEALTHY_ORDERS):
            [order] = _queue(service, 1)
            began = time.monotonic()
            start_sending()  # The hint of the customer's order.
            while not Order.objects.filter(pk=order.pk, submission=Submission.ACCEPTED).exists():
                if time.monotonic() > next_tick:
                    start_sending()
                    next_tick = time.monotonic() + TICK
                if time.monotonic() - began > 120:
                    raise Wrong("an order of the healthy provider is not sent")
                time.sleep(0.01)
            waits.append(time.monotonic() - began)
            time.sleep(0.5)
        for provider in (*hung, healthy):
            _retire(provider)
    return waits


# -- what is sent ------------------------------------------------------------------------------------


def _provider(url: str, lanes: int) -> tuple[Provider, Service]:
    number = next(_NUMBERS)
    provider = make.provider(url=url, api_key=f"sending-{number}", name=f"sending {number}", max_parallel_adds=lanes)
    return provider, make.service(provider)


def _queue(service: Service, orders: int) -> list[Order]:
    """Queue orders of a new customer, in one transaction for speed."""
    customer = make.customer(f"sending-{next(_NUMBERS)}@example.org", funds="1000000")
    with transaction.atomic():
        made = [
            make.order(customer, service, quantity=QUANTITY, link=f"https://example.com/{uuid4().hex}")
            for _ in range(orders)
        ]
    if orders > 1:
        settle()
    return made


def _retire(provider: Provider) -> None:
    """Send nothing more to the provider, and leave its lanes to end."""
    Provider.objects.filter(pk=provider.pk).update(is_active=False)
