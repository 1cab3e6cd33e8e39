"""Pages of the admin's long lists."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Page, Paginator

# Rows before a page from which on it is read in two steps.
DEEP = 10_000


class DeepPaginator(Paginator):
    """Reads a page far down by its keys first.

    A database counts off the rows before a page with all that is joined to them, and sorts them by it. The keys alone
    come from an index.
    """

    def page(self, number: Any) -> Page:
        number = self.validate_number(number)
        start = (number - 1) * self.per_page
        if start < DEEP:
            return super().page(number)
        rows: Any = self.object_list
        keys = list(rows.values_list("pk", flat=True)[start : start + self.per_page])
        return Page(rows.filter(pk__in=keys), number, self)
