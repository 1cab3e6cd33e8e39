"""Everything on sale in a few words each: what filters, counts and orders of the list need, kept in each process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from threading import Lock
from typing import NamedTuple

from django.db.models import Case, F, When

from catalog.catalog_version import catalog_version
from catalog.models import ServiceFigures
from catalog.platform_marks import OTHER, only_platform
from catalog.search.index import SearchIndex, current_index
from catalog.selectors import ENOUGH_TIMED, SHELF_ORDER, services_on_sale
from panel.lib import clock

# Sales are counted at intervals, and change no version of the catalog.
MAX_AGE = timedelta(minutes=10)
TYPICAL_SECONDS = Case(When(figures__timed__gte=ENOUGH_TIMED, then=F("figures__typical_seconds")))


class ShelfRow(NamedTuple):
    """A service on sale. `price` is the list price in micro-units; `seconds` its usual time, None if unknown."""

    pk: int
    category: int
    type: str
    platform: str
    refill: bool
    cancel: bool
    price: int
    orders: int
    seconds: int | None


@dataclass(frozen=True, slots=True)
class Sales:
    """Orders of the last 30 days, of all services. `seconds` is the usual time of half of them; None if unknown."""

    orders: int
    ended: int
    completed: int
    seconds: int | None


@dataclass(frozen=True)
class Shelf:
    """All services on sale, in the owner's order; the names of their categories, in order."""

    rows: list[ShelfRow]
    categories: Mapping[int, str]
    sales: Sales

    @cached_property
    def by_platform(self) -> dict[str, list[ShelfRow]]:
        """Return the rows of each platform, the one with the most services first; OTHER is last."""
        found: dict[str, list[ShelfRow]] = {}
        for row in self.rows:
            found.setdefault(row.platform, []).append(row)
        return dict(sorted(found.items(), key=lambda one: (one[0] == OTHER, -len(one[1]), one[0])))


class _Kept(NamedTuple):
    version: str
    made_at: datetime
    shelf: Shelf


_kept: _Kept | None = None
_making = Lock()


def current_shelf() -> Shelf:
    """Return what is on sale now: one query while the catalog stays the same, a few more after a change.

    Without a version of the catalog, it is read each time. Sales may be ten minutes old.
    """
    version = catalog_version()
    if (shelf := _still_good(version)) is not None:
        return shelf
    with _making:
        # Another thread may have made it meanwhile.
        if (shelf := _still_good(version)) is not None:
            return shelf
        return _make(version)


def forget_shelf() -> None:
    """Forget what is kept in this process."""
    global _kept
    _kept = None


def _still_good(version: str | None) -> Shelf | None:
    kept = _kept
    if kept is None or version is None or kept.version != version:
        return None
    return kept.shelf if timedelta(0) <= clock.now() - kept.made_at < MAX_AGE else None


def _make(version: str | None) -> Shelf:
    global _kept
    index = current_index()
    shelf = Shelf(_read_rows(index), {row.category_id: row.category for row in index.rows}, _read_sales())
    if version is not None:
        _kept = _Kept(version, clock.now(), shelf)
    return shelf


def _read_rows(index: SearchIndex) -> list[ShelfRow]:
    columns = (
        *("pk", "category_id", "upstream__type", "upstream__refill", "refill_days", "upstream__cancel", "price"),
        *("figures__orders", TYPICAL_SECONDS),
    )
    rows = []
    for pk, category, kind, refill, days, cancel, price, orders, seconds in (
        services_on_sale().select_related(None).order_by(*SHELF_ORDER).values_list(*columns)
    ):
        place = index.place_of.get(pk)
        # Put on sale since the index was read: the next version of the catalog tells its platform.
        platform = OTHER if place is None else only_platform(index.platforms_of(place))
        has_refill = refill and days != 0
        rows.append(ShelfRow(pk, category, kind, platform, has_refill, cancel, price, orders or 0, seconds))
    return rows


def _read_sales() -> Sales:
    columns = ("orders", "ended", "completed", "timed", "typical_seconds")
    figures = list(ServiceFigures.objects.order_by().values_list(*columns))
    return Sales(
        sum(orders for orders, *_ in figures),
        sum(ended for _, ended, *_ in figures),
        sum(completed for _, _, completed, *_ in figures),
        usual_seconds((one[4], one[3]) for one in figures if one[3] >= ENOUGH_TIMED and one[4] is not None),
    )


def usual_seconds(services: Iterable[tuple[int, int]]) -> int | None:
    """Return the seconds that half of all orders take, from (median, orders) of each service; None without any.

    It is the median over services, each counted as often as it was ordered: near to that of the orders themselves.
    """
    ordered = sorted(services)
    half = sum(count for _, count in ordered) / 2
    for seconds, count in ordered:
        half -= count
        if half <= 0:
            return seconds
    return None
