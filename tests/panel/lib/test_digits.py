"""Numbers sent as text."""

from __future__ import annotations

import pytest

from panel.lib.digits import typed_count, whole_number


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1)])
def test_number_when_plain_digits_then_read(text, number):
    assert whole_number(text) == number


@pytest.mark.parametrize(
    "text", ["", " 1", "1\n", "+1", "-1", "1.0", "1_000", "1,000", "0x1", "٣", "²", "１", "9" * 19, "1" * 10**6]
)
def test_number_when_anything_else_then_none(text):
    assert whole_number(text) is None


def test_number_when_it_has_more_digits_than_the_maximum_then_none():
    assert (whole_number("123", max_digits=3), whole_number("1234", max_digits=3)) == (123, None)


@pytest.mark.parametrize(
    "text", ["1000", " 1,000 ", "1.000", "1 000", "1\u00a0000", "1\u202f000", "1'000", "1\u2019000", "01000"]
)
def test_count_when_thousands_are_grouped_then_read(text):
    assert typed_count(text) == 1_000


@pytest.mark.parametrize(
    ("text", "count"),
    [
        *(("1.000.000", 1_000_000), ("1,000,000", 1_000_000), ("1,00,000", 100_000), ("999.999", 999_999)),
        *(("-5", -5), ("0", 0), ("-1,000", -1_000), ("5", 5)),
    ],
)
def test_count_when_long_or_negative_then_read(text, count):
    assert typed_count(text) == count


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "1.5", "1,5", "1.00", "1,00", "1.0000", "1000.000", "0.500", "1.000,00", "1,000.00", "1,000.000"),
        *("1..000", ".000", ",000", "1.000.00", "1e3", "1k", "+5", "٣", "1_000", "1" * 16, "1.00.000", "--5"),
    ],
)
def test_count_when_unclear_then_none(text):
    assert typed_count(text) is None
