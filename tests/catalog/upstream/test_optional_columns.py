"""What only some lists say of a service. Nothing of it loses a row."""

from __future__ import annotations

import json

import pytest

from catalog.refill_windows import LIFETIME
from catalog.upstream.optional_columns import type_word
from catalog.upstream.parsing_services import parse_services

ROW = {"service": 1, "name": "A", "type": "Default", "category": "X", "rate": "1", "min": "10", "max": "1000"}


def read(**columns):
    found = parse_services(json.dumps([{**ROW, **columns}]))
    assert not found.skipped
    return found.rows[0]


@pytest.mark.parametrize(
    ("columns", "step"),
    [
        ({"step": "50"}, 50),
        ({"step": 50}, 50),
        ({"quantity_step": 25.0}, 25),
        ({"multiple": "100"}, 100),
        ({"multiple_of": "100"}, 100),
        ({"increment": "1,000"}, 1_000),
        ({"step": "0", "increment": "10"}, 10),
        ({"step": "1"}, None),
        ({"step": None}, None),
        ({"step": ""}, None),
        ({"step": "-5"}, None),
        ({"step": "any"}, None),
        ({"step": True}, None),
        ({"step": [50]}, None),
        ({"step": "NaN"}, None),
        ({"step": "1e400"}, None),
        ({"step": "2000"}, None),  # No multiple of it can be ordered.
        ({"step": "600", "min": "700"}, None),
        ({}, None),
    ],
)
def test_step_when_in_any_column_then_read(columns, step):
    assert read(**columns).step == step


@pytest.mark.parametrize(
    ("columns", "times"),
    [
        ({"average_time": "1 hour 15 minutes"}, ("1 hour 15 minutes", "", "")),
        ({"avg_time": "2 h"}, ("2 h", "", "")),
        ({"start_time": "0-1 Hour", "speed": "10K/Day"}, ("", "0-1 Hour", "10K/Day")),
        ({"average_time": " \u202e<b>1 hour</b>\n "}, ("<b>1 hour</b>", "", "")),
        ({"average_time": "x" * 500}, ("x" * 60, "", "")),
        ({"average_time": 75, "speed": "5000"}, ("", "", "")),
        ({"average_time": "Not enough data", "speed": "N/A", "start_time": "null"}, ("", "", "")),
        ({"average_time": {"a": 1}, "speed": ["x"], "start_time": True}, ("", "", "")),
        ({}, ("", "", "")),
    ],
)
def test_times_when_stated_then_cleaned_text(columns, times):
    row = read(**columns)
    assert (row.average_time, row.start_time, row.speed) == times


@pytest.mark.parametrize(
    ("columns", "days"),
    [
        ({"name": "A R30", "refill": True}, 30),
        ({"name": "A R30", "refill": False}, 30),
        ({"name": "A 30 days guarantee", "refill": "1"}, 30),
        ({"name": "A 30 days guarantee"}, None),
        ({"refill_days": 60, "name": "A R30"}, 60),
        ({"refill_days": "60"}, 60),
        ({"refill_period": "60 days"}, 60),
        ({"refill_days": "Lifetime"}, LIFETIME),
        ({"refill_days": 99_999}, LIFETIME),
        ({"refill_days": 0}, None),
        ({"refill_days": "no idea"}, None),
        ({"refill_days": [30]}, None),
    ],
)
def test_refill_days_when_stated_or_named_then_read(columns, days):
    assert read(**columns).refill_days == days


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("Custom Comment", "custom_comment"),
        ("Лайки", "лайки"),
        ("点赞", "点赞"),
        ("👍", "👍"),
        (5, "5"),
        ({"name": "Default"}, "default"),
        (None, ""),
        ("", ""),
        ("null", ""),
        (True, ""),
        (["Default"], ""),
        ("x" * 500, "x" * 60),
    ],
)
def test_type_word_when_any_value_then_a_slug(value, word):
    assert type_word({"type": value}) == word


def test_services_when_type_is_unknown_then_limits_may_lack():
    assert (read(type="paket", min=None, max=None).min, read(type="paket", max=None, min="1").max) == (1, 1)
    skipped = parse_services(json.dumps([{**ROW, "max": None}])).skipped
    assert [row.reason for row in skipped] == ["max is no quantity"]
