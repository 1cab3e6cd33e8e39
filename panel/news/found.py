"""What happened for customers between two moments, read from the tables that say so, each by its index.

What is alike and happened within the same SPAN is one finding: a mass order that ends is one line, not a thousand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from billing.models import Deposit, Entry
from catalog.models import Favourite, ShelfNews
from orders.models import Order, OrderEvent, Refill
from orders.states import FINAL, EventKind, RefillState
from panel.levels.models import LevelMove
from panel.lib.money import BASIS
from panel.news.models import NewsKind

SPAN = timedelta(minutes=10)
# How long a transaction may last between the moment that it writes and its commit.
MAX_COMMIT = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_NAME = 200
_REFILL_ENDS = (RefillState.COMPLETED, RefillState.REJECTED, RefillState.REFUSED)


@dataclass(slots=True)
class Finding:
    """What becomes one item. `about` are the orders, refills or services, `number` one of them with its `name`."""

    customer_id: int
    kind: NewsKind
    key: str
    word: str
    happened_at: datetime
    about: set[int] = field(default_factory=set)
    number: int | None = None
    name: str = ""
    amount: int | None = None
    change_bp: int | None = None

    @property
    def is_one(self) -> bool:
        return len(self.about) == 1


def span_begin(moment: datetime) -> datetime:
    """Return when the span that contains the moment began."""
    return _EPOCH + (moment - _EPOCH) // SPAN * SPAN


def find_between(since: datetime, until: datetime) -> list[Finding]:
    """Return what happened from `since` on and before `until`. Eight statements, however much it is."""
    found: dict[tuple[int, str], Finding] = {}
    for one in (
        *_ended_orders(since, until),
        *_refunds(since, until),
        *_ended_refills(since, until),
        *_offers(since, until),
        *_decided_deposits(since, until),
        *_prices(since, until),
        *_levels(since, until),
    ):
        before = found.setdefault((one.customer_id, one.key), one)
        if before is not one:
            _add(before, one)
    return list(found.values())


def _add(finding: Finding, other: Finding) -> None:
    finding.about |= other.about
    finding.happened_at = max(finding.happened_at, other.happened_at)
    if other.amount is not None:
        finding.amount = (finding.amount or 0) + other.amount


def _at(moment: datetime | None) -> datetime:
    """Return a moment that the query selected by, which therefore is not null."""
    assert moment is not None
    return moment


def _key(kind: NewsKind, word: str, moment: datetime) -> str:
    return f"{kind}:{word}:{(moment - _EPOCH) // SPAN}"


def _ended_orders(since: datetime, until: datetime) -> Iterator[Finding]:
    ended = Order.objects.filter(finished_at__gte=since, finished_at__lt=until, status__in=FINAL).order_by()
    kind = NewsKind.ORDER_ENDED
    for pk, customer, status, name, moment in ended.values_list(
        "pk", "customer_id", "status", "service_name", "finished_at"
    ):
        at = _at(moment)
        yield Finding(customer, kind, _key(kind, status, at), status, at, {pk}, pk, name[:_MAX_NAME])


def _refunds(since: datetime, until: datetime) -> Iterator[Finding]:
    """Yield the refunds. No index of entries is by time: they are read from the newest one backwards."""
    refunds = Entry.objects.filter(kind=Entry.Kind.REFUND)
    before = refunds.filter(created_at__lt=since - MAX_COMMIT).order_by("-pk").values_list("pk", flat=True)[:1]
    floor = next(iter(before), 0)
    rows = refunds.filter(pk__gt=floor, created_at__gte=since, created_at__lt=until, amount__gt=0).order_by("-pk")
    kind = NewsKind.REFUNDED
    for customer, moment, amount, order, drip in rows.values_list(
        "wallet__customer_id", "created_at", "amount", "order_ref", "drip_ref"
    ):
        # Orders and drip-feeds are numbered each for themselves.
        about = order if order is not None else -(drip or 0)
        yield Finding(customer, kind, _key(kind, "", moment), "", moment, {about}, order, "", amount)


def _ended_refills(since: datetime, until: datetime) -> Iterator[Finding]:
    ended = Refill.objects.filter(finished_at__gte=since, finished_at__lt=until, state__in=_REFILL_ENDS).order_by()
    kind = NewsKind.REFILL_ENDED
    for order, customer, state, name, moment in ended.values_list(
        "order_id", "order__customer_id", "state", "order__service_name", "finished_at"
    ):
        at = _at(moment)
        yield Finding(customer, kind, _key(kind, state, at), state, at, {order}, order, name[:_MAX_NAME])


def _offers(since: datetime, until: datetime) -> Iterator[Finding]:
    offers = OrderEvent.objects.filter(kind=EventKind.OFFER, created_at__gte=since, created_at__lt=until).order_by()
    kind = NewsKind.ORDER_OFFERED
    for order, customer, name, moment in offers.values_list(
        "order_id", "order__customer_id", "order__service_name", "created_at"
    ):
        yield Finding(customer, kind, _key(kind, "", moment), "", moment, {order}, order, name[:_MAX_NAME])


def _decided_deposits(since: datetime, until: datetime) -> Iterator[Finding]:
    """Yield the deposits that staff approved or refused: each is an item of its own."""
    decided = Deposit.objects.filter(
        decided_at__gte=since,
        decided_at__lt=until,
        state__in=(Deposit.State.APPROVED, Deposit.State.REFUSED),
    )
    kind = NewsKind.DEPOSIT_DECIDED
    for one in decided.order_by():
        moment = _at(one.decided_at)
        amount = one.amount if one.credited is None else one.added
        yield Finding(one.customer_id, kind, f"{kind}:{one.pk}", one.state, moment, {one.pk}, one.pk, "", amount)


def _prices(since: datetime, until: datetime) -> Iterator[Finding]:
    news = ShelfNews.objects.filter(
        noticed_at__gte=since,
        noticed_at__lt=until,
        kind__in=(ShelfNews.Kind.CHEAPER, ShelfNews.Kind.DEARER),
    )
    changed = {
        service: (word, name, old, new, moment)
        for service, word, name, old, new, moment in news.order_by("pk").values_list(
            "service_id", "kind", "service__name", "old_price", "new_price", "noticed_at"
        )
    }
    if not changed:
        return
    marked = Favourite.objects.filter(service__in=news.order_by().values("service")).order_by()
    kind = NewsKind.FAVOURITE_PRICE
    for customer, service in marked.values_list("customer_id", "service_id"):
        if service not in changed:
            continue  # It changed between the two statements.
        word, name, old, new, moment = changed[service]
        # Never 0, since it changed.
        change = ((new - old) * BASIS // old or 1) if old and new else None
        key = _key(kind, word, moment)
        yield Finding(customer, kind, key, word, moment, {service}, service, name[:_MAX_NAME], None, change)


def _levels(since: datetime, until: datetime) -> Iterator[Finding]:
    """Yield the levels that were reached: each is an item of its own. Nobody is told of moving down."""
    moves = LevelMove.objects.filter(moved_at__gte=since, moved_at__lt=until, is_up=True).order_by()
    kind = NewsKind.LEVEL_UP
    for pk, customer, level, discount_bp, moment in moves.values_list(
        "pk", "customer_id", "after", "discount_bp", "moved_at"
    ):
        yield Finding(customer, kind, f"{kind}:{pk}", "", moment, {pk}, None, level, None, discount_bp)
