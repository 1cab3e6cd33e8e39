"""Keyset pages of a list, as fast at its end as at its start: each begins where the last one ended.

A database counts off an offset row by row; it finds a place in an index at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from django.db.models import DateTimeField, F, Model, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan

ROWS = 25
_PLACE = re.compile(r"(-?[0-9]{1,18})\.([0-9]{1,18})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Microseconds since 1970, short of the year 9999.
_LAST_MOMENT = 250_000_000_000_000_000

Shown = TypeVar("Shown")
Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class KeysetPage(Generic[Shown]):
    """Rows, and the query parameter of the adjacent pages: ("before" or "after", place), or None."""

    rows: list[Shown]
    previous: tuple[str, str] | None
    next: tuple[str, str] | None

    @property
    def is_only(self) -> bool:
        return self.previous is None and self.next is None


def page_of(
    rows: QuerySet[Row],
    *,
    params: Mapping[str, str],
    key: str = "pk",
    is_unique: bool = False,
    descending: bool = True,
    size: int = ROWS,
) -> KeysetPage[Row]:
    """Return the page that `params` select ("after" or "before" a place); the first one if unreadable.

    `key` is a column of integers or moments. Equal values are ordered by primary key, unless `is_unique` says that
    there are none among these rows: then an index on `key` alone gives the order.
    """
    before = _place(params.get("before", ""))
    place = before or _place(params.get("after", ""))
    # A page before a place is read in reverse order, and then reversed.
    down = descending != bool(before)
    found = list(_after_position(rows, key, is_unique, place, down)[: size + 1])
    more = len(found) > size
    if (before and not more) or (place and not found):
        # The whole first page; and never an empty page if the rows are gone.
        return page_of(rows, params={}, key=key, is_unique=is_unique, descending=descending, size=size)
    found = found[:size]
    if before:
        found.reverse()
    if not found:
        return KeysetPage([], None, None)
    return KeysetPage(
        found,
        previous=("before", _written(found[0], key)) if place else None,
        next=("after", _written(found[-1], key)) if more or before else None,
    )


def each_row(
    rows: QuerySet[Row], *, key: str = "pk", is_unique: bool = False, descending: bool = True, size: int = 1_000
) -> Iterator[Row]:
    """Yield all of `rows` in the order of their pages, `size` per statement, so that a slow reader holds no
    transaction.

    Each row is read once, even if rows are added or removed meanwhile.
    """
    place = None
    while True:
        found = list(_after_position(rows, key, is_unique, place, descending)[:size])
        yield from found
        if len(found) < size:
            return
        place = _place(_written(found[-1], key))


def _after_position(
    rows: QuerySet[Row], key: str, is_unique: bool, place: tuple[int, int] | None, down: bool
) -> QuerySet[Row]:
    """Return the rows in order, starting after `place`."""
    sign = "-" if down else ""
    is_unique = is_unique or key == "pk"
    order = (f"{sign}{key}",) if is_unique else (f"{sign}{key}", f"{sign}pk")
    return (_beyond(rows, key, is_unique, place, down) if place else rows).order_by(*order)


def _place(text: str) -> tuple[int, int] | None:
    found = _PLACE.fullmatch(text)
    return (int(found[1]), int(found[2])) if found else None


def _written(row: Model, key: str) -> str:
    value = getattr(row, key)
    if isinstance(value, datetime):
        value = (value - _EPOCH) // timedelta(microseconds=1)
    return f"{value}.{row.pk}"


def _beyond(rows: QuerySet[Row], key: str, is_unique: bool, place: tuple[int, int], down: bool) -> QuerySet[Row]:
    number, pk = place
    side = "lt" if down else "gt"
    if key == "pk":
        return rows.filter(**{f"pk__{side}": pk})
    value: int | datetime = number
    if isinstance(rows.model._meta.get_field(key), DateTimeField):
        value = _EPOCH + timedelta(microseconds=max(0, min(number, _LAST_MOMENT)))
    if is_unique:
        return rows.filter(**{f"{key}__{side}": value})
    # SQLite seeks by the first condition; PostgreSQL seeks by the tuple.
    beyond = TupleLessThan if down else TupleGreaterThan
    return rows.filter(beyond(Tuple(F(key), F("pk")), (value, pk)), **{f"{key}__{side}e": value})


def name_the_few(rows: QuerySet[Row], *, most: int = 1_000) -> QuerySet[Row]:
    """Return `rows` selected by primary key if they are few, so that sorting them does not scan an index of all rows.

    SQLite would choose that scan.
    """
    pks = list(rows.order_by().values_list("pk", flat=True)[: most + 1])
    return rows if len(pks) > most else rows.model._default_manager.filter(pk__in=pks)
