"""Payment methods, as the owner sets them up."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from billing.methods import methods
from billing.models import PaymentMethod
from panel.lib.admin.base import AsksAgain, ModelAdmin, shown_money
from panel.lib.admin.fields import AmountField, PercentField
from panel.lib.formats import percent_text
from panel.lib.money import BASIS, MoneyError


class BonusField(PercentField):
    """A percentage from 0 to 100, in basis points."""

    def read(self, text: str) -> int:
        if text.startswith("-"):
            raise MoneyError("A bonus cannot be negative.")
        basis_points = super().read(text)
        if basis_points > BASIS:
            raise MoneyError("A bonus is 100% at most.")
        return basis_points


class PaymentMethodForm(forms.ModelForm):
    kind = forms.ChoiceField(label="How it works", widget=UnfoldAdminSelectWidget)
    minimum = AmountField(help_text="The smallest amount at once.")
    maximum = AmountField(help_text="The largest amount at once.")
    bonus_bp = BonusField(
        label="Bonus, percent",
        initial=0,
        help_text="What customers get on top, from your pocket: 5 makes $105 of $100. 0 for none.",
    )

    class Meta:
        model = PaymentMethod
        fields = ("name", "kind", "instructions", "minimum", "maximum", "bonus_bp", "position", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"].choices = [(code, method.label) for code, method in methods().items()]  # type: ignore[attr-defined]

    def clean_minimum(self) -> int:
        minimum: int = self.cleaned_data["minimum"]
        if minimum <= 0:
            raise forms.ValidationError("The smallest amount is above zero.")
        return minimum

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if "minimum" in data and "maximum" in data and data["minimum"] > data["maximum"]:
            self.add_error("maximum", "This is below the smallest amount.")
        return data


@admin.register(PaymentMethod)
class PaymentMethodAdmin(AsksAgain, ModelAdmin):
    form = PaymentMethodForm
    list_display = ("name", "shown_minimum", "shown_maximum", "shown_bonus", "position", "is_active")

    @display(description="From", ordering="minimum")
    def shown_minimum(self, method: PaymentMethod) -> str:
        return shown_money(method.minimum)

    @display(description="To", ordering="maximum")
    def shown_maximum(self, method: PaymentMethod) -> str:
        return shown_money(method.maximum)

    @display(description="Bonus", ordering="bonus_bp")
    def shown_bonus(self, method: PaymentMethod) -> str:
        return percent_text(method.bonus_bp) if method.bonus_bp else "—"
