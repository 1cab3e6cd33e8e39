"""Pages of a list that are as quick at its end as at its start: each begins where the last one ended.

An offset would be counted off row by row; a place in an index is found at once.
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
    """Rows, and the query parameter of the pages beside them: ("before" or "after", place), or None."""

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
    """The page that `params` asks for ("after" or "before" a place); the first one for anything unreadable.

    `key` is a column of integers or moments, in which rows may be equal: the primary key decides between them,
    unless it `is_unique` among these rows: an index of it alone is then the order.
    """
    before = _place(params.get("before", ""))
    place = before or _place(params.get("after", ""))
    # Backwards, the list is read the other way round, and turned.
    down = descending != bool(before)
    found = list(_from_place(rows, key, is_unique, place, down)[: size + 1])
    more = len(found) > size
    if (before and not more) or (place and not found):
        # The first page, whole; and no empty one where the rows went elsewhere meanwhile.
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
    """All of `rows` in the order of their pages, `size` a statement: a slow reader holds no transaction open.

    Each is read once, also where rows come and go meanwhile.
    """
    place = None
    while True:
        found = list(_from_place(rows, key, is_unique, place, descending)[:size])
        yield from found
        if len(found) < size:
            return
        place = _place(_written(found[-1], key))


def _from_place(
    rows: QuerySet[Row], key: str, is_unique: bool, place: tuple[int, int] | None, down: bool
) -> QuerySet[Row]:
    """In order, from behind `place` on."""
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
    # The first condition is what SQLite begins at; PostgreSQL begins at the row itself.
    beyond = TupleLessThan if down else TupleGreaterThan
    return rows.filter(beyond(Tuple(F(key), F("pk")), (value, pk)), **{f"{key}__{side}e": value})


def name_the_few(rows: QuerySet[Row], *, most: int = 1_000) -> QuerySet[Row]:
    """`rows` by their numbers where they are few, so that sorting them otherwise cannot become a walk through an
    index of all others: SQLite chooses that."""
    pks = list(rows.order_by().values_list("pk", flat=True)[: most + 1])
    return rows if len(pks) > most else rows.model._default_manager.filter(pk__in=pks)
