"""The owner's instructions: what is typed into a bank's form is found, and prose stays prose."""

from __future__ import annotations

import pytest

from billing.instructions import Line, blocks_of

USDT = "TQn9Y2khEsLJW1ChVWFMSMeRDow5KcbLSE"


def rows_of(text):
    return [(row.label, row.value) for block in blocks_of(text) for row in block.rows]


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("IBAN DE00 0000 0000 0000", ("IBAN", "DE00 0000 0000 0000")),
        ("IBAN: DE00 0000 0000 0000", ("IBAN", "DE00 0000 0000 0000")),
        ("Account name: Upmark Ltd", ("Account name", "Upmark Ltd")),
        (f"USDT to {USDT}", ("USDT to", USDT)),
        ("0x" + "ab" * 20, ("", "0x" + "ab" * 20)),
        ("12345678", ("", "12345678")),
        ("BIC: DEUTDEFF", ("BIC", "DEUTDEFF")),
    ],
)
def test_line_when_it_holds_a_value_then_a_row_to_copy(line, row):
    assert rows_of(line) == [row]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Pay to account 1.",
        "https://example.com/how-to-pay",
        "See https://example.com/a:12345678",
        "Note: please pay only from your own account, or we send it back.",
        "We look at it within 24 hours on working days",
        "Upmark Ltd",
        "x" * 60 + ": 5",
        ":",
        "Amount:",
    ],
)
def test_line_when_it_is_prose_then_no_row(line):
    assert rows_of(line) == []


def test_blocks_when_mixed_then_in_their_order():
    found = blocks_of("Pay to:\n\nUpmark Ltd\nIBAN: DE00\nBIC: XY\n\nThank you.\n")
    assert [(block.text, len(block.rows)) for block in found] == [
        ("Pay to:\n\nUpmark Ltd", 0),
        ("", 2),
        ("Thank you.", 0),
    ]
    assert len({row.number for block in found for row in block.rows}) == 2


@pytest.mark.parametrize(
    ("value", "is_address"),
    [(USDT, True), ("0x" + "ab" * 20, True), ("DE89370400440532013000999999", False), ("12345678", False)],
)
def test_row_when_a_coins_address_then_to_scan_and_an_iban_not(value, is_address):
    assert Line(value, "", value).is_address is is_address
