"""Pages by number, of lists of the admin that are short enough for them."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Page, Paginator

# Rows before a page from which on it is read in two steps.
DEEP = 10_000
_BY_KEY = (("pk",), ("-pk",))


class DeepPaginator(Paginator):
    """Reads a page by its keys first, if it is far down or not in the order of the keys.

    A database counts off the rows before a page with all that is joined to them, and sorts them by it. The keys alone
    come from an index, or are sorted in memory.
    """

    def page(self, number: Any) -> Page:
        number = self.validate_number(number)
        start = (number - 1) * self.per_page
        rows: Any = self.object_list
        if start < DEEP and tuple(rows.query.order_by) in _BY_KEY:
            return super().page(number)
        keys = list(rows.values_list("pk", flat=True)[start : start + self.per_page])
        return Page(rows.filter(pk__in=keys), number, self)
