"""The table of services: its rows, and the text of its cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.templatetags.unfold_list import result_headers
from unfold.views import ChangeList

from catalog.admin.services.filters import margin_share_in_sql, problems_of
from catalog.admin.services.list_editing import NAMES_LIST, Cell, RowForm
from catalog.link_kinds import LinkKind
from catalog.models import Service, ServiceFigures
from catalog.prices.rules import PanelTerms
from catalog.prices.storage import read_terms
from panel.lib.admin.base import shown_money
from panel.lib.money import format_money

LOSS = "font-semibold text-red-700 dark:text-red-400"


class ServiceChangeList(ChangeList):
    """One page of the list, with the data that its cells need."""

    def get_queryset(self, request: HttpRequest, **kwargs: Any) -> QuerySet[Service]:
        # Descriptions are long, and no cell shows them.
        return super().get_queryset(request, **kwargs).defer("description", "upstream__description")

    def get_ordering_field(self, field_name: str) -> object:
        return margin_share_in_sql() if field_name == "margin_bp" else super().get_ordering_field(field_name)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.terms = read_terms()
        for service in self.result_list:
            service.terms = self.terms

    @property
    def names_list(self) -> str:
        return NAMES_LIST

    @property
    def category_names(self) -> list[str]:
        """Return category names for the inputs of an editable page."""
        return sorted(self.formset.names) if self.formset else []

    @cached_property
    def headers(self) -> list[dict[str, object]]:
        return list(result_headers(self))

    def rows(self) -> Iterator[tuple[Service | None, RowForm | None, list[Cell]]]:
        """Yield the rows. After an error, they are the submitted ones, even if the list changed meanwhile."""
        pairs = [(service, None) for service in self.result_list]
        if self.formset:
            pairs = [(form.service, form) for form in self.formset.forms]
        for service, form in pairs:
            yield service, form, [] if service is None else list(self._cells(service, form))

    def _cells(self, service: Service, form: RowForm | None) -> Iterator[Cell]:
        for name, header in zip(self.list_display, self.headers, strict=True):
            label = capfirst(str(header["text"]))
            if name == "action_checkbox":
                continue
            if form is not None and name in form.fields:
                yield form.cell(name, label, self.terms)
            elif name == "service":
                url = add_preserved_filters(
                    {"preserved_filters": self.preserved_filters, "opts": self.opts}, self.url_for_result(service)
                )
                yield Cell(name, label, service_words(service, self.terms.panel, url))
            else:
                method = getattr(self.model_admin, name, None)
                yield Cell(name, label, method(service) if method else str(getattr(service, name)))


# -- words ---------------------------------------------------------------------------------------------


def service_words(service: Service, panel: PanelTerms, url: str) -> SafeString:
    """Return the name of a service, its provider, what was set of its link, and its worst problem."""
    upstream = service.upstream
    problems = problems_of(service, panel)
    problem = format_html('<span class="service-problem">{}</span>', problems[0].label) if problems else ""
    return format_html(
        '<a href="{}" class="service-name text-important" title="{}">{}</a>'
        '<span class="service-from" title="{}">#{} · {} {}{}</span>{}',
        url,
        service.name,
        service.name,
        f"{upstream.provider.name}, number {upstream.external_id} there",
        service.pk,
        upstream.provider.name,
        upstream.external_id,
        _link_words(service),
        problem,
    )


def _link_words(service: Service) -> str:
    kind = f" · {LinkKind(service.link_kind).label.lower()}" if service.link_kind in LinkKind.values else ""
    return f"{kind} · one at a time" if service.one_at_a_time else kind


def amount(micros: int | None, css_class: str = "", *, exact: bool = True) -> SafeString:
    """Return money for a number cell; if not `exact`, the exact amount is shown on hover."""
    whole = shown_money(micros)
    shown = whole if exact or micros is None else format_money(micros, settings.PANEL_CURRENCY)
    return format_html('<span class="service-number {}" title="{}">{}</span>', css_class, whole, shown)


def orders_words(figures: ServiceFigures | None) -> SafeString | str:
    """Return the number of orders, the share completed, and how long they took."""
    if figures is None or not figures.orders:
        return "—"
    share = f"{figures.completed * 100 // figures.ended}% done" if figures.ended else "none ended"
    return format_html(
        '<span class="service-number text-important">{}</span><span class="service-note"><span>{}</span>{}</span>',
        f"{figures.orders:,}",
        share,
        "" if figures.seconds is None else format_html(" <span>~{}</span>", duration_words(figures.seconds)),
    )


def profit_words(figures: ServiceFigures | None) -> SafeString | str:
    """Return the profit; a loss is also marked by a word."""
    if figures is None or not figures.ended:
        return "—"
    if figures.profit < 0:
        return format_html(
            '{}<span class="service-note {}">loss</span>', amount(figures.profit, LOSS, exact=False), LOSS
        )
    return amount(figures.profit, "text-important", exact=False)


def duration_words(seconds: int) -> str:
    """Return a duration such as "45 s", "12 min", "3 h" or "2 d"."""
    for size, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:,} {word}"
    return f"{seconds} s"
