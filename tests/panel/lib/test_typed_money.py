"""Amounts of money as customers write them."""

from __future__ import annotations

import pytest

from panel.lib.money import MoneyError
from panel.lib.typed_money import AmbiguousAmount, parse_typed_money


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        *(("12.50", 12_500_000), ("12,50", 12_500_000), ("12,5", 12_500_000), ("1,250", 1_250_000_000)),
        *(("1 250", 1_250_000_000), ("1 250,50", 1_250_500_000), ("1\u202f250.5", 1_250_500_000), ("0.125", 125_000)),
        *(("1.2345", 1_234_500), ("1250.125", 1_250_125_000), ("١٢", 12_000_000), ("१२.५०", 12_500_000)),
    ],
)
def test_amount_when_written_in_any_way_then_read(text, micros):
    assert parse_typed_money(text) == micros


@pytest.mark.parametrize(
    ("text", "readings"),
    [("1.000", ("1", "1000")), ("12.500", ("12.5", "12500")), (" 100.125 ", ("100.12", "100125"))],
)
def test_amount_when_three_digits_follow_a_point_then_both_readings(text, readings):
    with pytest.raises(AmbiguousAmount) as question:
        parse_typed_money(text)
    assert question.value.readings == readings
    assert all(parse_typed_money(reading) for reading in readings)


@pytest.mark.parametrize("text", ["", "x", "1.000,00", "1,25,0", "1 25", "12,5000", "1e3", "9" * 50, "--1", "NaN"])
def test_amount_when_unclear_then_refused(text):
    with pytest.raises(MoneyError) as refused:
        parse_typed_money(text)
    assert not isinstance(refused.value, AmbiguousAmount)
