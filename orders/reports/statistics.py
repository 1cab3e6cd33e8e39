"""Figures that lists of services and providers show: counted from the orders now and then, and stored.

Counting them for each page would read a month of orders each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, SupportsInt, TypeAlias

from django.db import IntegrityError, transaction
from django.db.models import BigIntegerField, Count, F, Func, Model, Q, Sum, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from catalog.models import Provider, ProviderFigures, Service, ServiceFigures
from catalog.provider_health import BURN_DAYS
from orders.models import Order
from orders.reports.profit import COST
from orders.states import FINAL, Status
from panel.lib.bulk_sql import insert_rows, update_rows
from panel.lib.money import EXCHANGE_ONE, ceil_div

SALES_DAYS = 30
# An order that waited longer before it was sent is not counted as money spent: there is no index by that time.
MAX_WAIT = timedelta(days=7)

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
    """Whole seconds of a moment, for differences: SQLite would count those of Django row by row in Python."""

    output_field = BigIntegerField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="FLOOR(EXTRACT(EPOCH FROM %(expressions)s))::bigint", **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="CAST(STRFTIME('%%%%s', %(expressions)s) AS INTEGER)", **extra
        )


def count_figures() -> None:
    """Counts and stores the figures of all services and providers; writes only those that changed.

    Two rounds at once are harmless: each stores what it counted, and the next one mends what was older.
    """
    now = timezone.now()
    sold = _sold(since=now - timedelta(days=SALES_DAYS))
    _store(ServiceFigures, _SOLD, _with_all(Service, sold, NO_SALES), now)
    bought = _bought(since=now - timedelta(days=BURN_DAYS))
    _store(ProviderFigures, ("orders", "spent", "ended", "completed"), _with_all(Provider, bought, NO_PURCHASES), now)


def _sold(*, since: datetime) -> dict[int, Row]:
    """Of the services that were ordered, what `_SOLD` names."""
    quartiles = _quartiles(since=since)
    rows = (
        Order.objects.filter(created_at__gte=since)
        .order_by()
        .values_list("service_id")
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


def _quartiles(*, since: datetime) -> dict[int, tuple[int | None, ...]]:
    """Seconds to completion by service: a quarter of its orders took no longer than the first, half of them than the
    second, three quarters than the third.
    """
    took = (
        Order.objects.filter(_COMPLETED, created_at__gte=since, finished_at__isnull=False)
        .order_by()
        .values("service_id")
        .annotate(seconds=_Seconds("finished_at") - _Seconds("created_at"))
        .annotate(
            place=Window(RowNumber(), partition_by=F("service_id"), order_by="seconds"),
            timed=Window(Count("*"), partition_by=F("service_id")),
        )
    )
    # The smallest place that at least so many fourths of all are at or before.
    first, second, third = ((F("timed") * fourths + 3) / 4 for fourths in (1, 2, 3))
    at = took.filter(Q(place=first) | Q(place=second) | Q(place=third))
    found: dict[int, list[tuple[int, int, int]]] = {}
    for service, seconds, place, timed in at.values_list("service_id", "seconds", "place", "timed"):
        found.setdefault(service, []).append((place, seconds, timed))
    return {service: _at_fourths(places) for service, places in found.items()}


def _at_fourths(places: list[tuple[int, int, int]]) -> tuple[int, ...]:
    """Of few orders, one place may be several of the three."""
    seconds = {place: max(0, took) for place, took, _ in places}
    timed = places[0][2]
    return tuple(seconds[(timed * fourths + 3) // 4] for fourths in (1, 2, 3))


def _bought(*, since: datetime) -> dict[int, Row]:
    """Of the providers that were sent orders: orders, spent in its own currency, ended, completed."""
    rows = (
        Order.objects.filter(created_at__gte=since - MAX_WAIT, accepted_at__gte=since)
        .order_by()
        .values_list("provider_id", "currency", "exchange_rate")
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
        # Costs are stored in the panel's currency, at the rate that the order was sent at. What was billed in
        # another currency than the balance is in says nothing of how long that lasts.
        spent = ceil_div(int(cost) * EXCHANGE_ONE, rate) if currency in ("", own_currencies[pk]) else 0
        sums = found.setdefault(pk, [0, 0, 0, 0])
        for place, figure in enumerate((orders, spent, ended, completed)):
            sums[place] += figure
    return {pk: tuple(map(_held, sums)) for pk, sums in found.items()}


def _held(amount: SupportsInt) -> int:
    """What a column holds: one absurd rate must not keep all other figures from being stored."""
    return max(-_MAX_FIGURE, min(int(amount), _MAX_FIGURE))


def _with_all(model: type[Model], counted: Mapping[int, Row], nothing: Row) -> dict[int, Row]:
    """What was not ordered lately has figures too, all zero."""
    return {pk: counted.get(pk, nothing) for pk in model._default_manager.order_by("pk").values_list("pk", flat=True)}


def _store(model: type[Model], columns: tuple[str, ...], wanted: Mapping[int, Row], now: datetime) -> None:
    """Writes the figures that differ from the stored ones, by primary key."""
    stamped = (*columns, "counted_at")
    with suppress(IntegrityError), transaction.atomic():  # Another round inserted the same at the same time.
        # In one order: two rounds that lock rows in different orders would stop each other.
        stored = {
            pk: tuple(row)
            for pk, *row in model._default_manager.select_for_update().order_by("pk").values_list("pk", *columns)
        }
        missing = [(pk, *row, now) for pk, row in wanted.items() if pk not in stored]
        insert_rows(model=model, columns=(model._meta.pk.attname, *stamped), rows=missing)
        changed = [(pk, *row, now) for pk, row in wanted.items() if pk in stored and stored[pk] != row]
        update_rows(model=model, columns=stamped, rows=changed)
