"""Coupons in the admin: made and ended here, never deleted once a deposit had one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from billing.admin.methods import BonusField
from billing.models import Coupon, PaymentMethod
from billing.promotions.coupons import clean_code
from panel.lib.admin.base import AsksAgain, ModelAdmin, shown_money
from panel.lib.admin.fields import AmountField
from panel.lib.formats import percent_text


class CouponForm(forms.ModelForm):
    bonus_bp = BonusField(label="Percent on top", required=False, help_text="Of what comes in. Or an amount below.")
    amount = AmountField(label="Or an amount on top", required=False, help_text="Once for the deposit.")
    minimum = AmountField(label="From", required=False, help_text="The smallest deposit that it is for.")

    methods = forms.ModelMultipleChoiceField(
        label="Ways to pay",
        queryset=PaymentMethod.objects.all(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="None for all.",
    )

    class Meta:
        model = Coupon
        fields = (
            "code",
            "bonus_bp",
            "amount",
            "minimum",
            "is_for_first",
            "methods",
            "starts_at",
            "ends_at",
            "max_uses",
            "max_uses_each",
            "is_active",
        )

    def clean_code(self) -> str:
        try:
            return clean_code(self.cleaned_data["code"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for name in ("bonus_bp", "amount", "minimum"):
            data[name] = data.get(name) or 0
        if not self.errors and bool(data["bonus_bp"]) == bool(data["amount"]):
            self.add_error("amount", "Give either a percentage or an amount.")
        if data.get("amount") and data["minimum"] < data["amount"]:
            self.add_error("minimum", "An amount on top needs a deposit of at least as much.")
        if data.get("starts_at") and data.get("ends_at") and data["ends_at"] <= data["starts_at"]:
            self.add_error("ends_at", "It ends before it starts.")
        if data.get("max_uses") is not None and data["max_uses"] < self.instance.uses:
            self.add_error("max_uses", f"It has been used {self.instance.uses:,} times already.")
        return data


@admin.register(Coupon)
class CouponAdmin(AsksAgain, ModelAdmin):
    form = CouponForm
    is_short = True
    list_display = ("code", "shown_worth", "shown_minimum", "shown_uses", "starts_at", "ends_at", "is_active")
    list_filter = ("is_active",)
    search_fields = ("code",)

    @display(description="Worth")
    def shown_worth(self, coupon: Coupon) -> str:
        return shown_money(coupon.amount) if coupon.amount else percent_text(coupon.bonus_bp)

    @display(description="From", ordering="minimum")
    def shown_minimum(self, coupon: Coupon) -> str:
        return shown_money(coupon.minimum) if coupon.minimum else "—"

    @display(description="Used", ordering="uses")
    def shown_uses(self, coupon: Coupon) -> str:
        return f"{coupon.uses:,} of {coupon.max_uses:,}" if coupon.max_uses is not None else f"{coupon.uses:,}"

    def save_model(self, request: HttpRequest, obj: Coupon, form: forms.ModelForm, change: bool) -> None:
        """Write what was changed alone: the count of uses moves while the form is open."""
        if not change:
            super().save_model(request, obj, form, change)
        elif changed := [name for name in form.changed_data if name != "methods"]:
            obj.save(update_fields=changed)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
