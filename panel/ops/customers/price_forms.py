"""Forms that ask for many agreed prices of customers. Each says which prices are wanted."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from catalog.models import Category, Provider, Service
from catalog.prices.agreement_files import MAX_FILE, read_agreements
from catalog.prices.agreements import MAX_PRICES, Rule, Wanted, agreed_prices, less_percent
from catalog.prices.csv_format import FileRefused
from panel.accounts.models import User
from panel.lib.admin.fields import AmountField, PercentField
from panel.lib.digits import whole_number

MAX_CUSTOMERS = 50
MAX_LISTED = 1_000


class WantedForm(forms.Form):
    """`customer` is the one whose page it was opened from. `wanted` raises FileRefused."""

    # In words: what the page is about, its button, and what the log says.
    title = ""
    explanation = ""
    how = ""
    rule = forms.ChoiceField(
        label="If a price is agreed already",
        choices=Rule.choices,
        initial=Rule.KEEP,
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, customer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.customer = customer

    @property
    def chosen_rule(self) -> Rule:
        return Rule(self.cleaned_data.get("rule") or Rule.TAKE)

    @property
    def log_words(self) -> str:
        return self.how

    def wanted(self) -> Wanted:
        raise NotImplementedError


class CopyForm(WantedForm):
    title = "Copy prices to other customers"
    explanation = "All prices agreed with this customer are agreed with the others as well."
    customers = forms.CharField(
        label="To these customers",
        max_length=10_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5, "dir": "ltr", "spellcheck": "false"}),
        help_text=f"E-mail addresses, one a line, at most {MAX_CUSTOMERS}.",
    )
    field_order = ("customers", "rule")

    def clean_customers(self) -> list[int]:
        typed = list(dict.fromkeys(self.cleaned_data["customers"].replace(",", " ").lower().split()))
        if len(typed) > MAX_CUSTOMERS:
            raise forms.ValidationError(f"These are {len(typed)} addresses; at most {MAX_CUSTOMERS} at once.")
        found = dict(User.objects.filter(email__in=typed, closed_at=None).values_list("email", "pk"))
        if unknown := [address for address in typed if address not in found]:
            raise forms.ValidationError(f"No customer has the address {', '.join(unknown[:10])}.")
        if self.customer.pk in found.values():
            raise forms.ValidationError(f"{self.customer.email} is the customer whose prices are copied.")
        return [found[address] for address in typed]

    @property
    def log_words(self) -> str:
        return f"Prices were copied from {self.customer.email}"

    def wanted(self) -> Wanted:
        prices, customers = agreed_prices(customer_id=self.customer.pk), self.cleaned_data["customers"]
        if not prices:
            raise FileRefused(["No price is agreed with this customer, so there is nothing to copy."])
        if len(prices) * len(customers) > MAX_PRICES:
            raise FileRefused([f"These would be more than {MAX_PRICES:,} prices at once. Choose fewer customers."])
        return dict.fromkeys(customers, prices)


class SetForm(WantedForm):
    title = "Set prices of many services"
    explanation = "For all services on sale of a category or provider, or for the services that you list."
    how = "Prices were set for many services"
    category = forms.ModelChoiceField(
        Category.objects.order_by("position", "name"), required=False, widget=UnfoldAdminSelectWidget
    )
    provider = forms.ModelChoiceField(Provider.objects.order_by("name"), required=False, widget=UnfoldAdminSelectWidget)
    services = forms.CharField(
        label="Numbers of services",
        required=False,
        max_length=10_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=f"With spaces or commas between them, at most {MAX_LISTED:,}.",
    )
    off_bp = PercentField(
        label="Percent off the list price",
        required=False,
        help_text="Rounded up to the price step. The price stays when the list price moves later.",
    )
    price = AmountField(label="Or one price for each", required=False, help_text="Of 1000, or of a package.")
    field_order = ("category", "provider", "services", "off_bp", "price", "rule")

    def clean_services(self) -> list[int]:
        numbers = [whole_number(one) for one in self.cleaned_data["services"].replace(",", " ").split()]
        if len(numbers) > MAX_LISTED:
            raise forms.ValidationError(f"These are {len(numbers):,} numbers; at most {MAX_LISTED:,} at once.")
        known = set(Service.objects.filter(pk__in=[one for one in numbers if one]).values_list("pk", flat=True))
        wrong = [text for text, one in zip(self._typed(), numbers, strict=True) if one not in known]
        if wrong:
            raise forms.ValidationError(f"There is no service {', '.join(wrong[:10])}.")
        return sorted(known)

    def _typed(self) -> list[str]:
        typed: str = self.cleaned_data["services"]
        return typed.replace(",", " ").split()

    def clean_off_bp(self) -> int | None:
        off: int | None = self.cleaned_data["off_bp"]
        if off is not None and not 0 < off < 10_000:
            raise forms.ValidationError("Enter a percentage above 0 and below 100.")
        return off

    def clean_price(self) -> int | None:
        price: int | None = self.cleaned_data["price"]
        if price == 0:
            raise forms.ValidationError("Enter a price above zero.")
        return price

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        if sum(bool(data.get(name)) for name in ("category", "provider", "services")) != 1:
            raise forms.ValidationError("Choose a category, or a provider, or list services: one of them.")
        if (data.get("off_bp") is None) == (data.get("price") is None):
            raise forms.ValidationError("Enter either a percentage or a price.")
        return data

    def wanted(self) -> Wanted:
        data = self.cleaned_data
        services = Service.objects.filter(price__gt=0).order_by("pk").only("price")
        if data["services"]:
            services = services.filter(pk__in=data["services"])
        elif data["category"]:
            services = services.filter(category=data["category"], is_on_sale=True)
        else:
            services = services.filter(upstream__provider=data["provider"], is_on_sale=True)
        chosen = list(services[: MAX_PRICES + 1])
        if not chosen:
            raise FileRefused(["None of these services has a price. Nothing can be agreed for them."])
        if len(chosen) > MAX_PRICES:
            raise FileRefused([f"These are more than {MAX_PRICES:,} services at once. Choose fewer."])
        if data["price"] is not None:
            return {self.customer.pk: {one.pk: data["price"] for one in chosen}}
        return {self.customer.pk: less_percent(services=chosen, off_bp=data["off_bp"])}


class ImportForm(WantedForm):
    title = "Import prices from a file"
    explanation = (
        "Export the list, change it in a spreadsheet, and bring it back. Read are the columns “service” and “agreed "
        "price”, with a decimal point; a row without a price is left alone, and prices that the file lacks stay."
    )
    how = "Prices were imported from a file"
    rule = None  # type: ignore[assignment]
    file = forms.FileField(label="CSV file", required=False, widget=UnfoldAdminFileFieldWidget)
    # What the file said, once it was read: a browser sends no file again.
    text = forms.CharField(required=False, max_length=200_000, widget=forms.HiddenInput)

    def clean_file(self) -> UploadedFile | None:
        file: UploadedFile | None = self.cleaned_data["file"]
        if file and (file.size or 0) > MAX_FILE:
            raise forms.ValidationError("The file is larger than 2 MB. Split it. Nothing was changed.")
        if not file and not self.data.get("text"):
            raise forms.ValidationError("Choose a file.")
        return file

    def wanted(self) -> Wanted:
        file = self.cleaned_data["file"]
        data = file.read() if file else self.cleaned_data["text"].encode()
        return {self.customer.pk: read_agreements(data)}
