"""Keyset pages of rows in any order that goes one way: several columns, texts and computed ranks.

`keyset_pagination` does it for one column of numbers or moments, in shorter addresses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db.models import F, Field, Model, QuerySet
from django.db.models.expressions import OrderBy
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.utils.timezone import is_naive

from panel.lib.keyset_pagination import KeysetPage

_MAX_PLACE = 1_000
_MAX_NUMBER = 2**63
_TERM = "place_{}"

Row = TypeVar("Row", bound=Model)


def page_in_order(rows: QuerySet[Row], *, params: Mapping[str, str], size: int) -> KeysetPage[Row]:
    """Return the page that `params` select ("after" or "before" a place); the first one if unreadable.

    The terms of the rows' own order go in one direction, hold no NULL, and the last one is unique. The place is the
    values of a row, so that it stays where it is if the row moves or goes.
    """
    rows, names, is_descending = _with_terms(rows)
    before = _values(rows, names, params.get("before", ""))
    place = before or _values(rows, names, params.get("after", ""))
    down = is_descending != bool(before)
    wanted = rows if place is None else _beyond(rows, names, place, down)
    if before:
        wanted = wanted.reverse()
    found = list(wanted[: size + 1])
    more = len(found) > size
    if (before and not more) or (place and not found):
        # The whole first page; and never an empty page if the rows are gone.
        return page_in_order(rows, params={}, size=size)
    found = found[:size]
    if before:
        found.reverse()
    if not found:
        return KeysetPage([], None, None)
    return KeysetPage(
        found,
        previous=("before", _written(found[0], names)) if place else None,
        next=("after", _written(found[-1], names)) if more or before else None,
    )


def place_of(rows: QuerySet[Any], number: int) -> str:
    """Return the place of the row that has so many before it."""
    rows, names, _ = _with_terms(rows)
    return _written(rows[number], names)


def _with_terms(rows: QuerySet[Any]) -> tuple[QuerySet[Any], list[str], bool]:
    """Return the rows with the value of each term of their order, the names of these, and whether all descend."""
    terms = [_term(one) for one in rows.query.order_by]
    if len({one.descending for one in terms}) != 1:
        raise ImproperlyConfigured(f"{rows.model._meta.label} is ordered in both directions: {rows.query.order_by}")
    names: list[str] = []
    added: dict[str, Any] = {}
    for place, one in enumerate(terms):
        name = str(getattr(one.expression, "name", "")) if isinstance(one.expression, F) else ""
        if not _is_column(rows.model, name):
            added[_TERM.format(place)], name = one.expression, _TERM.format(place)
        names.append(name)
    return rows.annotate(**added), names, terms[0].descending


def _is_column(model: Any, name: str) -> bool:
    """Return True for a column of the table, and False for what is computed or joined.

    Raise ImproperlyConfigured for a relation: Django orders by the related rows' own order.
    """
    if name == "pk":
        return True
    field = next((field for field in model._meta.concrete_fields if name in (field.name, field.attname)), None)
    if field is not None and field.is_relation and name != field.attname:
        raise ImproperlyConfigured(f"{model._meta.label} is ordered by {name}: name its key, {field.attname}")
    return field is not None


def _term(term: Any) -> OrderBy:
    if isinstance(term, OrderBy):
        return term
    if isinstance(term, str):
        return OrderBy(F(term.removeprefix("-")), descending=term.startswith("-"))
    return OrderBy(term)


def _beyond(rows: QuerySet[Row], names: Sequence[str], place: Sequence[Any], down: bool) -> QuerySet[Row]:
    side = "lt" if down else "gt"
    if len(names) == 1:
        return rows.filter(**{f"{names[0]}__{side}": place[0]})
    # SQLite seeks by the first condition; PostgreSQL seeks by the tuple.
    beyond = TupleLessThan if down else TupleGreaterThan
    return rows.filter(beyond(Tuple(*map(F, names)), tuple(place)), **{f"{names[0]}__{side}e": place[0]})


def _written(row: Any, names: Sequence[str]) -> str:
    return json.dumps([_plain(getattr(row, name)) for name in names], separators=(",", ":"), ensure_ascii=False)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value


def _values(rows: QuerySet[Any], names: Sequence[str], text: str) -> list[Any] | None:
    """Return the values of a written place; None if it is none."""
    if not text or len(text) > _MAX_PLACE:
        return None
    try:
        written = json.loads(text)
    except ValueError:
        return None
    if not isinstance(written, list) or len(written) != len(names):
        return None
    values = [_value(_field(rows, name), one) for name, one in zip(names, written, strict=True)]
    return None if None in values else values


def _field(rows: QuerySet[Any], name: str) -> Field[Any, Any]:
    meta: Any = rows.model._meta
    if name in rows.query.annotations:
        found: Field[Any, Any] = rows.query.annotations[name].output_field
    else:
        found = (
            meta.pk if name == "pk" else next(one for one in meta.concrete_fields if name in (one.name, one.attname))
        )
    return getattr(found, "target_field", found)


def _value(field: Field[Any, Any], written: Any) -> Any:
    """Return what was written as a value of the column; None if it is none."""
    if isinstance(written, int):
        written = written if abs(written) < _MAX_NUMBER else None
    elif not isinstance(written, str) or "\0" in written or not written.isprintable():
        return None
    try:
        value = field.to_python(written)
    except (ValidationError, ValueError):
        return None
    return None if isinstance(value, datetime) and is_naive(value) else value
