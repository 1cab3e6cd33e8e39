"""How the staff's list of payments is searched, filtered and exported: each by an index, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from billing.models import Invoice, Payment, PaymentMethod
from panel.accounts.models import User
from panel.lib.date_fields import DayField, midnight
from panel.lib.digits import whole_number
from panel.lib.keyset_pagination import each_row
from panel.lib.money import format_plain

# Customers whose address begins with what is searched for, and payments that one search finds.
MAX_CUSTOMERS = 100
MAX_FOUND = 1_000
HEADER = (
    *("number", "method", "state", "waits_because", "customer", "request", "asked", "asked_currency", "came_in"),
    *("currency", "credited", "bonus", "external_id", "reference", "seen_at", "credited_at", "decided_by", "note"),
)


def found_payments(*, term: str) -> list[int]:
    """Return the payments that one word finds: an external id, a reference, a request's number, or a customer's e-mail
    address or how it begins. A few statements, each by an index.
    """
    number = whole_number(term)
    customers = list(User.objects.filter(email__startswith=term.lower()).values_list("pk", flat=True)[:MAX_CUSTOMERS])
    searches = [
        # With the methods, which the index of external ids begins with.
        Payment.objects.filter(method__in=list(PaymentMethod.objects.values_list("pk", flat=True)), external_id=term),
        Payment.objects.filter(reference=term).exclude(reference=""),
        Payment.objects.filter(deposit__customer__in=customers) if customers else None,
        Payment.objects.filter(deposit=number) if number else None,
    ]
    found = [search.order_by().values_list("pk", flat=True)[:MAX_FOUND] for search in searches if search is not None]
    return sorted({pk for pks in found for pk in pks}, reverse=True)[:MAX_FOUND]


class DaysForm(forms.Form):
    seen_from = DayField(label="From", widget=UnfoldAdminTextInputWidget(attrs={"type": "date", "aria-label": "From"}))
    seen_to = DayField(label="To", widget=UnfoldAdminTextInputWidget(attrs={"type": "date", "aria-label": "To"}))

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        since, until = data.get("seen_from"), data.get("seen_to")
        if since and until and until < since:
            self.add_error("seen_to", "This day is before the first one.")
        return data


class DaysFilter(admin.SimpleListFilter):
    """From one day to another, by when the payment was seen first."""

    title = "day"
    parameter_name = "seen_from"
    template = "admin/billing/days_filter.html"

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: type[Payment], model_admin: admin.ModelAdmin
    ) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.expected_parameters():
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def expected_parameters(self) -> list[str]:  # type: ignore[override]
        return ["seen_from", "seen_to"]

    def has_output(self) -> bool:
        return True

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return []

    def form(self) -> DaysForm:
        return DaysForm(self.used_parameters)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payment]) -> QuerySet[Payment]:
        form = self.form()
        if not form.is_valid():
            messages.warning(request, "The days to filter by could not be read, and were ignored.")
            return queryset
        since, until = form.cleaned_data.get("seen_from"), form.cleaned_data.get("seen_to")
        if since:
            queryset = queryset.filter(seen_at__gte=midnight(since))
        return queryset.filter(seen_at__lt=midnight(until) + timedelta(days=1)) if until else queryset

    def choices(self, changelist: object) -> Iterator[dict[str, object]]:  # type: ignore[override]
        yield {"form": self.form()}


def asked_of(payment: Payment) -> tuple[int, str] | None:
    """Return what the customer was asked for, and its currency ("" for the panel's); None without a request."""
    if payment.deposit is None:
        return None
    invoice: Invoice | None = getattr(payment.deposit, "invoice", None)
    return (invoice.amount, invoice.currency) if invoice else (payment.deposit.to_pay, "")


def export_rows(payments: QuerySet[Payment]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each payment, the latest first, read in chunks by key."""
    for payment in each_row(payments):
        deposit, asked = payment.deposit, asked_of(payment)
        yield (
            str(payment.pk),
            payment.method.name,
            payment.state,
            payment.hold,
            deposit.customer.email if deposit else "",
            str(deposit.pk) if deposit else "",
            format_plain(asked[0]) if asked else "",
            asked[1] if asked else "",
            format_plain(payment.came_in),
            payment.currency,
            format_plain(payment.credited),
            format_plain(payment.bonus),
            payment.external_id,
            payment.reference,
            timezone.localtime(payment.seen_at).isoformat(timespec="seconds"),
            timezone.localtime(payment.credited_at).isoformat(timespec="seconds") if payment.credited_at else "",
            payment.decided_by.email if payment.decided_by else "",
            payment.note,
        )
