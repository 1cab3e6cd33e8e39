"""Edits: values to set, as plain data that a draft can store. Pure: no database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.prices.rules import ProviderTerms, Terms

# Values to set, by column.
Values = Mapping[str, Any]

REFILL = ("refill_days", "refill_days_declined")
# Columns that an edit may set, by kind of target.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "panel": ("margin_bp", "margin_fixed", "minimum_margin_bp", "price_step"),
    "provider": ("exchange_rate", "margin_bp", "margin_fixed", "currency", "is_active"),
    "category": ("margin_bp", "margin_fixed"),
    "service": (
        *("name", "category_id", "margin_bp", "margin_fixed", "allow_below_minimum", "is_on_sale"),
        *("link_kind", "one_at_a_time", *REFILL),
    ),
    "type": ("type",),
}


@dataclass(frozen=True, slots=True)
class Edit:
    """`values` to set on each target. `pks` of "panel" is (1,). Amounts are micro-units, margins basis points."""

    kind: str
    pks: tuple[int, ...]
    values: Values

    def __post_init__(self) -> None:
        unknown = set(self.values) - set(COLUMNS[self.kind])
        if unknown or not self.values:
            raise ValueError(f"{self.kind} cannot be set so: {sorted(unknown)}")


def dump_edits(edits: Iterable[Edit]) -> list[dict[str, Any]]:
    """Return edits as JSON for a column of `PriceChange`."""
    return [{"kind": edit.kind, "pks": list(edit.pks), "values": dict(edit.values)} for edit in edits]


def load_edits(data: Iterable[Mapping[str, Any]]) -> list[Edit]:
    return [Edit(row["kind"], tuple(row["pks"]), row["values"]) for row in data]


def check_disjoint(edits: Iterable[Edit]) -> None:
    """Raise ValueError if a column of a target is set twice: the result would be arbitrary."""
    seen = Counter((edit.kind, pk, column) for edit in edits for pk in edit.pks for column in edit.values)
    if twice := [key for key, count in seen.items() if count > 1]:
        raise ValueError(f"set twice: {twice[:3]}")


def with_edits(terms: Terms, edits: Iterable[Edit]) -> Terms:
    """Return the terms after the edits. Ignore targets that the terms do not hold."""
    panel, providers, categories = terms.panel, dict(terms.providers), dict(terms.categories)
    for edit in edits:
        if edit.kind == "panel":
            panel = panel._replace(**edit.values)
        for pk in edit.pks:
            if edit.kind == "provider" and pk in providers:
                named = {name: value for name, value in edit.values.items() if name in ProviderTerms._fields}
                providers[pk] = providers[pk]._replace(**named)
            elif edit.kind == "category" and pk in categories:
                categories[pk] = categories[pk]._replace(**edit.values)
    return Terms(panel, providers, categories)


def edits_by_service(edits: Iterable[Edit]) -> dict[int, dict[str, Any]]:
    """Return the values to set on each service, by primary key."""
    return {pk: values for (kind, pk), values in _by_target(edits).items() if kind == "service"}


def grouped(kind: str, rows: Iterable[tuple[int, Values]]) -> list[Edit]:
    """Return edits that set these values, one for all targets with equal values (5,000 services with one margin)."""
    groups: dict[Any, tuple[Values, list[int]]] = {}
    for pk, values in rows:
        if values:
            groups.setdefault(tuple(sorted(values.items(), key=lambda item: item[0])), (values, []))[1].append(pk)
    return [Edit(kind, tuple(pks), values) for values, pks in groups.values()]


def undo_edits(*, edits: Sequence[Edit], before: Sequence[Edit], now: Sequence[Edit]) -> tuple[list[Edit], int]:
    """Return the edits that undo `edits`, and the number of targets kept because somebody changed them again.

    `before` are the values to restore, `now` the current values of the same columns.
    """
    wanted, today = _by_target(edits), _by_target(now)
    back: dict[str, list[tuple[int, Values]]] = {}
    left = 0
    for (kind, pk), old in _by_target(before).items():
        set_then, stands = wanted.get((kind, pk), {}), today.get((kind, pk), {})
        differing = {name: value for name, value in old.items() if name not in stands or stands[name] != value}
        values = {name: value for name, value in differing.items() if name in stands and stands[name] == set_then[name]}
        left += len(values) < len(differing)
        back.setdefault(kind, []).append((pk, values))
    return [edit for kind, rows in back.items() for edit in grouped(kind, rows)], left


def _by_target(edits: Iterable[Edit]) -> dict[tuple[str, int], dict[str, Any]]:
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for edit in edits:
        for pk in edit.pks:
            found.setdefault((edit.kind, pk), {}).update(edit.values)
    return found
