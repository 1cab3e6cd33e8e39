"""Table rows of a price change: what it set, and the services that would earn least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from catalog.admin.shared import LABELS, category_names, shown_setting
from catalog.models import PriceChange, Provider
from catalog.prices.changes import MODELS
from catalog.prices.edits import load_edits
from catalog.prices.previews import Effect, Preview
from panel.lib.formats import percent_text

# Rows of settings shown on the page of a change.
MAX_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of what a change set: target, column, and the values in words."""

    target: str
    label: str
    before: str
    after: str


def settings_of(change: PriceChange) -> tuple[list[Setting], int]:
    """Return the first MAX_SHOWN settings of an applied change, and the number of the others."""
    was = {
        (edit.kind, pk, column): value
        for edit in load_edits(change.before)
        for pk in edit.pks
        for column, value in edit.values.items()
    }
    lines = [
        (edit.kind, pk, column, value)
        for edit in load_edits(change.edits)
        for pk in edit.pks
        for column, value in edit.values.items()
    ]
    shown = [line for line in lines if line[:3] in was][:MAX_SHOWN]
    names: dict[tuple[str, int], str] = {}
    for kind in {line[0] for line in shown}:
        found = MODELS[kind]._default_manager.in_bulk([line[1] for line in shown if line[0] == kind])
        names.update({(kind, int(pk)): str(row) for pk, row in found.items()})
    categories = category_names([*({column: value} for *_, column, value in shown), *_values(was, shown)])
    rows = [
        Setting(
            target=names.get((kind, pk), f"a {kind} that is gone"),
            label=LABELS[column],
            before=shown_setting(column, was[kind, pk, column], categories),
            after=shown_setting(column, value, categories),
        )
        for kind, pk, column, value in shown
    ]
    return rows, len(lines) - len(rows)


def _values(was: dict[tuple[str, int, str], Any], shown: list[tuple[str, int, str, Any]]) -> list[dict[str, Any]]:
    return [{line[2]: was[line[:3]]} for line in shown]


@dataclass(frozen=True, slots=True)
class WorstRow:
    """A row of the services that would earn least."""

    effect: Effect
    provider: str
    margin: str
    warning: str


def worst_rows(preview: Preview) -> list[WorstRow]:
    """Return the ten services that would earn least, in words."""
    worst = preview.worst
    names = Provider.objects.in_bulk([one.after.provider_id for one in worst])
    return [
        WorstRow(
            effect=one,
            provider=str(names[one.after.provider_id]),
            margin=f"{percent_text(one.share_before)} → {percent_text(one.share_after)}",
            warning="" if not one.earns_nothing else "earns nothing" if one.after.price else "no valid price",
        )
        for one in worst
    ]
