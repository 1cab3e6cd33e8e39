"""The shared look of every list: its markup, and columns that most lists use."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import django_tables2 as tables
from django.utils.translation import gettext_lazy as _

from panel.lib.templatetags import display


class BaseTable(tables.Table):
    """A list. The first column identifies the row: on a phone it becomes the title of a stacked row."""

    class Meta:
        template_name = "tables/table.html"
        attrs = {"class": "list"}
        orderable = False
        empty_text = _("Nothing to show.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for column in self.columns:
            # Once: each cell repeats its column's name.
            column.column.verbose_name = str(column.column.verbose_name or column.name)

    def get_column_class_names(self, classes_set: set[str], bound_column: tables.columns.BoundColumn) -> set[str]:
        """Add `col-<name>` and the column's `look`, which the style sheets refer to."""
        names = super().get_column_class_names(classes_set, bound_column)
        look = getattr(bound_column.column, "look", "")
        return names | {f"col-{bound_column.name}"} | ({look} if look else set())


class MoneyColumn(tables.Column):
    """An amount in micro-units, end-aligned. `signed` adds the direction, "+$5.00"."""

    look = "is-number"

    def __init__(self, *args: Any, signed: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.signed = signed

    def render(self, value: int) -> str:
        return display.signed_money(value) if self.signed else display.money(value)


class AgoColumn(tables.Column):
    """A moment: "5 min ago"."""

    look = "is-quiet"

    def render(self, value: datetime) -> str:
        return display.ago(value)


class LinkTextColumn(tables.Column):
    """A customer's link, shortened in the middle. Plain text, not a link to click."""

    look = "is-quiet"

    def render(self, value: str) -> str:
        return display.middle(value, 28)
