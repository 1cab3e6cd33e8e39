"""Edits as plain data: terms after them, and undoing them. No database."""

from __future__ import annotations

import json

import pytest

from catalog.prices.edits import (
    Edit,
    check_disjoint,
    dump_edits,
    edits_by_service,
    grouped,
    load_edits,
    undo_edits,
)
from catalog.prices.edits import with_edits as terms_with
from catalog.prices.rules import (
    CategoryTerms,
    Margin,
    PanelTerms,
    PricedService,
    ProviderTerms,
    Terms,
    margin_for,
    priced,
)
from panel.lib.money import EXCHANGE_ONE

PANEL = PanelTerms(margin_bp=2_500, margin_fixed=0, minimum_margin_bp=1_000, price_step=100)
TERMS = Terms(PANEL, {1: ProviderTerms(EXCHANGE_ONE)}, {5: CategoryTerms()})
SOLD = PricedService(
    pk=7,
    upstream_id=70,
    provider_id=1,
    type="default",
    rate=2_000_000,
    name="Followers",
    category_id=5,
    margin_bp=None,
    margin_fixed=None,
    allow_below_minimum=False,
    is_on_sale=True,
    cost=2_000_000,
    price=2_500_000,
)


@pytest.mark.parametrize(
    ("edits", "margin", "cost", "price"),
    [
        ([], Margin(2_500, 0, "panel"), 2_000_000, 2_500_000),
        ([Edit("panel", (1,), {"margin_bp": 5_000})], Margin(5_000, 0, "panel"), 2_000_000, 3_000_000),
        ([Edit("panel", (1,), {"price_step": 1_000_000})], Margin(2_500, 0, "panel"), 2_000_000, 3_000_000),
        ([Edit("panel", (1,), {"minimum_margin_bp": 9_000})], Margin(2_500, 0, "panel"), 2_000_000, 3_800_000),
        ([Edit("provider", (1,), {"margin_bp": 4_000})], Margin(4_000, 0, "provider"), 2_000_000, 2_800_000),
        (
            [Edit("provider", (1,), {"exchange_rate": 2 * EXCHANGE_ONE})],
            Margin(2_500, 0, "panel"),
            4_000_000,
            5_000_000,
        ),
        (
            [Edit("provider", (1,), {"margin_bp": 4_000}), Edit("category", (5,), {"margin_fixed": 300_000})],
            Margin(0, 300_000, "category"),
            2_000_000,
            2_300_000,
        ),
        (
            [Edit("category", (5,), {"margin_bp": 9_000}), Edit("service", (7,), {"margin_bp": 0})],
            Margin(0, 0, "service"),
            2_000_000,
            2_200_000,  # the minimum margin of 10%
        ),
        (
            [Edit("service", (7,), {"margin_bp": 0, "allow_below_minimum": True})],
            Margin(0, 0, "service"),
            2_000_000,
            2_000_000,  # below the minimum margin, but not below the cost
        ),
    ],
)
def test_edit_when_set_at_a_level_then_nearest_level_applies(edits, margin, cost, price):
    terms = terms_with(TERMS, edits)
    sold = SOLD._replace(**edits_by_service(edits).get(7, {}))
    assert margin_for(sold, terms) == margin
    after = priced(sold, terms)
    assert (after.cost, after.price) == (cost, price)


def test_edit_when_target_is_unknown_then_nothing_else_changes():
    edits = [Edit("provider", (99,), {"margin_bp": 1}), Edit("category", (99,), {"margin_bp": 1})]
    assert terms_with(TERMS, edits) == TERMS


@pytest.mark.parametrize(
    ("kind", "values"),
    [("service", {"price": 1}), ("service", {"cost": 0}), ("provider", {"api_url": "x"}), ("panel", {})],
)
def test_edit_when_column_is_not_allowed_then_refused(kind, values):
    with pytest.raises(ValueError, match="cannot be set"):
        Edit(kind, (1,), values)


def test_edits_when_a_column_is_set_twice_then_refused():
    one = Edit("service", (1, 2), {"margin_bp": 1})
    check_disjoint([one, Edit("service", (1, 2), {"margin_fixed": 1}), Edit("category", (1,), {"margin_bp": 1})])
    with pytest.raises(ValueError, match="twice"):
        check_disjoint([one, Edit("service", (2,), {"margin_bp": 1})])


def test_edits_when_stored_as_json_then_loaded_unchanged():
    edits = [Edit("service", (1, 2), {"margin_bp": None, "name": "é ' \" \\", "is_on_sale": False})]
    assert load_edits(json.loads(json.dumps(dump_edits(edits)))) == edits


def test_grouped_when_values_equal_then_one_edit_and_zero_not_none():
    rows = [(1, {"margin_bp": 0}), (2, {"margin_bp": None}), (3, {"margin_bp": 0}), (4, {})]
    assert grouped("service", rows) == [
        Edit("service", (1, 3), {"margin_bp": 0}),
        Edit("service", (2,), {"margin_bp": None}),
    ]


def test_still_standing_when_a_value_was_set_since_then_it_is_kept():
    edits = [Edit("service", (1, 2, 3), {"margin_bp": 500, "margin_fixed": None})]
    before = [
        Edit("service", (1, 2), {"margin_bp": None, "margin_fixed": 7}),
        Edit("service", (3,), {"margin_bp": 9, "margin_fixed": 7}),
    ]
    now = [
        Edit("service", (1,), {"margin_bp": 500, "margin_fixed": None}),
        Edit("service", (2,), {"margin_bp": 600, "margin_fixed": None}),  # one of its two values was set again
    ]  # service 3 is gone
    back, left = undo_edits(edits=edits, before=before, now=now)
    assert back == [
        Edit("service", (1,), {"margin_bp": None, "margin_fixed": 7}),
        Edit("service", (2,), {"margin_fixed": 7}),
    ]
    assert left == 2


def test_still_standing_when_nothing_differs_then_nothing_to_undo():
    # It was to go on sale, but has no price.
    on_sale, off_sale = ([Edit("service", (1,), {"is_on_sale": value})] for value in (True, False))
    assert undo_edits(edits=on_sale, before=off_sale, now=off_sale) == ([], 0)
