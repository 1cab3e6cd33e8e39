"""Filters of the customer's list of orders, and the index that each list is read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet, TextChoices
from django.http import QueryDict
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.checkout.links import MAX_LINK
from orders.models import Order
from orders.selectors import orders_of
from orders.states import Status
from orders.web.order_search import MAX_NUMBERS, Found, NotNumbers, find_orders, read_numbers
from panel.accounts.models import User
from panel.lib.date_fields import DayField, check_days, midnight
from panel.lib.keyset_pagination import name_the_few

# Names in the query string.
FILTERS = ("q", "status", "service", "since", "until", "sort")


class Sort(TextChoices):
    NEWEST = "newest", _("Newest first")
    OLDEST = "oldest", _("Oldest first")
    HIGHEST = "highest", _("Highest charge")
    LOWEST = "lowest", _("Lowest charge")


class OrderFilterForm(forms.Form):
    """The filters in the list's query string. `services`: (number, name) pairs; None if there are too many."""

    q = forms.CharField(
        label=_("Search by service, link or order numbers"),
        required=False,
        max_length=MAX_LINK,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Service, link or order numbers")}),
        error_messages={
            "max_length": format_lazy(
                _("This is too long. Search for one link, or for at most {numbers} order numbers."),
                numbers=MAX_NUMBERS,
            ),
            "null_characters_not_allowed": _("This holds an invisible character. Type it again."),
        },
    )
    status = forms.CharField(required=False, widget=forms.HiddenInput)
    since = DayField(label=_("From"))
    until = DayField(label=_("To"))
    sort = forms.ChoiceField(
        label=_("Sort by"),
        required=False,
        choices=Sort.choices,
        error_messages={"invalid_choice": _("Choose one of the list.")},
    )

    def __init__(self, data: QueryDict, *, services: Sequence[tuple[int, str]] | None) -> None:
        super().__init__(data)
        self._services = dict(services or ())
        self.fields["service"] = _number_of_a_service() if services is None else _one_of(services)
        self.order_fields(FILTERS)
        for field in self.fields.values():
            field.widget.attrs["class"] = "form-select" if isinstance(field.widget, forms.Select) else "form-control"

    def clean_q(self) -> str:
        text = str(self.cleaned_data["q"])
        try:
            read_numbers(text)
        except NotNumbers as error:
            raise forms.ValidationError(str(error)) from error
        return text

    def clean_status(self) -> str:
        status = self.cleaned_data["status"]
        return status if status in Status.values else ""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        check_days(self, data)
        return data

    def label_of_service(self, service: int | None) -> str:
        """Return the service's label for a chip; "" without a service."""
        if service is None:
            return ""
        name = self._services.get(service)
        return f"{service} · {name}" if name else gettext("Service %(number)s") % {"number": service}

    def wanted(self) -> OrderFilters:
        """Return the filters; invalid fields count as empty."""
        self.is_valid()
        data = self.cleaned_data
        return OrderFilters(
            text=data.get("q", "").strip(),
            status=data.get("status", ""),
            service=data.get("service") or None,
            since=data.get("since"),
            until=data.get("until"),
            sort=Sort(data.get("sort") or Sort.NEWEST),
        )


def _one_of(services: Sequence[tuple[int, str]]) -> forms.Field:
    return forms.TypedChoiceField(
        label=_("Service"),
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", _("All services")), *((pk, f"{pk} · {name}") for pk, name in services)],
        error_messages={"invalid_choice": _("You have no orders of this service.")},
    )


def _number_of_a_service() -> forms.Field:
    return forms.IntegerField(
        label=_("Service ID"),
        required=False,
        min_value=1,
        max_value=2**62,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), _("Enter the ID of a service.")),
    )


def filters_in(query: QueryDict) -> QueryDict:
    """Return the active filters of a query string, always in one order, without its other parameters."""
    kept = QueryDict(mutable=True)
    for name in FILTERS:
        if (value := query.get(name, "")) and (name, value) != ("sort", Sort.NEWEST):
            kept[name] = value
    return kept


@dataclass(frozen=True, slots=True)
class OrderFilters:
    """The filters of a list. Days are in the site's time zone, both included."""

    text: str = ""
    status: str = ""
    service: int | None = None
    since: date | None = None
    until: date | None = None
    sort: Sort = Sort.NEWEST

    @property
    def is_narrowed(self) -> bool:
        """Return True if any filter but the status is set."""
        return bool(self.text or self.service or self.since or self.until)


@dataclass(frozen=True, slots=True)
class OrderListing:
    """Unsorted `rows`; `panel.lib.keyset_pagination` reads them by `key`. `found` is what a search found."""

    rows: QuerySet[Order]
    key: str
    descending: bool
    found: Found | None = None


def list_orders(*, customer: User, wanted: OrderFilters, services: Sequence[int] | None) -> OrderListing:
    """Return the customer's orders that match. A text takes at most five more statements.

    `services` are those that the customer ordered, None if there are too many to list.
    """
    rows = orders_of(customer=customer).order_by()
    if wanted.status:
        rows = rows.filter(status=wanted.status)
    if wanted.service:
        rows = rows.filter(service_id=wanted.service)
    if wanted.since:
        rows = rows.filter(created_at__gte=midnight(wanted.since))
    if wanted.until:
        rows = rows.filter(created_at__lt=midnight(wanted.until + timedelta(days=1)))
    # For a range of days use the index by day: the one by number would be scanned from its end.
    key = "created_at" if wanted.since or wanted.until else "pk"
    if wanted.sort in (Sort.HIGHEST, Sort.LOWEST):
        key = "charge"
    descending = wanted.sort in (Sort.NEWEST, Sort.HIGHEST)
    if not wanted.text:
        return OrderListing(name_the_few(rows) if wanted.status and key != "pk" else rows, key, descending)
    found = find_orders(customer=customer, rows=rows, text=wanted.text, services=services)
    rows = orders_of(customer=customer).order_by().filter(pk__in=found.pks)
    return OrderListing(rows, key, descending, found)
