"""Parsing of `services`, `balance`, and the JSON of any answer, in every dialect."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from catalog.upstream import UnreadableAnswer
from catalog.upstream.loading import UNREADABLE, load
from catalog.upstream.parsing import parse_balance
from catalog.upstream.parsing_services import parse_services


@pytest.mark.parametrize("number", ["1" * 65, "1." + "1" * 63, "1e" + "1" * 63, "NaN", "-Infinity"])
def test_load_when_number_is_too_long_or_invalid_then_unreadable(number: str) -> None:
    loaded = load(f'{{"a": {number}, "b": 1.5}}')
    assert loaded["a"] is UNREADABLE and loaded["b"] == Decimal("1.5")


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
def test_services_when_type_is_in_any_form_then_a_slug(listed_type: Any, slug: str) -> None:
    (row,) = parse_services(json.dumps([make_row(type=listed_type)])).rows
    assert row.type == slug


def test_services_when_package_has_no_limits_then_quantity_is_one() -> None:
    (row,) = parse_services(json.dumps([make_row(type="Package", min=None, max="")])).rows
    assert (row.min, row.max) == (1, 1)


def test_services_when_rows_are_bad_then_skipped_with_reasons() -> None:
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
def test_services_when_number_is_huge_then_only_its_row_is_skipped(rate: str) -> None:
    good = json.dumps(make_row())
    for value in (rate, "1" * 5000, "1." + "1" * 5000):
        bad = json.dumps(make_row(service=2, rate="@")).replace('"@"', value)
        listed = parse_services(f"[{bad}, {good}]")
        assert [row.external_id for row in listed.rows] == ["1"]
        assert [row.external_id for row in listed.skipped] == ["2"]


def test_services_when_row_repeats_a_field_then_only_it_is_skipped() -> None:
    good = json.dumps(make_row())
    for field in ('"service": 3', '"rate": 9', '"max": 7', '"name": "Likes"'):
        bad = json.dumps(make_row(service=2))[:-1] + f", {field}}}"
        listed = parse_services(f"[{bad}, {good}]")
        assert [row.external_id for row in listed.rows] == ["1"]
        assert len(listed.skipped) == 1


def test_services_when_dict_keys_are_positions_then_they_are_not_ids() -> None:
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
        ('{"balance": "5", "currency": "ßßßßßßßß"}', "5", ""),
        ('{"balance": "5"}<!-- 0.02s -->', "5", ""),
        ('{"balance": "5"}\n<br />\n<b>Deprecated</b>: x() in /a.php<br />\n', "5", ""),
        ('{"balance": "5", "balance": "5"}', "5", ""),
    ],
)
def test_balance_when_in_any_shape_then_parsed(body: str, amount: str, currency: str) -> None:
    balance = parse_balance(body)
    assert (balance.amount, balance.currency) == (Decimal(amount), currency)


@pytest.mark.parametrize(
    "body",
    ["{}", '{"balance": null}', '{"balance": NaN}', "[]", "true", '{"balance": 5, "balance": 6}']
    + ['{"balance": true, "balance": 1}', '{"balance": 5}{"balance": 6}', '{"balance": 5}, 6', "5<!-- x -->"],
)
def test_balance_when_missing_then_unreadable(body: str) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_balance(body)
