"""Admin of the panel's margin."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.decorators import display

from catalog.admin.price_changes import PricedAdmin
from catalog.models import PriceChange, PricePolicy
from catalog.prices.floor import CHANGE_FLOOR
from catalog.prices.storage import price_policy
from panel.lib.admin.fields import AmountField, PercentField
from panel.lib.formats import percent_text


class PricePolicyForm(forms.ModelForm):
    margin_bp = PercentField(
        label="Margin in percent",
        help_text="Where neither the service, nor its category, nor its provider has a margin of its own.",
    )
    margin_fixed = AmountField(label="Fixed margin per 1000", help_text="Added to the percentage.")
    minimum_margin_bp = PercentField(
        label="Minimum margin in percent", help_text="No price falls below the cost plus this."
    )
    price_step = AmountField(label="Price step", help_text="Prices are rounded up to a multiple of it.")

    class Meta:
        model = PricePolicy
        fields = ("margin_bp", "margin_fixed", "minimum_margin_bp", "price_step")

    def clean_price_step(self) -> int:
        step: int = self.cleaned_data["price_step"]
        if not 1 <= step <= 10**9:
            raise forms.ValidationError("The step is above zero, and at most 1,000.")
        return step


@admin.register(PricePolicy)
class PricePolicyAdmin(PricedAdmin):
    """The panel's margin. Every field changes prices, so saving leads to a preview."""

    form = PricePolicyForm
    priced = ("margin_bp", "margin_fixed", "minimum_margin_bp", "price_step")
    price_kind = "panel"
    price_source = PriceChange.Source.PANEL

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return () if request.user.has_perm(CHANGE_FLOOR) else ("shown_minimum", "minimum_margin_bp")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        minimum = "minimum_margin_bp" if request.user.has_perm(CHANGE_FLOOR) else "shown_minimum"
        return ("margin_bp", "margin_fixed", minimum, "price_step")

    @display(description="Minimum margin")
    def shown_minimum(self, policy: PricePolicy) -> str:
        return f"{percent_text(policy.minimum_margin_bp)} (the owner sets it)"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return redirect(reverse("admin:catalog_pricepolicy_change", args=[price_policy().pk]))

    def response_post_save_change(self, request: HttpRequest, obj: PricePolicy) -> HttpResponse:
        return redirect(reverse("admin:catalog_pricepolicy_change", args=[obj.pk]))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
