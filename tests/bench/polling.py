"""Rounds over all open orders of several providers, against a loop of one call and one update an order."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count, F, OuterRef, Q, Subquery
from django.utils import timezone

from billing.models import Entry
from catalog.models import Provider
from catalog.provider_accounts import client_for
from orders.models import Order, OrderEvent, OrderPoll
from orders.states import Status
from orders.tracking.poll import CLAIM_SECONDS, poll_due_orders
from panel.accounts.models import User
from panel.alerts.models import Alert
from panel.lib.money import ceil_div
from panel.ops.invariants import find_breaches
from tests import make
from tests.bench.environment import settle
from tests.bench.measuring import Wrong, measured
from tests.bench.open_orders import KnownStatus, open_orders, stands, stood
from tests.bench.report import Report, Row
from tests.bench.upstream import Upstream

PROVIDERS = 3
CUSTOMERS = 20
LONG_ENOUGH = 24 * 3_600.0
LATER = timedelta(hours=1)

# The budget.
BATCH = 100
MAX_STATEMENTS = 6
MANY_ORDERS, MAX_SECONDS = 100_000, 60
MAX_MB = 200
# Of the orders that the loop polls in a second.
MIN_SHARE_UNCHANGED, MIN_SHARE_TENTH = 0.55, 0.30


def run(options: Namespace) -> Iterator[Report]:
    customers = [make.customer(f"customer{number}@example.org", funds="10000000") for number in range(CUSTOMERS)]
    for latency in options.latencies:
        OrderPoll.objects.all().delete()  # Those of the latency before.
        with Upstream(latency=latency) as upstream:
            shop = _Shop(upstream, customers, options.polled)
            first = shop.poll(f"first round: {shop.changed / shop.count:.0%} changed")
            # In turn with the rounds, so that both meet the same noise. The median counts.
            loops = [shop.loop()]
            shop.make_due()
            second = shop.poll("second round: nothing changed")
            loops.append(shop.loop())
            shop.forget_start_counts(every=10)
            shop.make_due()
            third = shop.poll("third round: 10% changed")
            loops.append(shop.loop())
            loop = sorted(loops, key=lambda row: row.measured.seconds)[1]
            naive = shop.one_by_one("one call, one update an order", options.naive)
        breaches = find_breaches()
        if breaches:
            raise Wrong(f"the ledger is not clean: {breaches}")
        yield _report(latency, shop, first, second, third, loop, naive)


class _Shop:
    """Providers that each know their open orders under ids from 1, and the customers whose orders they are."""

    def __init__(self, upstream: Upstream, customers: list[User], count: int) -> None:
        self.count = count
        self._upstream = upstream
        self._ids: dict[Provider, range] = {}
        for number in range(PROVIDERS):
            name = f"Provider {Provider.objects.count() + 1}"
            provider = make.provider(url=upstream.url, api_key=str(number), name=name)
            self._ids[provider] = range(1, count // PROVIDERS + (number < count % PROVIDERS) + 1)
            open_orders(service=make.service(provider), customers=customers, ids=self._ids[provider])
        settle()
        self._orders = Order.objects.filter(provider__in=self._ids)
        self._polls = OrderPoll.objects.filter(provider__in=self._ids)
        moves = Counter((stood(one), stands(one)) for ids in self._ids.values() for one in ids)
        self._standings: Counter[KnownStatus] = Counter()
        for (_, after), orders in moves.items():
            self._standings[after] += orders
        self._moves = sum(orders for (before, after), orders in moves.items() if before.status != after.status)
        self.changed = sum(orders for (before, after), orders in moves.items() if before != after)
        self.refunds = sum(orders for (_, after), orders in moves.items() if after.status == Status.PARTIAL)
        self.lanes = provider.max_parallel_polls
        self.fewest_calls = sum(ceil_div(len(ids), BATCH) for ids in self._ids.values())

    def make_due(self) -> None:
        """Make all due again, as if their waits had passed."""
        self._polls.update(due_at=Subquery(Order.objects.filter(pk=OuterRef("pk")).values("accepted_at")))
        settle()

    def forget_start_counts(self, *, every: int) -> None:
        """Let one open order of `every` have something to learn from its next answer."""
        number = F("upstream_number") % every
        self._orders.annotate(number=number).filter(number=0, finished_at=None).update(start_count=0)

    def poll(self, what: str) -> Row:
        """One round over all of them."""
        with measured() as found:
            polled = poll_due_orders(seconds=LONG_ENOUGH)
        if polled != self.count:
            raise Wrong(f"of {self.count} orders {polled} are said to be polled")
        calls = self._check_asked({str(number): len(ids) for number, ids in enumerate(self._ids.values())})
        self._check_written()
        return Row(what, self.count, calls, found)

    def loop(self) -> Row:
        """Call a provider about a hundred orders and write one column of them, again and again, in one thread.

        It claims nothing, compares nothing and refunds nothing: no panel can be faster without lanes.
        """
        orders = {
            provider: list(self._polls.filter(provider=provider).values_list("pk", "order__upstream_id"))
            for provider in self._ids
        }
        with measured() as found:
            for provider, rows in orders.items():
                client = client_for(provider)
                for start in range(0, len(rows), BATCH):
                    batch = rows[start : start + BATCH]
                    client.statuses([upstream_id for _, upstream_id in batch])
                    self._polls.filter(pk__in=[pk for pk, _ in batch]).update(due_at=timezone.now() + LATER)
        calls = self._check_asked({str(number): len(ids) for number, ids in enumerate(self._ids.values())})
        return Row("a loop of calls, one update each", self.count, calls, found)

    def one_by_one(self, what: str, count: int) -> Row:
        """What a panel without batches does, for `count` of the first provider's orders."""
        provider = next(iter(self._ids))
        client = client_for(provider)
        orders = list(Order.objects.filter(provider=provider).values_list("pk", "upstream_id")[:count])
        with measured() as found:
            for pk, upstream_id in orders:
                answer = client.statuses([upstream_id])[upstream_id]
                now = timezone.now()
                Order.objects.filter(pk=pk).update(
                    status=answer.status.value, remains=answer.remains, checked_at=now, next_poll_at=now + LATER
                )
        self._check_written()
        return Row(what, count, self._check_asked({"0": count}), found)

    def _check_asked(self, orders: dict[str, int]) -> int:
        """`orders`: how many each API key has. Returns the calls."""
        asked = self._upstream.take_asked()
        if {key: (one.ids, one.most) for key, one in asked.items()} != {key: (ids, 1) for key, ids in orders.items()}:
            raise Wrong(f"the providers were not asked about each order exactly once: {asked}")
        return sum(one.calls for one in asked.values())

    def _check_written(self) -> None:
        """All is known that the providers tell, and nothing was done twice."""
        found = self._orders.values_list("status", "remains").annotate(Count("pk")).order_by()
        if {KnownStatus(status, remains): count for status, remains, count in found} != self._standings:
            raise Wrong(f"the orders do not stand as the providers say: {list(found)}")
        claimed = timezone.now() + timedelta(seconds=CLAIM_SECONDS)
        if self._polls.filter(Q(due_at__lte=claimed) | Q(errors__gt=0)).exists():
            raise Wrong("orders are still claimed, or count errors")
        pks = self._orders.values("pk")
        refunds = Entry.objects.filter(kind=Entry.Kind.REFUND, order_ref__in=pks).count()
        moves = OrderEvent.objects.filter(kind="status", order__in=pks).count()
        if (refunds, moves) != (self.refunds, self._moves):
            raise Wrong(
                f"{refunds} refunds for {self.refunds} orders, {moves} changes of {self._moves} in the timelines"
            )
        if Alert.objects.filter(resolved_at=None).exists():
            raise Wrong(f"there is an alert: {Alert.objects.filter(resolved_at=None).first()}")


def _report(latency: float, shop: _Shop, first: Row, second: Row, third: Row, loop: Row, naive: Row) -> Report:
    statements = second.measured.statements / second.calls
    slowest = max(first.measured.seconds, second.measured.seconds) * MANY_ORDERS / shop.count
    most_mb = max(first.measured.peak_mb, second.measured.peak_mb)
    remarks = [
        _budget(
            max(first.calls, second.calls) == shop.fewest_calls,
            f"{shop.fewest_calls:,} calls a round, one for each {BATCH} open orders of a provider",
        ),
        _budget(
            round(statements, 1) <= MAX_STATEMENTS,
            f"at most {MAX_STATEMENTS} statements a batch without refunds: {statements:.2f}",
        ),
        _budget(most_mb <= MAX_MB, f"at most {MAX_MB} MB for the whole process: {most_mb:.0f}"),
    ]
    if latency == 0:
        rate = loop.count / loop.measured.seconds
        for row, least in ((second, MIN_SHARE_UNCHANGED), (third, MIN_SHARE_TENTH)):
            share = row.count / row.measured.seconds / rate
            remarks.append(_budget(share >= least, f"{row.what}: at least {least:.0%} of the loop: {share:.0%}"))
        remarks.append(
            _budget(
                slowest <= MAX_SECONDS,
                f"{MANY_ORDERS:,} open orders in at most {MAX_SECONDS} s: {slowest:.1f} s at the slower round's rate",
            )
        )
    return Report(
        title=f"polling: {shop.count:,} open orders of {PROVIDERS} providers that answer after {latency:g} ms, "
        f"{shop.lanes} calls at a time to each",
        rows=(naive, loop, first, second, third),
        remarks=(
            *remarks,
            f"The first round posts {shop.refunds:,} refunds, those of a batch together. Its computing takes "
            f"{first.measured.computing:.1f} s of processor time, the second's {second.measured.computing:.1f} s.",
            "Statements a call include what begins and ends a round. BEGIN, COMMIT and savepoints are none.",
            "Each order was asked about exactly once a round, and stands as its provider says. Ledger clean.",
        ),
    )


def _budget(met: bool, text: str) -> str:
    return f"{'met' if met else 'NOT met'}: {text}"
