"""Numbers sent as text."""

from __future__ import annotations

import pytest

from panel.lib.digits import CountError, read_count, typed_count, whole_number


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


THOUSANDS = (
    *("1000", " 1,000 ", "1.000", "1 000", "1\u00a0000", "1\u202f000", "1\u2009000", "1'000", "1\u2019000", "01000"),
    *("1k", "1K", "1 k", "1.0k", "1к", "1 тыс.", "1bin", "0.001m"),
    *("١٠٠٠", "١٬٠٠٠", "۱۰۰۰", "१०००", "১০০০", "１０００", "１，０００", "\u200e1000\u200f", "1\u066c000"),
)


@pytest.mark.parametrize("text", THOUSANDS)
def test_count_when_written_in_any_way_then_read(text):
    assert typed_count(text) == 1_000


@pytest.mark.parametrize(
    ("text", "count"),
    [
        *(("1.000.000", 1_000_000), ("1,000,000", 1_000_000), ("1,00,000", 100_000), ("999.999", 999_999)),
        *(("-5", -5), ("0", 0), ("-1,000", -1_000), ("5", 5), ("−5", -5)),
        *(("2.5k", 2_500), ("2,5K", 2_500), ("1.25k", 1_250), ("1m", 1_000_000), ("1.5 M", 1_500_000), ("12к", 12_000)),
    ],
)
def test_count_when_long_negative_or_with_a_unit_then_read(text, count):
    assert typed_count(text) == count


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "1.5", "1,5", "1.00", "1,00", "1.0000", "1000.000", "0.500", "1.000,00", "1,000.00", "1,000.000"),
        *("1..000", ".000", ",000", "1.000.00", "1e3", "10^3", "+5", "1_000", "1" * 16, "1.00.000", "--5", "½", "²"),
        *("10 20", "1 00", "1.000k", "1.2345k", "1kk", "1x", "1 000 00", "100-200", "1,000.5k"),
    ],
)
def test_count_when_unclear_then_none(text):
    assert typed_count(text) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("1.5", "Only whole numbers can be ordered. Write 1 or 2."),
        ("1,00", "This can be read in two ways. Write 1 or 1,000."),
        ("1.000k", "This can be read in two ways. Write 1,000 or 1,000,000."),
        ("10^3", "Write the number out: 1,000."),
        ("2x10^4", "Write the number out: 20,000."),
        ("1e3", "Write the number out: 1,000."),
        ("1000 followers", "Write the number alone: 1,000."),
        ("5k+", "Write the number alone: 5,000."),
        ("a thousand", "Write a whole number in digits, such as 1,000."),
        ("9" * 16, "This number is too large."),
        ("1" * 10**6, "Write a whole number alone, such as 1,000."),
        ("100-200", "This is no whole number. Write it as 1000 or 1,000."),
        ("1e99", "This is no whole number. Write it as 1000 or 1,000."),
    ],
)
def test_count_when_unclear_then_says_what_to_write(text, answer):
    with pytest.raises(CountError) as refused:
        read_count(text)
    assert str(refused.value) == answer
