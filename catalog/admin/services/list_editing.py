"""Edit services in the list: only what a person edited is set, and one page is one price change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django import forms
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from catalog.models import Category, Service
from catalog.prices.edits import Values
from catalog.prices.rules import Margin, Terms, margin_for, margin_share
from catalog.prices.storage import sold_of
from catalog.service_types import is_sellable
from panel.lib.admin.base import shown_money
from panel.lib.admin.fields import PercentField
from panel.lib.digits import whole_number
from panel.lib.formats import percent_text

# Services on a page. Many more would exceed Django's limit of form fields.
ROWS = 50
HIGHEST_POSITION = 1_000_000
# Id of the one list of category names that all rows share: a select in each row would mean 24,000 options.
NAMES_LIST = "service-categories"


# -- words ---------------------------------------------------------------------------------------------


def margin_now(service: Service, terms: Terms) -> Margin:
    """Return the margin used for the price, and the level that set it."""
    return margin_for(sold_of(service), terms)


def margin_words(service: Service, terms: Terms) -> SafeString:
    """Return the profit per 1000, in percent and money, and the level that set it."""
    level = margin_now(service, terms).level
    origin = "its own" if level == "service" else f"from {level}"
    if not service.price:
        return format_html('<span class="service-note">{}</span>', f"no price · {origin}")
    earned = service.price - service.cost
    share = percent_text(margin_share(cost=service.cost, price=service.price))
    if earned <= 0:
        word = "loss" if earned < 0 else "earns nothing"
        css_class = "font-semibold text-red-700 dark:text-red-400"
        money = format_html('<span class="{}">{} · {} {}</span>', css_class, share, shown_money(earned), word)
    else:
        money = format_html('<span class="text-important">{} · {}</span>', share, shown_money(earned))
    return format_html('<span class="service-note">{} <span>{}</span></span>', money, origin)


# -- the form ------------------------------------------------------------------------------------------


class Cell(NamedTuple):
    """A table cell. `label` is its column's name, for narrow screens."""

    name: str
    label: str
    html: SafeString | str
    errors: Iterable[Any] = ()


class CategoryField(forms.CharField):
    """The name of a category, typed or chosen."""

    names: Mapping[str, int] = {}

    def clean(self, value: object) -> int:
        name = _plain(str(super().clean(value)))
        if name in self.names:
            return self.names[name]
        alike = {pk for other, pk in self.names.items() if other.casefold() == name.casefold()}
        if len(alike) != 1:
            raise forms.ValidationError("No category has this name. Choose one of the list.")
        return alike.pop()


def _plain(name: str) -> str:
    return " ".join(name.split())


class RowForm(forms.Form):
    """One service of the list. It saves nothing: `touched` returns what to set."""

    id = forms.IntegerField(widget=forms.HiddenInput)
    category = CategoryField(show_hidden_initial=True, max_length=200)
    is_on_sale = forms.BooleanField(required=False, show_hidden_initial=True)
    position = forms.IntegerField(min_value=0, max_value=HIGHEST_POSITION, show_hidden_initial=True)
    margin_bp = PercentField(required=False, show_hidden_initial=True)

    def __init__(self, *args: Any, service: Service | None, names: Mapping[str, int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.service = service
        # Fields that another wrote since the list was opened, with their values now, as text.
        self.conflicts: dict[str, str] = {}
        self.fields["category"].names = names  # type: ignore[attr-defined]

    def full_clean(self) -> None:
        super().full_clean()
        # Ignore errors of unedited fields: the category may have been renamed since the page was opened.
        for name in set(self.errors) & set(self.fields) - {"id", *self.changed_data}:
            del self.errors[name]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.service is None:
            raise forms.ValidationError("This service does not exist any more.")
        if "is_on_sale" in self.changed_data and data.get("is_on_sale"):
            if not is_sellable(self.service.upstream.type):
                self.add_error("is_on_sale", "Its type cannot be ordered here.")
            elif not self.service.price and not {"margin_bp", "category"} & set(self.changed_data):
                self.add_error("is_on_sale", "It has no valid price.")
        self._find_conflicts()
        return data

    def _find_conflicts(self) -> None:
        """Refuse fields that another wrote since the list was opened. Sent again, they are saved over it."""
        stored = _shown(self.service) if self.service else {}
        edited = [name for name in self.changed_data if name in self.cleaned_data and name != "id"]
        for name in edited:
            now = self.fields[name].prepare_value(stored[name])
            text, shown = "" if now is None else str(now), self.data.get(self.add_initial_prefix(name))
            if shown not in (None, text) and self.fields[name].has_changed(now, self[name].data):
                self.conflicts[name] = text
                words = {"True": "On sale", "False": "Off sale", "": "Empty"}
                self.add_error(name, f"{words.get(text, f'“{text}”')} now")
        if self.conflicts:
            again = "Look at its marked fields, and save again to put yours in their place."
            self.add_error(None, f"Somebody changed this service since you opened the list. {again}")

    def touched(self) -> dict[str, Any]:
        """Return what the person edited and differs from the stored values, by column."""
        columns = {"category": "category_id"}
        chosen = {
            columns.get(name, name): self.cleaned_data[name]
            for name in self.changed_data
            if name != "id" and name in self.cleaned_data
        }
        return {column: value for column, value in chosen.items() if value != getattr(self.service, column)}

    # Inputs are written as plain HTML: two hundred widgets with templates take half a second.

    def cell(self, name: str, label: str, terms: Terms) -> Cell:
        """Return the field `name` as an input, with the value it first showed beside it."""
        bound = self[name]
        value = bound.value()
        errors: Iterable[Any] = bound.errors if self.is_bound else ()
        first = self.conflicts.get(name, self.data.get(bound.html_initial_name, "")) if self.is_bound else value
        invalid = "true" if errors else "false"
        if name == "is_on_sale":
            html = format_html(
                '<input type="checkbox" name="{}" class="service-check" aria-label="On sale" aria-invalid="{}"{}>',
                bound.html_name,
                invalid,
                mark_checked(bool(value)),
            )
        else:
            html = format_html(
                '<input type="text" name="{}" value="{}" title="{}" class="service-input" aria-label="{}"'
                ' aria-invalid="{}" autocomplete="off" {}>',
                bound.html_name,
                "" if value is None else value,
                (value or "") if name == "category" else "",
                label,
                invalid,
                self._extra(name, terms),
            )
        if name == "margin_bp" and self.service is not None:
            html = format_html("{}{}", html, margin_words(self.service, terms))
        shown = "" if first is None else first
        hidden = format_html('<input type="hidden" name="{}" value="{}">', bound.html_initial_name, shown)
        return Cell(name, label, format_html("{}{}", html, hidden), errors)

    def _extra(self, name: str, terms: Terms) -> SafeString:
        if name == "category":
            return format_html('list="{}"', NAMES_LIST)
        if name == "margin_bp" and self.service is not None:
            return format_html('inputmode="decimal" placeholder="{}"', inherited_percent(self.service, terms))
        return format_html('inputmode="{}"', "numeric")


def mark_checked(is_checked: bool) -> str:
    return " checked" if is_checked else ""


def inherited_percent(service: Service, terms: Terms) -> str:
    """Return the percentage that applies if the field is empty."""
    if service.margin_fixed is not None:
        return "0"  # A service with its own fixed margin inherits nothing.
    return PercentField().show(margin_for(sold_of(service)._replace(margin_bp=None), terms).bp)


class RowFormSet(forms.BaseFormSet):
    """The rows of a page."""

    form = RowForm
    extra = 0
    min_num = 0
    max_num = absolute_max = ROWS
    validate_min = validate_max = can_order = can_delete = can_delete_extra = False
    edit_only = True
    renderer = forms.renderers.get_default_renderer()

    def __init__(self, data: Any = None, files: Any = None, *, queryset: Iterable[Service]) -> None:
        self.services: list[Service] = list(queryset)
        self.by_pk = {str(service.pk): service for service in self.services}
        self.names = {_plain(name): pk for pk, name in Category.objects.order_by("-pk").values_list("pk", "name")}
        initial = None if data is not None else [_shown(service) for service in self.services]
        super().__init__(data, files, initial=initial)

    def get_form_kwargs(self, index: int | None) -> dict[str, object]:
        service: Service | None = None
        if not self.is_bound and index is not None:
            service = self.services[index]
        elif index is not None:
            service = self.by_pk.get(self.data.get(f"{self.add_prefix(index)}-id", ""))
        return {"service": service, "names": self.names, "empty_permitted": False}


def _shown(service: Service) -> dict[str, object]:
    return {
        "id": service.pk,
        "category": service.category.name,
        "is_on_sale": service.is_on_sale,
        "position": service.position,
        "margin_bp": service.margin_bp,
    }


def posted_pks(request: HttpRequest) -> list[int]:
    """Return the primary keys of the services on a submitted page, in its order."""
    prefix = RowFormSet.get_default_prefix()
    sent = (request.POST.get(f"{prefix}-{index}-id", "") for index in range(ROWS))
    return [pk for pk in map(whole_number, sent) if pk is not None]


# -- saving --------------------------------------------------------------------------------------------


def split_touched(forms_sent: Sequence[RowForm]) -> tuple[dict[int, dict[str, Any]], dict[int, int]]:
    """Return the values that change prices by service, and the new positions by service."""
    priced: dict[int, dict[str, Any]] = {}
    positions: dict[int, int] = {}
    for form in forms_sent:
        values = form.touched()
        pk = form.cleaned_data["id"]
        if "position" in values:
            positions[pk] = values.pop("position")
        if values:
            priced[pk] = values
    return priced, positions


def summary_of(priced: Mapping[int, Values]) -> str:
    """Return a summary such as "Services in the list: margin of 3, on sale of 1"."""
    words = {"margin_bp": "margin", "category_id": "category", "is_on_sale": "on sale or not"}
    counts = {word: sum(column in values for values in priced.values()) for column, word in words.items()}
    return "Services in the list: " + ", ".join(f"{word} of {count:,}" for word, count in counts.items() if count)


def is_save(request: HttpRequest) -> bool:
    """Return True if the rows of the list were submitted, not an action on a selection."""
    return request.method == "POST" and "_save" in request.POST
