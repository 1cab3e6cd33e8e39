"""Numbers sent as text."""

from __future__ import annotations

import pytest

from panel.lib.digits import whole_number


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
