"""Cleaning of text, numbers, ids, addresses and error texts, as tables."""

from __future__ import annotations

from decimal import Decimal

import pytest

from catalog.upstream import ErrorCode, classify_error
from catalog.upstream.cleaning import Redactor, clean_text, parse_count, parse_flag, parse_id, parse_number, parse_slug
from panel.lib.http.addresses import is_public


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, "5"),
        (Decimal("0.27"), "0.27"),
        (Decimal("1.2E-5"), "0.000012"),
        ("1e-05", "0.00001"),
        ("2.5E+3", "2500"),
        ("1,234.56", "1234.56"),
        ("1.234,56", "1234.56"),
        ("1,234,567", "1234567"),
        ("1.234.567", "1234567"),
        ("1,00,000", "100000"),
        ("1 234,5", "1234.5"),
        ("1\u00a0234.5", "1234.5"),
        ("1'234.50", "1234.50"),
        ("12,5", "12.5"),
        ("0,500", "0.500"),
        ("10,000", "10000"),
        ("1.234", "1.234"),
        ("$0.50", "0.50"),
        ("-$0.50", "-0.50"),
        ("$-0.50", "-0.50"),
        ("12.50 EUR", "12.50"),
        ("EUR 12.50", "12.50"),
        ("₹ 1,234.50", "1234.50"),
        ("  7 ", "7"),
        (".5", "0.5"),
        ("-2", "-2"),
    ],
)
def test_number_when_in_any_form_then_parsed(value: object, expected: str) -> None:
    assert parse_number(value) == Decimal(expected)


@pytest.mark.parametrize(
    "value",
    [None, "", "Unknown", True, [], {}, "NaN", "Infinity", "-inf", Decimal("NaN"), Decimal("Inf")]
    + ["1e999999", Decimal("1E+999999"), Decimal("1E-999999"), "1" * 5000, 10**4000, "9" * 41]
    + ["1,2,3", "1.2.3", "1,2.3,4", "12 34", "5k", "10 of 100", "1-2", "--1", "-$-1", "0x10", "1_0"]
    + ["٣", "12%", "."],
)
def test_number_when_invalid_or_out_of_range_then_none(value: object) -> None:
    assert parse_number(value) is None
    assert parse_count(value) is None


def test_count_when_not_whole_or_too_large_then_none() -> None:
    assert parse_count("168.0") == 168
    assert parse_count("1e3") == 1000
    assert parse_count("168.5") is None
    assert parse_count(10**15 + 1) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (12, "12"),
        ("12", "12"),
        (" 0133 ", "0133"),
        ("ord_01HG9", "ord_01HG9"),
        (Decimal("12345.0"), "12345"),
        (Decimal("1E+20"), ""),
        (Decimal("1.5"), ""),
        (0, ""),
        (-1, ""),
        (True, ""),
        (None, ""),
        ("null", ""),
        ("Array", ""),
        ("5f0c2f64-9c1e-4b7a-8f8e-0d7b6a1f2c3d", "5f0c2f64-9c1e-4b7a-8f8e-0d7b6a1f2c3d"),
        ("-5", ""),
        ("1,2", ""),
        ("a b", ""),
        ("a\x00b", ""),
        ("é1", ""),
        ("x" * 64, "x" * 64),
        ("x" * 65, ""),
        ({}, ""),
        ("ord_[key]", ""),
    ],
)
def test_id_when_parsed_then_unchanged_or_empty(value: object, expected: str) -> None:
    assert parse_id(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), ("true", True), (1, True), ("1", True), (0, False), ("0", False)]
    + [(None, False), ("false", False), ("", False), (2, False), ([1], False)],
)
def test_flag_when_parsed_then_only_true_values_are_true(value: object, expected: bool) -> None:
    assert parse_flag(value) is expected


def test_text_when_hostile_then_cleaned() -> None:
    assert clean_text("a\x00b\ud800c\u202ed\u2066e\ufeff", limit=50) == "abcde"
    assert clean_text("  a \r\n b\tc ", limit=50) == "a b c"
    assert clean_text("a\r\nb\u2028c", limit=50, multiline=True) == "a\nb\nc"
    assert clean_text("x" * 99, limit=10) == "x" * 10
    assert clean_text("👩‍👧 ü", limit=10) == "👩‍👧 ü"
    assert clean_text(12, limit=10) == "12"
    assert clean_text(10**5000, limit=10) == clean_text([], limit=10) == ""
    assert clean_text(Decimal("NaN"), limit=10) == clean_text(Decimal("-Infinity"), limit=10) == ""


def test_slug_when_lowercase_is_longer_then_within_limit() -> None:
    assert parse_slug("İ" * 60, limit=60) == "_".join("i" * 30)
    assert parse_slug("a-" * 60, limit=4) == "a_a"


@pytest.mark.parametrize("echo", ["a/b+c-1234", "a\\/b+c-1234", "a%2Fb%2Bc-1234"])
def test_redactor_when_key_is_escaped_then_removed(echo: str) -> None:
    assert Redactor("a/b+c-1234")(f"<{echo}>") == "<[key]>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"error": "no ab1 here"}', '{"error": "no [key] here"}'),
        ('{"error": "no \\"ab1\\" here"}', '{"error": "no \\"[key]\\" here"}'),
        ('{"error": "no ab1', '{"error": "no [key]'),
        ('{"ab1": "ab1", "x": ab1 }', '{"ab1": "ab1", "x": ab1 }'),
        ('"' + "\\" * 99_999, '"' + "\\" * 99_999),
    ],
)
def test_redactor_when_key_is_short_then_only_sentences_are_redacted(text: str, expected: str) -> None:
    assert Redactor("ab1").before_parsing(text) == expected
    assert Redactor("ab1")(text) == text.replace("ab1", "[key]")


@pytest.mark.parametrize(
    ("address", "expected"),
    [("8.8.8.8", True), ("2606:4700::1111", True), ("64:ff9b::808:808", True)]
    + [("::ffff:8.8.8.8", True), ("127.0.0.1", False), ("::1", False), ("10.1.2.3", False)]
    + [("172.16.0.1", False), ("192.168.1.1", False), ("169.254.169.254", False)]
    + [("100.64.0.1", False), ("224.0.0.1", False), ("239.1.1.1", False), ("240.0.0.1", False)]
    + [("255.255.255.255", False), ("0.0.0.0", False), ("::", False), ("fe80::1%eth0", False)]
    + [("fc00::1", False), ("fec0::1", False), ("ff02::1", False), ("ff0e::1", False)]
    + [("::ffff:127.0.0.1", False), ("::ffff:100.64.0.1", False), ("::127.0.0.1", False)]
    + [("64:ff9b::7f00:1", False), ("64:ff9b::a01:203", False), ("64:ff9b:1::808:808", False)]
    + [("2002:7f00:1::", False), ("2002:a9fe:a9fe::", False), ("2001:0:4136::1", False)]
    + [("198.18.0.1", False), ("192.0.2.1", False), ("nonsense", False), ("", False)],
)
def test_address_when_checked_then_only_public_is_allowed(address: str, expected: bool) -> None:
    assert is_public(address) is expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Invalid API key", ErrorCode.CREDENTIALS),
        ("error.USER_INACTIVE", ErrorCode.CREDENTIALS),
        ("neworder.error.not_enough_funds", ErrorCode.FUNDS),
        ("Insufficient  balance!", ErrorCode.FUNDS),
        ("Incorrect service ID", ErrorCode.SERVICE_GONE),
        ("neworder.error.link_duplicate", ErrorCode.LINK_BUSY),
        ("You have active order with this link.", ErrorCode.LINK_BUSY),
        ("neworder.error.link", ErrorCode.BAD_LINK),
        ("Quantity less than minimal 10", ErrorCode.BAD_QUANTITY),
        ("neworder.error.max_quantity", ErrorCode.BAD_QUANTITY),
        ("Incorrect comments", ErrorCode.BAD_PARAMETER),
        ("error.comments", ErrorCode.BAD_PARAMETER),
        ("Incorrect order ID", ErrorCode.UNKNOWN_ORDER),
        ("Incorrect refill ID", ErrorCode.UNKNOWN_REFILL),
        ("Order is not eligible for refill", ErrorCode.REFILL_REFUSED),
        ("Cannot cancel order", ErrorCode.CANCEL_REFUSED),
        ("Too many requests", ErrorCode.THROTTLED),
        ("Incorrect request", ErrorCode.PROTOCOL),
        ("ERROR 12: NOT ENOUGH FUNDS ON YOUR BALANCE!", ErrorCode.FUNDS),
        ("sorry, iNVALID aPI kEY given", ErrorCode.CREDENTIALS),
        ("[x] Order_Not_Found (y)", ErrorCode.UNKNOWN_ORDER),
        ("Gremlins", ErrorCode.UNRECOGNIZED),
        ("", ErrorCode.UNRECOGNIZED),
    ],
)
def test_error_text_when_classified_then_code_of_the_table(text: str, code: ErrorCode) -> None:
    assert classify_error(text) is code
