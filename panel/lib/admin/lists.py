"""Long lists of the admin, at the same speed however many rows there are: pages by key, and counts up to a limit."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.views.main import ORDER_VAR
from django.core.paginator import Paginator
from django.db.models import DateField, QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest
from unfold.views import ChangeList

from panel.lib.admin.searches import name_rows
from panel.lib.keyset_pagination import KeysetPage
from panel.lib.ordered_pages import page_in_order
from panel.lib.time_limit import TookTooLong, time_limit

ROWS = 50
# Above this a list says "1,000+": counting a million rows takes a fifth of a second.
MAX_COUNTED = 1_000
PLACES = ("after", "before")
# Milliseconds that one statement of a list may take: what takes longer looks through all rows for a few.
MAX_STATEMENT = 2_000


class LongChangeList(ChangeList):
    """Reads a page by key, and counts no further than MAX_COUNTED."""

    took_too_long = "What you search or filter by is in too few of too many rows, so the list was stopped. Narrow it."
    keyset: KeysetPage[Any]
    places: dict[str, str]

    def get_queryset(self, request: HttpRequest, **kwargs: Any) -> QuerySet[Any]:
        # No link and no form of the list leads on from the place: filters and searches begin with the first page.
        self.places = {name: self.params.pop(name, "") for name in PLACES}
        for name in PLACES:
            self.filter_params.pop(name, None)
        return super().get_queryset(request, **kwargs)

    def get_ordering_field(self, field_name: Any) -> Any:
        if self.sortable_by is not None and field_name not in self.sortable_by:
            return None
        return super().get_ordering_field(field_name)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the list's own order or that of one column, in one direction: an index gives no other."""
        ordering: list[Any] = super().get_ordering(request, queryset)
        terms: list[Any] = []
        for term in ordering:
            if term in ("pk", "-pk"):
                break
            if term not in terms:
                terms.append(term)
        if self.params.get(ORDER_VAR):
            terms = terms[:1]
        return [*terms, "-pk" if _descends(ordering[0]) else "pk"]

    def get_results(self, request: HttpRequest) -> None:
        try:
            with time_limit(milliseconds=MAX_STATEMENT):
                rows, self.counted = self.counted_rows()
                self.keyset = page_in_order(rows, params=self.places, size=self.list_per_page)
        except TookTooLong:
            messages.warning(request, self.took_too_long)
            self.keyset, self.counted = KeysetPage([], None, None), 0
        self.result_list = self.keyset.rows
        # The header counts again where these differ.
        self.result_count = self.full_result_count = self.counted
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.result_list)
        self.can_show_all = self.show_all = False
        self.page_num = 1
        self.multi_page = not self.keyset.is_only
        self.paginator = Paginator(self.result_list, self.list_per_page)
        self.paginator.template_name = "admin/_keyset_pages.html"  # type: ignore[attr-defined]

    def counted_rows(self) -> tuple[QuerySet[Any], int]:
        """Return the rows to page through, and how many there are, MAX_COUNTED + 1 at most."""
        if self.query or self.get_filters_params():
            return name_rows(self.queryset, most=MAX_COUNTED)
        return self.queryset, count_up_to(self.queryset)

    # -- what the templates show -----------------------------------------------------------------------

    @property
    def is_capped(self) -> bool:
        return self.counted > MAX_COUNTED

    @property
    def shown_count(self) -> str:
        return count_text(self.counted)

    @property
    def page_words(self) -> tuple[str, str]:
        """Return the words of the links to the page before and the one after."""
        first = self.queryset.query.order_by[0]
        name = first.removeprefix("-") if isinstance(first, str) else ""
        is_by_time = name == "pk" or (name and isinstance(_field_of(self.model, name), DateField))
        if not is_by_time:
            return "Previous", "Next"
        return ("Newer", "Older") if _descends(first) else ("Older", "Newer")

    @property
    def first_page(self) -> str:
        return self.get_query_string() if self.keyset.previous else ""

    @property
    def previous_page(self) -> str:
        return self._page(self.keyset.previous)

    @property
    def next_page(self) -> str:
        return self._page(self.keyset.next)

    def _page(self, place: tuple[str, str] | None) -> str:
        return self.get_query_string({place[0]: place[1]}) if place else ""


def count_up_to(rows: QuerySet[Any]) -> int:
    """Return how many there are, MAX_COUNTED + 1 at most."""
    return int(rows.order_by().values("pk")[: MAX_COUNTED + 1].count())


def count_text(count: int) -> str:
    return f"{MAX_COUNTED:,}+" if count > MAX_COUNTED else f"{count:,}"


def _descends(term: Any) -> bool:
    if isinstance(term, str):
        return term.startswith("-")
    return isinstance(term, OrderBy) and bool(term.descending)


def _field_of(model: Any, name: str) -> Any:
    return next((field for field in model._meta.concrete_fields if field.name == name), None)
