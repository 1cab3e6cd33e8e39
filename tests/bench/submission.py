"""Submits the queue of one provider in one lane, compared with a bare loop of the same requests."""

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
# Queues of different lengths, to compare the statements per order.
FEW, MANY = 10, 500
# More seconds than any round takes.
LONG_ENOUGH = 24 * 3_600.0


def run(options: Namespace) -> Iterator[Report]:
    """Run the loop and the queue in turn, so that both get the same noise. Report the median round."""
    with Upstream(latency=options.latency) as upstream:
        bench = _Bench(upstream)
        rounds = [(bench.bare_loop(options.orders), bench.submit(options.orders)) for _ in range(options.rounds)]
        none, few, many = (bench.submit(count).statements for count in (0, FEW, MANY))
    breaches = find_breaches()
    if breaches:
        raise Wrong(f"the ledger is not clean: {breaches}")
    each = [(few - none) / FEW, (many - none) / MANY]
    bare, submitted = sorted(rounds, key=_share)[len(rounds) // 2]
    yield Report(
        title=f"submission: {options.orders:,} due orders of one provider that answers after {options.latency:g} ms",
        rows=(
            Row("bare loop of add calls", options.orders, options.orders, bare),
            Row("submit_for_provider, one lane", options.orders, options.orders, submitted),
        ),
        remarks=(
            f"The median of {options.rounds} rounds: {', '.join(map(_seconds, rounds))}.",
            f"An order takes {_ms(submitted.seconds, options)}, of which this process computes "
            f"{_ms(submitted.computing, options)}; the rest is waiting for the database and the provider. In the bare "
            f"loop it takes {_ms(bare.seconds, options)}, of which {_ms(bare.computing, options)} are computing.",
            f"Statements: {none} for an empty queue; {few} for {FEW} orders, {many} for {MANY}, "
            f"so {each[0]:g} and {each[1]:g} per order: "
            f"{'constant' if round(each[0]) == round(each[1]) else 'NOT constant'}. "
            "What is read anew each second makes the fraction.",
            "BEGIN, COMMIT and savepoints do not count as statements.",
            "Every order was sent exactly once and accepted. The ledger is clean.",
        ),
    )


class _Bench:
    """A panel with one provider, one service and one customer with enough funds."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._provider: Provider = make.provider(url=upstream.url, max_parallel_adds=1)
        self._service: Service = make.service(self._provider)
        self._customer: User = make.customer(funds="1000000")

    def bare_loop(self, count: int) -> Measured:
        """Measure `count` add calls of the panel's client, without a database."""
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
            raise Wrong("the provider did not accept every request of the bare loop")
        return found

    def submit(self, count: int) -> Measured:
        """Create `count` orders, then measure submitting them."""
        links = _links(count)
        self._create_orders(links)
        with measured() as found:
            sent = submit_for_provider(provider=self._provider, seconds=LONG_ENOUGH)
        self._check_sent(links)
        unaccepted = Order.objects.exclude(submission=Submission.ACCEPTED).count()
        if sent != count or unaccepted:
            raise Wrong(f"of {count} orders, {sent} were counted as sent, and {unaccepted} were not accepted")
        return found

    def _create_orders(self, links: list[str]) -> None:
        """Create orders as customers do, but in one transaction, for speed."""
        with transaction.atomic():
            for link in links:
                make.order(self._customer, self._service, quantity=QUANTITY, link=link)
        settle()

    def _check_sent(self, links: list[str]) -> None:
        """Raise Wrong unless the provider received each link exactly once. `links` are unique."""
        if sorted(self._upstream.take_links()) != sorted(links):
            raise Wrong("the provider was not sent each order exactly once")


def _links(count: int) -> list[str]:
    run = uuid4().hex
    return [f"https://example.com/{run}/{number}" for number in range(count)]


def _share(round_: tuple[Measured, Measured]) -> float:
    bare, submitted = round_
    return bare.seconds / submitted.seconds


def _seconds(round_: tuple[Measured, Measured]) -> str:
    bare, submitted = round_
    return f"{bare.seconds:.3f} s for the bare loop, {submitted.seconds:.3f} s for the queue"


def _ms(seconds: float, options: Namespace) -> str:
    return f"{seconds / options.orders * 1_000:.2f} ms"
