"""Answers about many orders or refills, in every dialect, matched to ids."""

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
)
from catalog.upstream.parsing_many import parse_cancels, parse_refill_statuses, parse_refills, parse_statuses


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
def test_statuses_when_in_any_shape_then_returned_by_id(body: Any) -> None:
    answered = parse_statuses(json.dumps(body), ["133", "416", "489"])
    assert answered == {"133": status("133"), "416": UNKNOWN_416}


@pytest.mark.parametrize(
    "body",
    [
        [FULL, FULL],
        {"0": FULL, "1": FULL},
        [{"order": 1, **FULL}, {"order": 1, **FULL, "remains": 3}],
        {"1": {"order": 2, **FULL}},
        [{"order": 1, "order_id": 2, **FULL}],
        {"order": 1, "order_id": 2, **FULL},
        {"order": 3, "error": "Incorrect order ID"},
        {"0": FULL, "2": FULL},
        [],
        {},
    ],
)
def test_statuses_when_no_row_has_a_clear_id_then_not_answered(body: Any) -> None:
    assert parse_statuses(json.dumps(body), ["1", "2"]) == {}


def test_statuses_when_one_id_then_a_row_without_id_is_its_answer() -> None:
    assert parse_statuses(json.dumps(FULL), ["133"]) == {"133": status("133")}
    assert parse_statuses(json.dumps({"order": 7, **FULL}), ["133"]) == {}
    assert parse_statuses('{"error": "Incorrect order ID"}', ["416"]) == {"416": UNKNOWN_416}
    with pytest.raises(UnreadableAnswer):
        parse_statuses(json.dumps(FULL), ["133", "416"])


@pytest.mark.parametrize(
    "text",
    [
        '{"1": {"status": "Pending"}, "1": {"status": "Canceled"}, "2": {"status": "Pending"}}',
        '[{"order": 1, "order": 3, "status": "Canceled"}, {"order": 2, "status": "Pending"}]',
        '{"0": "x", "2": {"order": 2, "status": "Pending"}}',
    ],
)
def test_statuses_when_row_contradicts_itself_then_others_are_kept(text: str) -> None:
    assert set(parse_statuses(text, ["1", "2"])) == {"2"}


def test_statuses_when_dict_has_positions_then_larger_keys_are_ids() -> None:
    body = json.dumps({"0": {"error": "bad id"}, "7": FULL, "133": FULL})
    assert parse_statuses(body, ["7", "133"]) == {"133": status("133")}


@pytest.mark.parametrize(
    "text",
    [
        '{"order": 1, "order": 2, "status": "Canceled"}',
        '{"order": 1, "order_id": 2, "status": "Canceled"}',
        '{"order": 2, "error": "Incorrect order ID"}',
    ],
)
def test_statuses_when_answer_names_another_id_then_not_answered(text: str) -> None:
    assert parse_statuses(text, ["1"]) == {}


CANCELED = {"status": "Canceled", "charge": "0"}
OTHERS: list[Any] = [
    {"id": 8, **CANCELED},
    {"data": {"id": 8, **CANCELED}},
    {"order": {"id": 8, **CANCELED}},
    {"result": {"id": "8", **CANCELED}},
    {"id": 8, "data": CANCELED},
    {"result": {"order": 8, "data": CANCELED}},
    {"order": "8", "status": "Canceled", "data": CANCELED},
    {"order": "8", "data": {"7": CANCELED}},
    {"7": {"id": 8, **CANCELED}},
    {"7": {"Order-ID": 8, **CANCELED}},
    *({name: "8", **CANCELED} for name in ("orderId", "Order", "ORDER_ID", "order number", "orderNo", "order_no")),
    *([{name: 8, **CANCELED}] for name in ("orderID", "order_number", "Id", "ID")),
    {"0": {"orderID": 8, **CANCELED}},
]


@pytest.mark.parametrize("body", OTHERS, ids=json.dumps)
def test_status_when_of_another_order_then_not_answered(body: Any) -> None:
    for singly in (False, True):
        assert parse_statuses(json.dumps(body), ["7"], singly=singly) == {}
        own = json.loads(json.dumps(body).replace(": 8", ": 7").replace('"8"', '"7"'))
        assert [*parse_statuses(json.dumps(own), ["7"], singly=singly)] == ["7"]


@pytest.mark.parametrize(
    "body",
    [{"id": 8, "status": "success"}, {"orderId": 8, "cancel": 1}, {"cancel": {"order": 8, "status": 1}}]
    + [{"data": {"ID": 8, "success": True}}, {"id": 8, "success": True, "data": {"message": "Cancel requested"}}],
    ids=json.dumps,
)
def test_cancel_when_of_another_order_then_not_answered(body: Any) -> None:
    assert parse_cancels(json.dumps(body), ["7"]) == {}


def test_refill_when_of_another_order_then_not_answered() -> None:
    for body in (
        {"Order": 8, "refill": 55},
        {"data": {"orderId": "8", "refill": 55}},
        {"refill": {"order": 8, "id": 55}},
    ):
        assert parse_refills(json.dumps(body), ["7"]) == {}
    assert parse_refills('{"id": 55, "status": "success"}', ["7"]) == {"7": RefillAccepted("7", "55")}


def test_statuses_when_the_answer_has_an_id_then_rows_are_read() -> None:
    for body in ({"id": 1, "result": {"133": FULL}}, {"id": 1, "133": FULL}):
        assert parse_statuses(json.dumps(body), ["133"]) == {"133": status("133")}


ROWS = [
    (parse_statuses, "order", {"status": "Canceled", "charge": "1"}),
    (parse_cancels, "order", {"cancel": 1}),
    (parse_refills, "order", {"refill": 55}),
    (parse_refill_statuses, "refill", {"status": "Completed"}),
]


@pytest.mark.parametrize(("parse", "key", "row"), ROWS)
def test_many_when_list_has_no_ids_then_not_matched_by_position(parse: Any, key: str, row: Any) -> None:
    for asked in (["1"], ["1", "2"], ["0", "1"]):
        for body in ([row] * len(asked), {"data": [row] * len(asked)}, {"0": row, "1": row}):
            assert parse(json.dumps(body), asked) == {}


@pytest.mark.parametrize(("parse", "key", "row"), ROWS)
def test_many_when_row_is_of_another_id_then_ignored(parse: Any, key: str, row: Any) -> None:
    for body in ([{key: 1, **row}, {key: 9, **row}], {"1": row, "9": row}, {"orders": {"1": row, "9": row}}):
        assert set(parse(json.dumps(body), ["1", "2"])) == {"1"}
        assert parse(json.dumps(body), ["3", "4"]) == {}


@pytest.mark.parametrize(
    ("parse", "field"),
    [(parse_statuses, "status"), (parse_cancels, "cancel"), (parse_refills, "refill")],
)
def test_many_when_error_is_inside_the_field_then_row_error(parse: Any, field: str) -> None:
    text = json.dumps({field: {"error": "Incorrect order ID"}})
    assert parse(text, ["416"]) == {"416": UNKNOWN_416}
    with pytest.raises(ProviderRefused, match="Incorrect order ID"):
        parse(text, ["416", "417"])


@pytest.mark.parametrize("word", ["Fail", "fail", "Error", "FAILED"])
def test_status_when_single_order_failed_then_status_not_error(word: str) -> None:
    body = json.dumps({"status": word, "charge": "0.26", "message": "late"})
    answered = parse_statuses(body, ["133"])["133"]
    assert isinstance(answered, StatusRow)
    assert (answered.status, answered.status_text, answered.charge) == (None, word, Decimal("0.26"))


def test_status_when_text_resembles_an_error_then_still_a_status() -> None:
    body = json.dumps({"133": {**FULL, "status": "Fail", "message": "late"}})
    assert parse_statuses(body, ["133"]) == {"133": status("133", "Fail", status=None)}


def test_statuses_when_call_failed_then_refused() -> None:
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
        ("Awaiting", OrderStatus.PENDING),
        ("Success", None),
        ("Baking", None),
    ],
)
def test_status_when_in_any_words_then_normalized_and_text_kept(word: str, expected: OrderStatus | None) -> None:
    body = json.dumps({"133": {**FULL, "status": word}})
    assert parse_statuses(body, ["133"]) == {"133": status("133", word, status=expected)}


@pytest.mark.parametrize(
    ("remains", "expected", "is_unclear"),
    [("-2", -2, False), (None, None, False), ("", None, False), ("Unknown", None, False), (10**9, 10**9, False)]
    + [("1.5", None, True), ("40 left", None, True), ([40], None, True)],
)
def test_status_when_remains_is_unusual_then_none_or_as_sent(remains: Any, expected: Any, is_unclear: bool) -> None:
    row = {**FULL, "remains": remains, "charge": None, "start_count": "", "currency": None}
    answered = parse_statuses(json.dumps({"133": row}), ["133"])["133"]
    assert answered == status(
        "133", charge=None, start_count=None, remains=expected, currency="", is_unclear=is_unclear
    )
    assert isinstance(answered, StatusRow) and (answered.remains is None) is (expected is None)


@pytest.mark.parametrize("row", [None, 5, [], {}, {"charge": "1"}, {"status": None}, {"status": True}])
def test_status_when_row_malformed_then_error_only_for_its_order(row: Any) -> None:
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
def test_cancels_when_in_any_shape_then_returned_by_id(body: Any) -> None:
    error = RowError("9", ErrorCode.UNKNOWN_ORDER, "Incorrect order ID")
    assert parse_cancels(json.dumps(body), ["9", "2"]) == {"9": error, "2": CancelAccepted("2")}


def test_cancel_when_one_id_then_a_sentence_means_yes() -> None:
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
def test_refills_when_in_any_shape_then_returned_by_id(body: Any) -> None:
    error = RowError("3", ErrorCode.UNKNOWN_ORDER, "Incorrect order ID")
    answered = parse_refills(json.dumps(body), ["1", "3"])
    assert answered == {"1": RefillAccepted("1", "55"), "3": error}


def test_refill_when_accepted_without_id_then_refill_id_is_empty() -> None:
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
def test_refill_statuses_when_in_any_shape_then_keyed_by_refill_id(body: Any) -> None:
    assert parse_refill_statuses(json.dumps(body), ["1", "2", "3", "4"]) == {
        "1": RefillStatusRow("1", RefillStatus.COMPLETED, "Completed"),
        "2": RefillStatusRow("2", RefillStatus.REJECTED, body["2"]["status"] if "2" in body else "Rejected"),
        "3": RowError("3", ErrorCode.UNKNOWN_REFILL, "Incorrect refill ID"),
    }
