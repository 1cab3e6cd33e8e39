"""Actions on a selection of services, up to all ten thousand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget

from catalog.admin.price_changes import show_or_apply
from catalog.admin.shared import describe_margin
from catalog.link_kinds import LinkKind
from catalog.models import Category, PriceChange, Service
from catalog.prices.edits import Edit, Values
from catalog.service_types import SPECS
from panel.lib.admin.base import ModelAdmin
from panel.lib.admin.fields import AmountField, PercentField
from panel.lib.admin.questions import MAX_UNASKED, Question, asks_first

# Maximum services in a selection.
MAX_SELECTED = 100_000


class ServiceSelectionForm(forms.Form):
    """Primary keys in one field, because Django limits the number of fields in a form."""

    services = forms.RegexField(
        regex=r"\A[0-9]{1,18}+(?:,[0-9]{1,18}+)*+\Z", max_length=19 * MAX_SELECTED, widget=forms.HiddenInput
    )

    def clean_services(self) -> tuple[int, ...]:
        pks = sorted({int(pk) for pk in self.cleaned_data["services"].split(",")})
        if len(pks) > MAX_SELECTED:
            raise forms.ValidationError("Too many.")
        return tuple(pks)

    def values(self) -> Values:
        """Return the values to set on each service."""
        raise NotImplementedError

    def summary(self, count: str) -> str:
        """Return the summary for the history."""
        raise NotImplementedError


class MoveForm(ServiceSelectionForm):
    """Asks for a category."""

    title = "Move to a category"
    explanation = "Prices follow where the category has a margin of its own; what would change is shown first."
    button = "Move"

    category = forms.ModelChoiceField(
        Category.objects.all(), empty_label="Choose a category", widget=UnfoldAdminSelectWidget
    )

    def values(self) -> Values:
        return {"category_id": self.cleaned_data["category"].pk}

    def summary(self, count: str) -> str:
        return f"Move {count} to {self.cleaned_data['category']}"


class BulkMarginForm(ServiceSelectionForm):
    """Asks for a margin, in percent and money."""

    title = "Set the margin"
    explanation = "Each service gets this margin as its own. What would change is shown first."
    button = "Show what would change"

    margin_bp = PercentField(label="Margin in percent", required=False, help_text="Left empty, it adds nothing.")
    margin_fixed = AmountField(label="Fixed margin per 1000", required=False, help_text="Left empty, it adds nothing.")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if not self.errors and data.get("margin_bp") is None and data.get("margin_fixed") is None:
            raise forms.ValidationError(
                "Enter a percentage, an amount, or both. To inherit the margin again there is an action of its own."
            )
        return data

    def values(self) -> Values:
        return {name: self.cleaned_data[name] for name in ("margin_bp", "margin_fixed")}

    def summary(self, count: str) -> str:
        data = self.cleaned_data
        return f"Margin of {count}: {describe_margin(data['margin_bp'] or 0, data['margin_fixed'] or 0)}"


class LinkKindForm(ServiceSelectionForm):
    """Asks what customers enter as the link."""

    title = "Set what the link is"
    explanation = (
        "What customers enter is checked accordingly. Where it is guessed, whatever may be a link passes. Where you "
        "set it, all else is refused. Orders that exist stay as they are."
    )
    button = "Set"

    link_kind = forms.ChoiceField(
        label="What its link is",
        required=False,
        choices=[("", "Guessed from type, category and name"), *LinkKind.choices],
        widget=UnfoldAdminSelectWidget,
    )

    def values(self) -> Values:
        return {"link_kind": self.cleaned_data["link_kind"]}

    def summary(self, count: str) -> str:
        kind = self.cleaned_data["link_kind"]
        return f"Link of {count}: {LinkKind(kind).label.lower() if kind else 'guessed'}"


# Forms that ask for more input, by the word in their URL.
BULK: Mapping[str, type[ServiceSelectionForm]] = {
    "move": MoveForm,
    "margin": BulkMarginForm,
    "link": LinkKindForm,
}

CANNOT_SELL = Q(price=0) | ~Q(upstream__type__in=list(SPECS))


def counted(count: int) -> str:
    """Return a text such as "1 service" or "1,234 services"."""
    return f"{count:,} {'service' if count == 1 else 'services'}"


_NOUNS = ("service", "services")
_UNDO = "It can be undone under “Price changes”."


def _ask_to_sell(model_admin: Any, request: HttpRequest, queryset: QuerySet[Service]) -> Question:
    off = queryset.filter(is_on_sale=False)
    return Question(
        rows=off.exclude(CANNOT_SELL),
        nouns=_NOUNS,
        button="Put {} on sale",
        consequence="Customers can order them at once.",
        undo=_UNDO,
        left=(
            (queryset.filter(is_on_sale=True).order_by().count(), "on sale already"),
            (off.filter(CANNOT_SELL).order_by().count(), "no valid price, or a type that cannot be ordered"),
        ),
    )


def _ask_to_hide(model_admin: Any, request: HttpRequest, queryset: QuerySet[Service]) -> Question:
    return Question(
        rows=queryset.filter(is_on_sale=True),
        nouns=_NOUNS,
        button="Take {} off sale",
        consequence="Customers see them no more, and cannot order them. Orders that exist go on.",
        undo=_UNDO,
        left=((queryset.filter(is_on_sale=False).order_by().count(), "off sale already"),),
        is_dangerous=True,
    )


def _ask_to_inherit(model_admin: Any, request: HttpRequest, queryset: QuerySet[Service]) -> Question:
    inherits = Q(margin_bp=None, margin_fixed=None)
    return Question(
        rows=queryset.exclude(inherits),
        nouns=_NOUNS,
        button="Let {} inherit their margin",
        consequence="Where a price would change, it is shown first.",
        undo=_UNDO,
        left=((queryset.filter(inherits).order_by().count(), "inheriting already"),),
    )


def _ask_about_links(one_at_a_time: bool) -> Callable[[Any, HttpRequest, QuerySet[Service]], Question]:
    def question(model_admin: Any, request: HttpRequest, queryset: QuerySet[Service]) -> Question:
        same = queryset.filter(one_at_a_time=one_at_a_time).order_by().count()
        return Question(
            rows=queryset.filter(one_at_a_time=not one_at_a_time),
            nouns=_NOUNS,
            button="Let links wait at {}" if one_at_a_time else "Let links run at {}",
            consequence=(
                "Of each link one order at a time is sent."
                if one_at_a_time
                else "Orders of one link are sent all at once."
            ),
            undo=_UNDO,
            left=((same, "set so already"),),
        )

    return question


class ServiceActions(ModelAdmin):
    """Actions of the list. All changes go through `show_or_apply`, which keeps the history."""

    actions: Any = (
        "put_on_sale",
        "take_off_sale",
        "move",
        "set_margin",
        "inherit_margin",
        "set_link_kind",
        "let_links_wait",
        "let_links_run",
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.bulk_view)
        return [path("bulk/<slug:what>/", view, name="catalog_service_bulk"), *super().get_urls()]

    @action(description="Put on sale", permissions=["change"])
    @asks_first(_ask_to_sell, above=MAX_UNASKED)
    def put_on_sale(self, request: HttpRequest, queryset: QuerySet[Service]) -> HttpResponse | None:
        off = queryset.filter(is_on_sale=False).exclude(CANNOT_SELL)
        return self._set(request, off, {"is_on_sale": True}, "Put {} on sale")

    @action(description="Take off sale", permissions=["change"])
    @asks_first(_ask_to_hide, above=MAX_UNASKED)
    def take_off_sale(self, request: HttpRequest, queryset: QuerySet[Service]) -> HttpResponse | None:
        return self._set(request, queryset.filter(is_on_sale=True), {"is_on_sale": False}, "Take {} off sale")

    @action(description="Move to a category", permissions=["change"])
    def move(self, request: HttpRequest, queryset: QuerySet[Service]) -> HttpResponse:
        return self._ask(request, queryset, "move")

    @action(description="Set the margin", permissions=["change"])
    def set_margin(self, request: HttpRequest, queryset: QuerySet[Service]) -> HttpResponse:
        return self._ask(request, queryset, "margin")

    @action(description="Reset to the inherited margin", permissions=["change"])
    @asks_first(_ask_to_inherit, above=MAX_UNASKED)
    def inherit_margin(self, request: HttpRequest, queryset: QuerySet[Service]) -> HttpResponse | None:
        own = queryset.exclude(margin_bp=None, margin_fixed=None)
        return self._set(request, own, {"margin_bp": None, "margin_fixed": None}, "Inherited margin for {}")

    @action(description="Set what the link is", permissions=["change"])
    def set_link_kind(self, request: HttpRequest, queryset: QuerySet[Service]) -> HttpResponse:
        return self._ask(request, queryset, "link")

    @action(description="One order of a link at a time", permissions=["change"])
    @asks_first(_ask_about_links(True), above=MAX_UNASKED)
    def let_links_wait(self, request: HttpRequest, queryset: QuerySet[Service]) -> HttpResponse | None:
        return self._set(request, queryset.filter(one_at_a_time=False), {"one_at_a_time": True}, "One at a time for {}")

    @action(description="Orders of a link all at once", permissions=["change"])
    @asks_first(_ask_about_links(False), above=MAX_UNASKED)
    def let_links_run(self, request: HttpRequest, queryset: QuerySet[Service]) -> HttpResponse | None:
        return self._set(request, queryset.filter(one_at_a_time=True), {"one_at_a_time": False}, "All at once for {}")

    def _set(
        self, request: HttpRequest, services: QuerySet[Service], values: Values, summary: str
    ) -> HttpResponse | None:
        pks = _pks(services)
        if not pks:
            messages.info(request, "None of these services would change by that. Nothing was done.")
            return None
        return _hand_over(request, pks, values, summary.format(counted(len(pks))), request.get_full_path())

    def _ask(self, request: HttpRequest, services: QuerySet[Service], what: str) -> HttpResponse:
        pks = _pks(services)
        return self._page(request, what, BULK[what](initial={"services": ",".join(map(str, pks))}), len(pks))

    def _page(self, request: HttpRequest, what: str, form: ServiceSelectionForm, count: int) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        context = {
            **self.admin_site.each_context(request),
            "title": form.title,  # type: ignore[attr-defined]
            "opts": self.opts,
            "count": counted(count),
            "form": form,
            "action": f"{reverse('admin:catalog_service_bulk', args=[what])}?{query}",
            "back": self._list_of(request),
        }
        return TemplateResponse(request, "admin/catalog/service_bulk.html", context)

    def bulk_view(self, request: HttpRequest, what: str) -> HttpResponse:
        """Handle the form of an action. Sending it twice leads to the same preview twice."""
        if what not in BULK:
            raise Http404
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = BULK[what](request.POST)
        valid = form.is_valid()
        if "services" in form.errors:
            messages.error(request, "The selection could not be read. Nothing was changed; select the services again.")
            return redirect(self._list_of(request))
        pks: tuple[int, ...] = form.cleaned_data["services"]
        if not valid:
            return self._page(request, what, form, len(pks))
        return _hand_over(request, pks, form.values(), form.summary(counted(len(pks))), self._list_of(request))

    def _list_of(self, request: HttpRequest) -> str:
        """Return the URL of the list with its filters."""
        return f"{reverse('admin:catalog_service_changelist')}?{request.META.get('QUERY_STRING', '')}"


def _pks(services: QuerySet[Service]) -> tuple[int, ...]:
    return tuple(services.order_by("pk").values_list("pk", flat=True))


def _hand_over(request: HttpRequest, pks: tuple[int, ...], values: Values, summary: str, back: str) -> HttpResponse:
    edits = [Edit("service", pks, values)]
    return show_or_apply(request=request, edits=edits, source=PriceChange.Source.LIST, summary=summary, back=back)
