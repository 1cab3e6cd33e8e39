"""Figures in lists of services and providers: computed from the orders at intervals, and stored.

Computing them for each page would read a month of orders each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, SupportsInt, TypeAlias

from django.db import IntegrityError, transaction
from django.db.models import BigIntegerField, Count, F, Func, Model, Q, QuerySet, Sum, Window
from django.db.models.functions import RowNumber

from catalog.models import Provider, ProviderFigures, Service, ServiceFigures
from catalog.provider_health import BURN_DAYS
from orders.models import Order, OrderEvent
from orders.reports.borrowed_times import lend_times
from orders.reports.profit import COST, of_period
from orders.states import FINAL, Status
from panel.lib import clock
from panel.lib.bulk_sql import insert_rows, update_rows
from panel.lib.money import EXCHANGE_ONE, ceil_div
from panel.lib.panel_days import panel_day

SALES_DAYS = 30
# Orders that waited longer before they were sent are not counted as spent: no index covers `accepted_at`.
MAX_WAIT = timedelta(days=7)
# How far before the end of the last round changes are looked for again: its own time, and that of open transactions.
OVERLAP = timedelta(minutes=15)
# Above these, all is counted.
MAX_EVENTS = 10_000
MAX_SERVICES = 500

Row: TypeAlias = tuple[int | None, ...]
NO_SALES: Row = (0, 0, 0, 0, None, 0, None, None, None)
NO_PURCHASES: Row = (0, 0, 0, 0)

_MAX_FIGURE = 2**63 - 1
_ENDED = Q(status__in=FINAL)
_COMPLETED = Q(status=Status.COMPLETED)
_SOLD = (
    "orders",
    "ended",
    "completed",
    "profit",
    "seconds",
    "timed",
    "fast_seconds",
    "typical_seconds",
    "slow_seconds",
)
_UNKNOWN = (None, None, None)


class _Seconds(Func):
    """A moment in whole seconds, for differences. On SQLite, Django would subtract moments row by row in Python."""

    output_field = BigIntegerField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="FLOOR(EXTRACT(EPOCH FROM %(expressions)s))::bigint", **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="CAST(STRFTIME('%%%%s', %(expressions)s) AS INTEGER)", **extra
        )


def count_figures() -> None:
    """Compute and store the figures of all services and providers; write only those that changed.

    Two rounds at once are harmless: each stores its own counts, and the next round corrects older ones.
    """
    now = clock.now()
    _count_services(None, now)
    _count_providers(now)
    lend_times()


def count_changed_figures(*, counted_at: datetime | None) -> None:
    """Count again what may have changed since the round that began at `counted_at`, with the same result.

    The first round of a day counts all figures, as `count_figures` does: a provider may correct the charge of an order
    that has ended, which leaves no trace in its timeline. So does a round that cannot know what changed.
    """
    now = clock.now()
    changed = None
    if counted_at is not None and counted_at <= now and panel_day(counted_at) == panel_day(now):
        changed = _changed_services(after=counted_at - OVERLAP, now=now)
    _count_services(changed, now)
    _count_providers(now)
    lend_times()


def _count_services(pks: Set[int] | None, now: datetime) -> None:
    """Count and store the figures of these services; of all if None."""
    services = Service.objects.all() if pks is None else Service.objects.filter(pk__in=pks)
    sold = _sold(since=now - timedelta(days=SALES_DAYS), services=pks)
    _store(ServiceFigures, _SOLD, _with_all(services, sold, NO_SALES), now)


def _count_providers(now: datetime) -> None:
    bought = _bought(since=now - timedelta(days=BURN_DAYS))
    columns = ("orders", "spent", "ended", "completed")
    _store(ProviderFigures, columns, _with_all(Provider.objects.all(), bought, NO_PURCHASES), now)


def _changed_services(*, after: datetime, now: datetime) -> set[int] | None:
    """Return the services whose figures may have changed since then; None if they are too many to tell.

    An order counts from its creation on, until it leaves the window; what happens to it meanwhile is in its timeline.
    """
    events = OrderEvent.objects.order_by("-pk")
    # By number, as the only index on moments is that of the orders.
    oldest = events.values_list("pk", "created_at")[MAX_EVENTS : MAX_EVENTS + 1].first()
    if oldest and oldest[1] >= after:
        return None
    lately = events.filter(pk__gt=oldest[0] if oldest else 0, created_at__gte=after)
    window = timedelta(days=SALES_DAYS)
    orders = Order.objects.order_by()
    found: set[int] = set(Service.objects.filter(figures=None).order_by().values_list("pk", flat=True))
    for part in (
        orders.filter(created_at__gte=after),
        orders.filter(created_at__gte=after - window, created_at__lt=now - window),
        orders.filter(pk__in=lately.order_by().values("order_id")),
    ):
        found.update(part.values_list("service_id", flat=True))
    return found if len(found) <= MAX_SERVICES else None


def _sold(*, since: datetime, services: Set[int] | None) -> dict[int, Row]:
    """Return the `_SOLD` figures by service, for those of `services` (None: all) that were ordered."""
    orders = Order.objects.filter(created_at__gte=since)
    if services is not None:
        orders = orders.filter(service_id__in=services)
    quartiles = _quartiles(orders)
    rows = (
        orders.order_by()
        .annotate(number=of_period("service_id"))
        .values_list("number")
        .annotate(
            orders=Count("pk"),
            ended=Count("pk", filter=_ENDED),
            completed=Count("pk", filter=_COMPLETED),
            profit=Sum(F("charge") - F("refunded") - COST, filter=_ENDED),
            seconds=Sum(_Seconds("finished_at") - _Seconds("created_at"), filter=_COMPLETED),
            timed=Count("finished_at", filter=_COMPLETED),
        )
    )
    return {
        pk: (
            orders,
            ended,
            completed,
            _held(profit or 0),
            max(0, int(seconds) // timed) if timed else None,
            timed,
            *(quartiles.get(pk, _UNKNOWN) if timed else _UNKNOWN),
        )
        for pk, orders, ended, completed, profit, seconds, timed in rows
    }


def _quartiles(orders: QuerySet[Order]) -> dict[int, tuple[int | None, ...]]:
    """Return the quartiles of the seconds to completion, by service."""
    took = (
        orders.filter(_COMPLETED, finished_at__isnull=False)
        .order_by()
        .annotate(number=of_period("service_id"))
        .values("number")
        .annotate(seconds=_Seconds("finished_at") - _Seconds("created_at"))
        .annotate(
            rank=Window(RowNumber(), partition_by=F("number"), order_by="seconds"),
            timed=Window(Count("*"), partition_by=F("number")),
        )
    )
    # The lowest rank that covers at least this many quarters of the orders.
    first, second, third = ((F("timed") * fourths + 3) / 4 for fourths in (1, 2, 3))
    at = took.filter(Q(rank=first) | Q(rank=second) | Q(rank=third))
    found: dict[int, list[tuple[int, int, int]]] = {}
    for service, seconds, rank, timed in at.values_list("number", "seconds", "rank", "timed"):
        found.setdefault(service, []).append((rank, seconds, timed))
    return {service: _at_fourths(ranks) for service, ranks in found.items()}


def _at_fourths(ranks: list[tuple[int, int, int]]) -> tuple[int, ...]:
    """Return the seconds at the three quartiles. With few orders, one rank may serve for several."""
    seconds = {rank: max(0, took) for rank, took, _ in ranks}
    timed = ranks[0][2]
    return tuple(seconds[(timed * fourths + 3) // 4] for fourths in (1, 2, 3))


def _bought(*, since: datetime) -> dict[int, Row]:
    """Return orders, spent in the provider's currency, ended and completed by provider, for those that were sent
    orders.
    """
    rows = (
        Order.objects.filter(created_at__gte=since - MAX_WAIT, accepted_at__gte=since)
        .order_by()
        .annotate(number=of_period("provider_id"))
        .values_list("number", "currency", "exchange_rate")
        .annotate(
            orders=Count("pk"),
            cost=Sum(COST),
            ended=Count("pk", filter=_ENDED),
            completed=Count("pk", filter=_COMPLETED),
        )
    )
    own_currencies = dict(Provider.objects.order_by().values_list("pk", "currency"))
    found: dict[int, list[int]] = {}
    for pk, currency, rate, orders, cost, ended, completed in rows:
        # Costs are in the panel's currency, at the rate when the order was sent. Amounts billed in another currency
        # than the balance say nothing of how long the balance lasts.
        spent = ceil_div(int(cost) * EXCHANGE_ONE, rate) if currency in ("", own_currencies[pk]) else 0
        sums = found.setdefault(pk, [0, 0, 0, 0])
        for place, figure in enumerate((orders, spent, ended, completed)):
            sums[place] += figure
    return {pk: tuple(map(_held, sums)) for pk, sums in found.items()}


def _held(amount: SupportsInt) -> int:
    """Clamp the amount to what a column can hold: one absurd rate must not keep the other figures from being stored."""
    return max(-_MAX_FIGURE, min(int(amount), _MAX_FIGURE))


def _with_all(rows: QuerySet[Any], counted: Mapping[int, Row], nothing: Row) -> dict[int, Row]:
    """Return figures for each of `rows`, `nothing` for those without recent orders."""
    return {pk: counted.get(pk, nothing) for pk in rows.order_by("pk").values_list("pk", flat=True)}


def _store(model: type[Model], columns: tuple[str, ...], wanted: Mapping[int, Row], now: datetime) -> None:
    """Write the figures that differ from the stored ones, by primary key."""
    stamped = (*columns, "counted_at")
    with suppress(IntegrityError), transaction.atomic():  # Another round inserted the same rows.
        # Sorted, so that two rounds cannot deadlock.
        rows = model._default_manager.select_for_update().order_by("pk").values_list("pk", *columns)
        if len(wanted) <= MAX_SERVICES:
            rows = rows.filter(pk__in=list(wanted))
        stored = {pk: tuple(row) for pk, *row in rows}
        missing = [(pk, *row, now) for pk, row in wanted.items() if pk not in stored]
        insert_rows(model=model, columns=(model._meta.pk.attname, *stamped), rows=missing)
        changed = [(pk, *row, now) for pk, row in wanted.items() if pk in stored and stored[pk] != row]
        update_rows(model=model, columns=stamped, rows=changed)
