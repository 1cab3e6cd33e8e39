"""Admin form fields for the panel's integers: people type percents and amounts, columns hold units."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from panel.lib.digits import CountError, read_count
from panel.lib.money import EXCHANGE_ONE, MICRO, MoneyError, exact_micros, format_plain, parse_decimal, scale


def typed_decimal(text: str) -> Decimal:
    """Return a decimal number with a point or a comma: "2.5", "2,5", "1.234,56", "1,234.56". Raise MoneyError.

    "1,234" is refused: it is one thing in half of the world, and another in the other.
    """
    text = text.strip()
    whole, comma, part = text.rpartition(",")
    if not comma or "." in part or "," in whole:
        return parse_decimal(text)
    if "." in whole:
        groups = whole.removeprefix("-").split(".")
        if not 1 <= len(groups[0]) <= 3 or any(len(group) != 3 for group in groups[1:]):
            return parse_decimal(text)  # Which refuses it.
        return parse_decimal(f"{whole.replace('.', '')}.{part}")
    if len(part) == 3 and 1 <= len(whole.removeprefix("-")) <= 3 and not whole.removeprefix("-").startswith("0"):
        raise MoneyError(f"This can be read in two ways. Write {whole}.{part} or {whole}{part}.")
    return parse_decimal(f"{whole or '0'}.{part}")


class CountField(forms.CharField):
    """A whole number as people write it: "1000", "1,000", "1.000", "1k"."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}))
        super().__init__(**kwargs)

    def clean(self, value: object) -> int | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            return read_count(text)
        except CountError as error:
            raise forms.ValidationError(str(error)) from error


class ScaledField(forms.CharField):
    """A decimal number as people write it, stored as an integer of 1/`factor`."""

    factor = 1
    limit = 10**15

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}))
        super().__init__(**kwargs)

    def prepare_value(self, value: object) -> object:
        return self.show(value) if isinstance(value, int) else value

    def show(self, value: int) -> str:
        return f"{(Decimal(value) / self.factor).normalize():f}"

    def clean(self, value: object) -> int | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            number = self.read(text)
        except MoneyError as error:
            raise forms.ValidationError(str(error)) from error
        return number

    def read(self, text: str) -> int:
        scaled = scale(typed_decimal(text), self.factor, limit=self.limit)
        if scaled != scaled.to_integral_value():
            raise MoneyError(f"Use fewer decimal places: the smallest step is 1/{self.factor:,}.")
        return int(scaled)


class PercentField(ScaledField):
    """A percentage, stored in basis points: "25" is 2,500."""

    factor = 100
    limit = 10_000_000

    def read(self, text: str) -> int:
        basis_points = super().read(text.rstrip("% "))
        if basis_points < 0:
            raise MoneyError("A margin cannot be negative.")
        return basis_points


class AmountField(ScaledField):
    """An amount of money, stored in micro-units: "2.35" is 2,350,000."""

    factor = MICRO

    def __init__(self, *, allow_negative: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.allow_negative = allow_negative

    def show(self, value: int) -> str:
        return format_plain(value)

    def read(self, text: str) -> int:
        micros = exact_micros(typed_decimal(text))
        if micros < 0 and not self.allow_negative:
            raise MoneyError("Enter an amount that is not negative.")
        return micros


class ExchangeRateField(ScaledField):
    """Units of the panel's currency for one of the provider's, stored in units of 10⁻¹²."""

    factor = EXCHANGE_ONE
    limit = 10**18

    def read(self, text: str) -> int:
        rate = super().read(text)
        if rate <= 0:
            raise MoneyError("An exchange rate is above zero.")
        return rate
