"""Draining the queue of one provider, one order after the other, against a bare loop of the same requests."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from uuid import uuid4

from django.db import transaction

from catalog.models import Provider, Service
from catalog.provider_accounts import client_for
from catalog.upstream.results import AddAccepted
from orders.checkout.validation import add_params
from orders.dispatch.submit import submit_for_provider
from orders.models import Order
from orders.states import Submission
from panel.accounts.models import User
from panel.ops.invariants import find_breaches
from tests import make
from tests.bench.environment import settle
from tests.bench.measuring import Measured, Wrong, measured
from tests.bench.report import Report, Row
from tests.bench.upstream import Upstream

QUANTITY = 100
FEW, MANY = 10, 500
LONG_ENOUGH = 24 * 3_600.0


def run(options: Namespace) -> Iterator[Report]:
    """Both in turn, in each round, so that they share the noise of a minute. The median round is reported."""
    with Upstream(latency=options.latency) as upstream:
        bench = _Bench(upstream)
        rounds = [(bench.bare_loop(options.orders), bench.drain(options.orders)) for _ in range(options.rounds)]
        none, few, many = (bench.drain(count).statements for count in (0, FEW, MANY))
    breaches = find_breaches()
    if breaches:
        raise Wrong(f"the ledger is not clean: {breaches}")
    each = [(few - none) / FEW, (many - none) / MANY]
    bare, drained = sorted(rounds, key=_share)[len(rounds) // 2]
    yield Report(
        title=f"submission: {options.orders:,} due orders of one provider that answers after {options.latency:g} ms",
        rows=(
            Row("bare loop of add, no database", options.orders, options.orders, bare),
            Row("submit_for_provider, one lane", options.orders, options.orders, drained),
        ),
        remarks=(
            f"The median of {options.rounds} rounds: {', '.join(map(_seconds, rounds))}.",
            f"Of the {_ms(drained.seconds, options)} that an order of the drain takes, this process computes "
            f"{_ms(drained.computing, options)} (of the bare loop's {_ms(bare.seconds, options)}: "
            f"{_ms(bare.computing, options)}) and else waits for the database and the provider.",
            f"Statements: {none} for an empty queue; {few} for {FEW} orders, {many} for {MANY}, "
            f"so each order costs {each[0]:g} and {each[1]:g}: {'constant' if each[0] == each[1] else 'NOT constant'}.",
            "BEGIN, COMMIT and savepoints are no statements here; transactions count them.",
            "Every order was sent exactly once, and is placed. Ledger clean.",
        ),
    )


class _Bench:
    """A shop with one provider, one service and one customer who can pay."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._provider: Provider = make.provider(url=upstream.url, max_parallel_adds=1)
        self._service: Service = make.service(self._provider)
        self._customer: User = make.customer(funds="1000000")

    def bare_loop(self, count: int) -> Measured:
        """The requests of `count` orders with the panel's client, and nothing else."""
        client = client_for(self._provider)
        links = _links(count)
        forms = [
            add_params(
                service_type=self._service.type,
                upstream_service_id=self._service.upstream.external_id,
                link=link,
                quantity=QUANTITY,
                params={},
            )
            for link in links
        ]
        with measured() as found:
            outcomes = [client.add(form) for form in forms]
        self._check_sent(links)
        if not all(isinstance(outcome, AddAccepted) for outcome in outcomes):
            raise Wrong("the provider did not take every request of the bare loop")
        return found

    def drain(self, count: int) -> Measured:
        """Places `count` orders, then measures how they are sent."""
        links = _links(count)
        self._place(links)
        with measured() as found:
            sent = submit_for_provider(provider=self._provider, seconds=LONG_ENOUGH)
        self._check_sent(links)
        left = Order.objects.exclude(submission=Submission.ACCEPTED).count()
        if sent != count or left:
            raise Wrong(f"of {count} orders {sent} are said to be sent, and {left} are not placed")
        return found

    def _place(self, links: list[str]) -> None:
        """As customers do, but in one transaction, for speed."""
        with transaction.atomic():
            for link in links:
                make.order(self._customer, self._service, quantity=QUANTITY, link=link)
        settle()

    def _check_sent(self, links: list[str]) -> None:
        """`links` are unique: the provider has each of them, and each once."""
        if sorted(self._upstream.take_links()) != sorted(links):
            raise Wrong("the provider was not sent each order exactly once")


def _links(count: int) -> list[str]:
    run = uuid4().hex
    return [f"https://example.com/{run}/{number}" for number in range(count)]


def _share(round_: tuple[Measured, Measured]) -> float:
    bare, drained = round_
    return bare.seconds / drained.seconds


def _seconds(round_: tuple[Measured, Measured]) -> str:
    bare, drained = round_
    return f"{bare.seconds:.3f} s bare and {drained.seconds:.3f} s drained"


def _ms(seconds: float, options: Namespace) -> str:
    return f"{seconds / options.orders * 1_000:.2f} ms"
