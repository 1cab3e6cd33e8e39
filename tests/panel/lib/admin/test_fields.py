"""Amounts, percentages and counts as staff type them."""

from __future__ import annotations

import pytest
from django import forms

from panel.lib.admin.fields import AmountField, CountField, ExchangeRateField, PercentField
from panel.lib.money import EXCHANGE_ONE

# Reads text only.
pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        *(("2.5", 2_500_000), ("2,5", 2_500_000), ("2,50", 2_500_000), (",5", 500_000), ("0,125", 125_000)),
        *(("1.234,56", 1_234_560_000), ("1,234.56", 1_234_560_000), ("12.345.678,9", 12_345_678_900_000)),
        *(("1234,567", 1_234_567_000), ("0,000001", 1), ("1,234,567", 1_234_567_000_000), ("12", 12_000_000)),
    ],
)
def test_amount_when_the_comma_is_decimal_then_read(text, micros):
    assert AmountField().clean(text) == micros


@pytest.mark.parametrize("text", ["1,234", "12,500", "999,999"])
def test_amount_when_read_in_two_ways_then_refused_with_both(text):
    with pytest.raises(forms.ValidationError, match="two ways. Write .* or "):
        AmountField().clean(text)


@pytest.mark.parametrize("text", ["1,2,3", "1.2,3", "1,23.4", "a,b", "1,,2", "1.234.56,7", "-2,5", "1e3", "1,2345678"])
def test_amount_when_unreadable_then_refused(text):
    with pytest.raises(forms.ValidationError):
        AmountField().clean(text)


def test_other_fields_when_the_comma_is_decimal_then_read():
    assert PercentField().clean("12,5 %") == 1_250
    assert ExchangeRateField().clean("0,012") == EXCHANGE_ONE * 12 // 1_000
    assert AmountField(allow_negative=True).clean("-2,5") == -2_500_000


def test_count_when_typed_with_thousands_then_read():
    assert (CountField().clean("1.000"), CountField(required=False).clean("")) == (1_000, None)
    with pytest.raises(forms.ValidationError, match="whole number"):
        CountField().clean("1.5")
