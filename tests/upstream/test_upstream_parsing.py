"""Every dialect of "As a client: what must be accepted", as tables."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from catalog.upstream import (
    CancelAccepted,
    ErrorCode,
    OrderStatus,
    ProviderRefused,
    RefillAccepted,
    RefillStatus,
    RefillStatusRow,
    RowError,
    StatusRow,
    UnreadableAnswer,
    classify_error,
)
from catalog.upstream.addresses import is_public
from catalog.upstream.cleaning import (
    Redactor,
    clean_text,
    parse_count,
    parse_flag,
    parse_id,
    parse_number,
)
from catalog.upstream.parsing import parse_balance
from catalog.upstream.parsing_many import (
    parse_cancels,
    parse_refill_statuses,
    parse_refills,
    parse_statuses,
)
from catalog.upstream.parsing_services import parse_services

# -- numbers, text, ids ----------------------------------------------------------------------------


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
def test_number_when_written_in_any_form_then_read(value: object, expected: str) -> None:
    assert parse_number(value) == Decimal(expected)


@pytest.mark.parametrize(
    "value",
    [None, "", "Unknown", True, [], {}, "NaN", "Infinity", "-inf", Decimal("NaN"), Decimal("Inf")]
    + ["1e999999", Decimal("1E+999999"), Decimal("1E-999999"), "1" * 5000, 10**4000, "9" * 41]
    + ["1,2,3", "1.2.3", "1,2.3,4", "12 34", "5k", "10 of 100", "1-2", "--1", "-$-1", "0x10", "1_0"]
    + ["٣", "12%", "."],
)
def test_number_when_it_is_none_or_out_of_range_then_none(value: object) -> None:
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
    ],
)
def test_id_when_read_then_unaltered_or_none(value: object, expected: str) -> None:
    assert parse_id(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), ("true", True), (1, True), ("1", True), (0, False), ("0", False)]
    + [(None, False), ("false", False), ("", False), (2, False), ([1], False)],
)
def test_flag_when_read_then_only_true_is_true(value: object, expected: bool) -> None:
    assert parse_flag(value) is expected


def test_text_when_hostile_then_clean() -> None:
    assert clean_text("a\x00b\ud800c\u202ed\u2066e\ufeff", limit=50) == "abcde"
    assert clean_text("  a \r\n b\tc ", limit=50) == "a b c"
    assert clean_text("a\r\nb\u2028c", limit=50, multiline=True) == "a\nb\nc"
    assert clean_text("x" * 99, limit=10) == "x" * 10
    assert clean_text("👩‍👧 ü", limit=10) == "👩‍👧 ü"
    assert clean_text(12, limit=10) == "12"
    assert clean_text(10**5000, limit=10) == clean_text([], limit=10) == ""


@pytest.mark.parametrize("echo", ["a/b+c-1234", "a\\/b+c-1234", "a%2Fb%2Bc-1234"])
def test_redactor_when_the_key_is_escaped_then_taken_out(echo: str) -> None:
    assert Redactor("a/b+c-1234")(f"<{echo}>") == "<[key]>"


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
def test_address_when_judged_then_only_public_passes(address: str, expected: bool) -> None:
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
        ("Gremlins", ErrorCode.UNRECOGNIZED),
        ("", ErrorCode.UNRECOGNIZED),
    ],
)
def test_error_text_when_classified_then_as_the_table_says(text: str, code: ErrorCode) -> None:
    assert classify_error(text) is code


# -- services --------------------------------------------------------------------------------------


def make_row(**changes: Any) -> dict[str, Any]:
    row = {"service": 1, "name": "Views", "type": "Default", "category": "Video"}
    return {**row, "rate": "2.5", "min": "200", "max": "10,000", "refill": True, **changes}


@pytest.mark.parametrize(
    "shape",
    [
        lambda row: [row],
        lambda row: {"services": [row]},
        lambda row: {"data": [row]},
        lambda row: {"data": {"services": [row]}},
        lambda row: {"1": row},
        lambda row: {"services": {"1": {k: v for k, v in row.items() if k != "service"}}},
    ],
)
def test_services_when_in_any_shape_then_the_same_row(shape: Any) -> None:
    listed = parse_services(json.dumps(shape(make_row(desc="a\nb\x00", dripfeed="1"))))
    assert listed.skipped == ()
    (row,) = listed.rows
    assert (row.external_id, row.name, row.category, row.type) == ("1", "Views", "Video", "default")
    assert (row.rate, row.min, row.max) == (Decimal("2.5"), 200, 10_000)
    assert (row.refill, row.cancel, row.dripfeed, row.description) == (True, False, True, "a\nb")


@pytest.mark.parametrize("text", ["[]", "{}", '{"services": []}', '{"data": []}', '{"services": {}}'])
def test_services_when_empty_in_any_shape_then_an_empty_list(text: str) -> None:
    assert parse_services(text).rows == parse_services(text).skipped == ()


@pytest.mark.parametrize(
    "text",
    ["", "null", "5", '"x"', '{"message": "maintenance"}', "<html></html>", '[{"service":1}'],
)
def test_services_when_not_a_list_then_unreadable(text: str) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_services(text)


@pytest.mark.parametrize(
    ("listed_type", "slug"),
    [("Default", "default"), ("default", "default"), ("Custom Comments", "custom_comments")]
    + [("custom_comments", "custom_comments"), ("Mentions with Hashtags", "mentions_with_hashtags")]
    + [("Custom Comments Package", "custom_comments_package"), ("SEO", "seo"), (None, "")],
)
def test_services_when_type_is_written_in_any_way_then_a_slug(listed_type: Any, slug: str) -> None:
    (row,) = parse_services(json.dumps([make_row(type=listed_type)])).rows
    assert row.type == slug


def test_services_when_a_package_has_no_limits_then_it_is_ordered_as_one() -> None:
    (row,) = parse_services(json.dumps([make_row(type="Package", min=None, max="")])).rows
    assert (row.min, row.max) == (1, 1)


def test_services_when_rows_are_bad_then_skipped_with_reasons_and_none_else_lost() -> None:
    bad = [
        make_row(service=2, rate="NaN"),
        make_row(service=3, rate=-1),
        make_row(service=4, max="many"),
        make_row(service=5, min=10, max=5),
        make_row(service=6, name="\x00 "),
        make_row(service=None),
        make_row(service="7, 8"),
        make_row(service=1),
        "text",
        None,
        make_row(service=9, rate=None),
        make_row(service=10, max=None),
    ]
    listed = parse_services(json.dumps([make_row(), *bad, make_row(service=99)]))
    assert [row.external_id for row in listed.rows] == ["1", "99"]
    assert [row.position for row in listed.skipped] == list(range(1, 13))
    assert all(row.reason for row in listed.skipped)


@pytest.mark.parametrize("rate", ["NaN", "Infinity", "-Infinity", "1e999999999999999999999"])
def test_services_when_a_number_is_monstrous_then_only_its_row_is_lost(rate: str) -> None:
    good = json.dumps(make_row())
    for value in (rate, "1" * 5000, "1." + "1" * 5000):
        bad = json.dumps(make_row(service=2, rate="@")).replace('"@"', value)
        listed = parse_services(f"[{bad}, {good}]")
        assert [row.external_id for row in listed.rows] == ["1"]
        assert [row.external_id for row in listed.skipped] == ["2"]


def test_services_when_a_dict_is_a_disguised_list_then_places_are_no_ids() -> None:
    rows = {str(place): make_row(service=None) for place in range(3)}
    assert parse_services(json.dumps(rows)).rows == ()


# -- balance ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "amount", "currency"),
    [
        ('{"balance": "100.84292", "currency": "USD"}', "100.84292", "USD"),
        ('{"balance": 1e2}', "100", ""),
        ('"100.8"', "100.8", ""),
        ("100.8", "100.8", ""),
        ('{"data": {"balance": "1,234.5", "currency": "eur"}}', "1234.5", "EUR"),
        ('{"status": "success", "balance": "-3", "currency": null}', "-3", ""),
    ],
)
def test_balance_when_in_any_shape_then_read(body: str, amount: str, currency: str) -> None:
    balance = parse_balance(body)
    assert (balance.amount, balance.currency) == (Decimal(amount), currency)


@pytest.mark.parametrize("body", ["{}", '{"balance": null}', '{"balance": NaN}', "[]", "true"])
def test_balance_when_there_is_none_then_unreadable(body: str) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_balance(body)


# -- many ------------------------------------------------------------------------------------------


def status(order_id: str, word: str = "Partial", **changes: Any) -> StatusRow:
    fields: dict[str, Any] = {
        "status": OrderStatus.PARTIAL,
        "charge": Decimal("0.26"),
        "start_count": 3572,
        "remains": 157,
        "currency": "USD",
        **changes,
    }
    return StatusRow(order_id=order_id, status_text=word, **fields)


FULL = {"charge": "0.26", "start_count": "3572", "status": "Partial", "remains": "157"}
FULL["currency"] = "USD"
UNKNOWN_416 = RowError("416", ErrorCode.UNKNOWN_ORDER, "Incorrect order ID")


@pytest.mark.parametrize(
    "body",
    [
        {"133": FULL, "416": {"error": "Incorrect order ID"}, "999": FULL},
        {"133": FULL, "416": "Incorrect order ID"},
        {"data": {"133": FULL, "416": {"errors": ["Incorrect order ID"]}}},
        {"orders": {"133": FULL, "416": {"status": "error", "message": "Incorrect order ID"}}},
        [{"order": 133, **FULL}, {"order": "416", "error": "Incorrect order ID"}, FULL, None],
        [{"id": 133, **FULL}, {"order_id": 416, "status": {"error": "Incorrect order ID"}}],
        {"0": {"order": 133, **FULL}, "1": {"order": 416, "error": "Incorrect order ID"}},
        {"133": FULL, "416": {"error": "Incorrect order ID"}, "error": "some ids are wrong"},
    ],
)
def test_statuses_when_in_any_shape_then_by_id(body: Any) -> None:
    answered = parse_statuses(json.dumps(body), ["133", "416", "489"])
    assert answered == {"133": status("133"), "416": UNKNOWN_416}


@pytest.mark.parametrize(
    "body",
    [
        [FULL, FULL],
        {"0": FULL, "1": FULL},
        [{"order": 1, **FULL}, {"order": 1, **FULL, "remains": 3}],
        {"1": {"order": 2, **FULL}},
        [],
        {},
    ],
)
def test_statuses_when_no_row_is_surely_an_orders_then_not_answered(body: Any) -> None:
    assert parse_statuses(json.dumps(body), ["1", "2"]) == {}


def test_statuses_when_one_is_asked_then_a_single_answer_is_its() -> None:
    assert parse_statuses(json.dumps(FULL), ["133"]) == {"133": status("133")}
    assert parse_statuses(json.dumps({"order": 7, **FULL}), ["133"]) == {}
    assert parse_statuses('{"error": "Incorrect order ID"}', ["416"]) == {"416": UNKNOWN_416}
    with pytest.raises(UnreadableAnswer):
        parse_statuses(json.dumps(FULL), ["133", "416"])


def test_status_when_it_reads_like_an_error_then_it_is_still_a_status() -> None:
    body = json.dumps({"133": {**FULL, "status": "Fail", "message": "late"}})
    assert parse_statuses(body, ["133"]) == {"133": status("133", "Fail", status=None)}


def test_statuses_when_the_call_failed_then_refused() -> None:
    with pytest.raises(ProviderRefused) as refusal:
        parse_statuses('{"error": "Invalid API key"}', ["1"])
    assert refusal.value.code is ErrorCode.CREDENTIALS


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Pending", OrderStatus.PENDING),
        ("PROCESSING", OrderStatus.PROCESSING),
        ("In progress", OrderStatus.IN_PROGRESS),
        ("in_progress", OrderStatus.IN_PROGRESS),
        ("Inprogress", OrderStatus.IN_PROGRESS),
        ("completed", OrderStatus.COMPLETED),
        ("Partially Completed", OrderStatus.PARTIAL),
        ("Canceled", OrderStatus.CANCELED),
        ("Cancelled", OrderStatus.CANCELED),
        ("Refunded", OrderStatus.CANCELED),
        ("Fail", None),
        ("Error", None),
        ("Awaiting", None),
    ],
)
def test_status_when_in_any_words_then_normal_and_its_text_kept(word: str, expected: OrderStatus | None) -> None:
    body = json.dumps({"133": {**FULL, "status": word}})
    assert parse_statuses(body, ["133"]) == {"133": status("133", word, status=expected)}


@pytest.mark.parametrize(
    ("remains", "expected"),
    [("-2", -2), (None, None), ("", None), ("Unknown", None), (10**9, 10**9), ("1.5", None)],
)
def test_status_when_remains_is_odd_then_none_or_as_sent(remains: Any, expected: Any) -> None:
    row = {**FULL, "remains": remains, "charge": None, "start_count": "", "currency": None}
    answered = parse_statuses(json.dumps({"133": row}), ["133"])["133"]
    assert answered == status("133", charge=None, start_count=None, remains=expected, currency="")
    assert isinstance(answered, StatusRow) and (answered.remains is None) is (expected is None)


@pytest.mark.parametrize("row", [None, 5, [], {}, {"charge": "1"}, {"status": None}, {"status": 5}])
def test_status_when_a_row_is_malformed_then_only_its_order_has_an_error(row: Any) -> None:
    answered = parse_statuses(json.dumps({"133": FULL, "416": row}), ["133", "416"])
    assert answered["133"] == status("133")
    assert isinstance(answered["416"], RowError)
    assert answered["416"].code is ErrorCode.UNRECOGNIZED


@pytest.mark.parametrize(
    "body",
    [
        [{"order": 9, "cancel": {"error": "Incorrect order ID"}}, {"order": 2, "cancel": 1}],
        {"9": {"error": "Incorrect order ID"}, "2": {"cancel": "1"}},
        {"9": "Incorrect order ID", "2": 1},
        [{"order": 9, "error": "Incorrect order ID"}, {"order": 2, "success": "Will be asap."}],
    ],
)
def test_cancels_when_in_any_shape_then_by_id(body: Any) -> None:
    error = RowError("9", ErrorCode.UNKNOWN_ORDER, "Incorrect order ID")
    assert parse_cancels(json.dumps(body), ["9", "2"]) == {"9": error, "2": CancelAccepted("2")}


def test_cancel_when_one_is_asked_then_the_sentence_is_a_yes() -> None:
    assert parse_cancels('{"success": "Will be asap."}', ["2"]) == {"2": CancelAccepted("2")}
    for no in ('{"cancel": 0}', '{"success": false}', '{"cancel": {"error": "Cannot cancel"}}'):
        assert isinstance(parse_cancels(no, ["2"])["2"], RowError)


@pytest.mark.parametrize(
    "body",
    [
        [{"order": 1, "refill": 55}, {"order": 3, "refill": {"error": "Incorrect order ID"}}],
        {"1": {"refill": "55"}, "3": {"error": "Incorrect order ID"}},
        {"1": "55", "3": "Incorrect order ID"},
        [{"order": "1", "refill": "55"}, {"order": 3, "error": "Incorrect order ID"}],
    ],
)
def test_refills_when_in_any_shape_then_by_id(body: Any) -> None:
    error = RowError("3", ErrorCode.UNKNOWN_ORDER, "Incorrect order ID")
    answered = parse_refills(json.dumps(body), ["1", "3"])
    assert answered == {"1": RefillAccepted("1", "55"), "3": error}


def test_refill_when_accepted_without_an_id_then_it_has_none() -> None:
    assert parse_refills('{"success": "ok"}', ["1"]) == {"1": RefillAccepted("1", "")}
    assert parse_refills('{"refill": "1"}', ["7"]) == {"7": RefillAccepted("7", "1")}
    with pytest.raises(UnreadableAnswer):
        parse_refills('{"refill": "1"}', ["7", "8"])


@pytest.mark.parametrize(
    "body",
    [
        [
            {"refill": 1, "status": "Completed"},
            {"refill": 2, "status": "Rejected"},
            {"refill": 3, "status": {"error": "Incorrect refill ID"}},
        ],
        {"1": "Completed", "2": {"status": "rejected"}, "3": {"error": "Incorrect refill ID"}},
    ],
)
def test_refill_statuses_when_in_any_shape_then_by_refill_id(body: Any) -> None:
    assert parse_refill_statuses(json.dumps(body), ["1", "2", "3", "4"]) == {
        "1": RefillStatusRow("1", RefillStatus.COMPLETED, "Completed"),
        "2": RefillStatusRow("2", RefillStatus.REJECTED, body["2"]["status"] if "2" in body else "Rejected"),
        "3": RowError("3", ErrorCode.UNKNOWN_REFILL, "Incorrect refill ID"),
    }
