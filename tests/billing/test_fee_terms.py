"""The fee that a payer bears: exact for the sum that was asked, and monotone for any other."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing.fee_terms import MAX_FEE_BP, FeeTerms, read_fee_words
from panel.lib.money import CENT, MAX_MICROS, MICRO

FOUR_AND_TEN = FeeTerms(400, 10 * CENT)

terms = st.builds(FeeTerms, st.integers(0, MAX_FEE_BP), st.integers(0, 50 * MICRO))
amounts = st.integers(0, 10_000 * MICRO) | st.integers(0, 3 * CENT) | st.integers(0, MAX_MICROS)


@pytest.mark.parametrize(
    ("fee", "amount", "expected"),
    [
        (FeeTerms(), 20 * MICRO, 0),
        (FOUR_AND_TEN, 20 * MICRO, 90 * CENT),
        (FOUR_AND_TEN, 20 * MICRO + 1, 91 * CENT),
        (FeeTerms(290), 33 * MICRO + 333_333, 97 * CENT),
        (FeeTerms(0, 1), 20 * MICRO, CENT),
        (FeeTerms(1), 1, CENT),
    ],
)
def test_fee_when_not_in_whole_cents_then_rounded_up(fee, amount, expected):
    assert fee.fee_on(amount) == expected


@given(terms, amounts)
@example(FOUR_AND_TEN, 20 * MICRO)
@example(FeeTerms(MAX_FEE_BP, 1), 1)
def test_sum_when_paid_exactly_then_what_was_typed_is_added(fee, amount):
    assert fee.net_of(fee.to_pay(amount)) == amount
    assert fee.fee_of(fee.to_pay(amount)) == fee.fee_on(amount)
    assert fee.to_pay(amount) - amount >= (amount * fee.fee_bp) // 10_000 + fee.fee_fixed


@given(terms, amounts)
def test_net_when_anything_comes_in_then_the_most_that_pays_its_fee(fee, came_in):
    net = fee.net_of(came_in)
    assert 0 <= net <= came_in
    assert net == 0 or fee.to_pay(net) <= came_in
    assert fee.to_pay(net + 1) > came_in


@given(terms, amounts, st.integers(0, 3 * CENT))
@example(FOUR_AND_TEN, FOUR_AND_TEN.to_pay(20 * MICRO), CENT)
def test_net_when_more_comes_in_then_neither_it_nor_the_fee_falls(fee, came_in, more):
    assert fee.net_of(came_in + more) >= fee.net_of(came_in)
    assert fee.fee_of(came_in + more) >= fee.fee_of(came_in)
    assert fee.net_of(came_in) + fee.fee_of(came_in) == came_in


@given(terms, amounts, st.integers(-3, 3) | st.integers(-2 * CENT, 2 * CENT))
def test_fee_when_another_than_the_due_one_then_told_apart(fee, came_in, error):
    due = fee.fee_of(came_in)
    assert fee.is_fee_of(came_in, due)
    assert not error or not fee.is_fee_of(came_in, due + error)


@pytest.mark.parametrize(
    ("fee", "shown"),
    [
        (FeeTerms(), ""),
        (FeeTerms(400), "4%"),
        (FeeTerms(0, 10 * CENT), "$0.10"),
        (FOUR_AND_TEN, "4% + $0.10"),
        (FeeTerms(255, 123_456), "2.55% + $0.123456"),
    ],
)
def test_terms_when_shown_then_percent_and_fixed_part(fee, shown):
    assert fee.shown("USD") == shown
    assert bool(fee) == bool(shown)
    assert read_fee_words(fee.words()) == fee


@pytest.mark.parametrize("words", ["", "4", "4:", "-1:0", "1:2:3", "99999:0", "４:0", "1:0\n"])
def test_words_when_not_ours_then_none(words):
    assert read_fee_words(words) is None


def test_fee_when_the_currency_has_no_cents_then_rounded_up_to_a_whole(settings):
    settings.PANEL_CURRENCY = "JPY"
    fee = FeeTerms(250)
    assert [fee.fee_on(amount * MICRO) for amount in (1, 1_000, 1_001)] == [MICRO, 25 * MICRO, 26 * MICRO]
    assert fee.fee_of(fee.to_pay(1_001 * MICRO)) == 26 * MICRO
    assert read_fee_words(fee.words()) == fee
