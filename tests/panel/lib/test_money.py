"""Money, by tables and by properties that hold for every amount."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panel.lib.money import (
    BASIS,
    EXCHANGE_ONE,
    MAX_MICROS,
    MICRO,
    MoneyError,
    charge_for,
    convert_back_up,
    convert_up,
    exact_micros,
    format_money,
    format_money_up,
    format_plain,
    micros_down,
    micros_up,
    parse_decimal,
    parse_money,
    price_from_cost,
    refund_for,
    scale,
)

amounts = st.integers(-MAX_MICROS, MAX_MICROS)
prices = st.integers(1, MAX_MICROS)
quantities = st.integers(1, 10**9)

# -- reading what a person typed ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("0", 0),
        ("-0", 0),
        ("12", 12_000_000),
        ("12.", 12_000_000),
        (".5", 500_000),
        ("12.50", 12_500_000),
        ("  12.50\n", 12_500_000),
        ("0.000001", 1),
        ("-0.41", -410_000),
        ("007", 7_000_000),
        ("1,250.00", 1_250_000_000),
        ("1,250", 1_250_000_000),
        ("-12,345,678.9", -12_345_678_900_000),
        ("0.1000000000", 100_000),
        ("1,000,000,000", MAX_MICROS),
        ("-1000000000.000000", -MAX_MICROS),
    ],
)
def test_parse_money_when_plain_number_then_exact_micros(text, micros):
    assert parse_money(text) == micros


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-",
        ".",
        ",",
        "-.",
        "abc",
        "NaN",
        "nan",
        "sNaN",
        "Infinity",
        "-inf",
        "1e5",
        "1E5",
        "0x10",
        "+5",
        "--5",
        "1-2",
        "5-",
        "1.2.3",
        "1 250",
        "1_000",
        "$5",
        "5 USD",
        "１２",  # full-width digits
        "٣",  # an Arabic digit
        "−5",  # a minus sign outside ASCII
        "1\x00",
        "0.0000001",  # a seventh place is refused, not rounded
        "12.3456789",
        "1000000000.000001",
        "-1,000,000,000.000001",
        "9" * 30,
        "0." + "0" * 29,
        "1" * 31,
    ],
)
def test_parse_money_when_not_a_plain_number_then_refused(text):
    with pytest.raises(MoneyError):
        parse_money(text)


@pytest.mark.parametrize(
    "text", ["12,50", "0,5", "0,500", "1,2,3", "1,,000", ",500", "1000,000", "1.250,00", "1,25.00", "5,"]
)
def test_parse_money_when_comma_groups_no_thousands_then_refused(text):
    # "12,50" is twelve and a half in half of the world; read as 1,250 it would credit a hundredfold.
    with pytest.raises(MoneyError):
        parse_money(text)


def test_parse_decimal_when_text_is_a_megabyte_then_refused_unread(monkeypatch):
    monkeypatch.setattr("panel.lib.money._TYPED", None)
    with pytest.raises(MoneyError):
        parse_decimal("1" * 2_000_000)


@given(st.text(alphabet="0123456789.,-eE+ NaIinf１٣_", max_size=40))
def test_parse_money_when_text_is_arbitrary_then_in_range_or_error(text):
    try:
        micros = parse_money(text)
    except MoneyError:
        return
    assert type(micros) is int
    assert abs(micros) <= MAX_MICROS


@given(amounts)
def test_format_plain_when_parsed_again_then_the_same_amount(micros):
    assert parse_money(format_plain(micros)) == micros
    assert exact_micros(Decimal(micros).scaleb(-6)) == micros


# -- numbers from a provider -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "up", "down"),
    [
        ("2.35", 2_350_000, 2_350_000),
        ("0.0000001", 1, 0),
        ("1.0000001", 1_000_001, 1_000_000),
        ("-0.0000001", 0, -1),
        ("1E-30", 1, 0),
        ("1E-40", 1, 0),
        ("0E+999999", 0, 0),
        ("0E-999999", 0, 0),
        ("1E+9", MAX_MICROS, MAX_MICROS),
        ("0.33333333333333333333333333333333333333", 333_334, 333_333),
    ],
)
def test_micros_when_more_places_then_cost_up_and_balance_down(amount, up, down):
    assert (micros_up(Decimal(amount)), micros_down(Decimal(amount))) == (up, down)


@pytest.mark.parametrize(
    "amount",
    [
        *("NaN", "sNaN", "-NaN", "Infinity", "-Infinity"),
        *("1E+999999", "-1E+999999", "1E-999999", "1E+999999999999999999", "1E-41", "1E+19"),
        *("1000000000.0000001", "-1000000000.0000001", "1E+10"),
    ],
)
def test_scale_when_amount_hostile_then_rejected_not_multiplied(amount):
    tracemalloc.start()
    try:
        for convert in (micros_up, micros_down, exact_micros, lambda value: scale(value, MICRO)):
            with pytest.raises(MoneyError):
                convert(Decimal(amount))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_scale_when_limit_is_given_then_it_applies():
    assert scale(Decimal("1.5"), 100, limit=150) == 150
    with pytest.raises(MoneyError):
        scale(Decimal("1.51"), 100, limit=150)


@given(st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, allow_infinity=False))
def test_micros_when_rounded_up_and_down_then_they_enclose_amount(amount):
    if amount and amount.adjusted() < -40:
        return
    low, high = micros_down(amount), micros_up(amount)
    assert low <= high <= low + 1
    assert Decimal(low) <= scale(amount, MICRO) <= Decimal(high)


# -- showing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0"),
        (1, "0.000001"),
        (2_680, "0.00268"),
        (2_350_000, "2.35"),
        (10_000_000, "10"),
        (-410_000, "-0.41"),
        (-1, "-0.000001"),
        (1_234_567_890_000, "1234567.89"),
        (MAX_MICROS, "1000000000"),
        (-MAX_MICROS, "-1000000000"),
    ],
)
def test_format_plain_when_written_then_shortest_without_exponent(micros, text):
    assert format_plain(micros) == text


@pytest.mark.parametrize(
    ("micros", "text", "exact"),
    [
        (0, "$0.00", "$0.00"),
        (1, "$0.0001", "$0.000001"),
        (149, "$0.0001", "$0.000149"),
        (2_680, "$0.0027", "$0.00268"),
        (-2_680, "−$0.0027", "−$0.00268"),
        (5_000, "$0.005", "$0.005"),
        (9_949, "$0.0099", "$0.009949"),
        (9_950, "$0.01", "$0.00995"),
        (10_000, "$0.01", "$0.01"),
        (14_999, "$0.01", "$0.014999"),
        (500_000, "$0.50", "$0.50"),
        (999_999, "$1.00", "$0.999999"),
        (1_000_000, "$1.00", "$1.00"),
        (1_004_999, "$1.00", "$1.004999"),
        (1_005_000, "$1.01", "$1.005"),
        (1_994_999, "$1.99", "$1.994999"),
        (1_995_000, "$2.00", "$1.995"),
        (9_999_999, "$10.00", "$9.999999"),
        (-410_000, "−$0.41", "−$0.41"),
        (-1_995_000, "−$2.00", "−$1.995"),
        (1_250_000_000, "$1,250.00", "$1,250.00"),
        (MAX_MICROS, "$1,000,000,000.00", "$1,000,000,000.00"),
    ],
)
def test_format_money_when_below_a_cent_then_up_to_four_places(micros, text, exact):
    assert format_money(micros, "USD") == text
    assert format_money(micros, "USD", exact=True) == exact


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "$0.00"),
        (1, "$0.0001"),
        (2_610, "$0.0027"),
        (9_901, "$0.01"),
        (10_001, "$0.02"),
        (4_875_000, "$4.88"),
        (4_870_001, "$4.88"),
        (4_870_000, "$4.87"),
        (999_990_001, "$1,000.00"),
        (-2_610, "−$0.0027"),
    ],
)
def test_format_money_up_when_there_is_more_than_shown_then_rounded_up(micros, text):
    assert format_money_up(micros, "USD") == text


@given(st.integers(min_value=0, max_value=MAX_MICROS))
def test_format_money_up_when_read_back_then_never_below_the_amount(micros):
    shown = parse_money(format_money_up(micros, "USD").removeprefix("$"))
    assert 0 <= shown - micros < (10_000 if micros >= 10_000 else 100)


@pytest.mark.parametrize(
    ("currency", "text"), [("EUR", "€1,250.00"), ("BRL", "R$1,250.00"), ("CHF", "1,250.00 CHF"), ("", "1,250.00 ")]
)
def test_format_money_when_currency_lacks_symbol_then_code_follows(currency, text):
    assert format_money(1_250_000_000, currency) == text


@given(amounts.filter(bool))
def test_format_money_when_amount_is_not_zero_then_not_shown_as_zero(micros):
    assert any(digit in "123456789" for digit in format_money(micros, "USD"))
    assert (format_money(micros, "USD")[0] == "−") == (micros < 0)


# -- prices ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "margin_bp", "margin_fixed", "step", "price"),
    [
        (2_000_000, 2_500, 0, 1, 2_500_000),
        (2_000_000, 0, 0, 1, 2_000_000),
        (2_000_000, 2_500, 100_000, 1, 2_600_000),
        (77_000, 2_500, 0, 100, 96_300),  # 96,250, up to the step
        (77_000, 2_500, 0, 10_000, 100_000),
        (1, 1, 0, 1, 2),  # 1.0001
        (1, 0, 0, 1_000, 1_000),
        (0, 2_500, 0, 100, 0),
        (0, 2_500, 1, 100, 100),
        (333_333, 3_333, 0, 1, 444_433),  # 444,432.8889
        (MAX_MICROS, 0, 0, 1, MAX_MICROS),
    ],
)
def test_price_from_cost_when_margin_is_added_then_rounded_up(cost, margin_bp, margin_fixed, step, price):
    assert price_from_cost(cost, margin_bp=margin_bp, margin_fixed=margin_fixed, step=step) == price


@pytest.mark.parametrize(
    ("cost", "margin_bp", "margin_fixed", "step"),
    [
        (MAX_MICROS, 1, 0, 1),
        (MAX_MICROS, 0, 1, 1),
        (MAX_MICROS - 1, 0, 0, 999_999_937),  # only the step exceeds the limit
        (MAX_MICROS, 10_000_000, MAX_MICROS, 1_000_000_000),
        (-1_000, 0, 0, 1),
    ],
)
def test_price_from_cost_when_out_of_range_then_refused(cost, margin_bp, margin_fixed, step):
    with pytest.raises(MoneyError):
        price_from_cost(cost, margin_bp=margin_bp, margin_fixed=margin_fixed, step=step)


@given(
    cost=st.integers(0, 10**11),
    margin_bp=st.integers(0, 1_000_000),
    fixed=st.integers(0, 10**11),
    step=st.integers(1, 10**9),
)
def test_price_from_cost_when_stepped_then_rounded_up_to_a_step(cost, margin_bp, fixed, step):
    price = price_from_cost(cost, margin_bp=margin_bp, margin_fixed=fixed, step=step)
    exact = Decimal(cost) * (BASIS + margin_bp) / BASIS + fixed
    assert price % step == 0
    assert exact <= price < exact + step
    assert price >= cost


@pytest.mark.parametrize(
    ("micros", "rate", "converted"),
    [
        (2_000_000, EXCHANGE_ONE, 2_000_000),
        (70_000, 1_100_000_000_000, 77_000),
        (1, 1, 1),  # never free
        (1_000_000, 12_000_000_000, 12_000),
        (3, EXCHANGE_ONE // 3, 1),
        (0, EXCHANGE_ONE, 0),
        (MAX_MICROS, EXCHANGE_ONE, MAX_MICROS),
    ],
)
def test_convert_up_when_converted_then_rounded_up(micros, rate, converted):
    assert convert_up(micros, rate) == converted


@pytest.mark.parametrize(("micros", "rate"), [(MAX_MICROS, EXCHANGE_ONE + 1), (1_000_000_001, 10**18)])
def test_convert_up_when_out_of_range_then_refused(micros, rate):
    with pytest.raises(MoneyError):
        convert_up(micros, rate)


@pytest.mark.parametrize(
    ("micros", "rate", "converted"),
    [
        (2_000_000, EXCHANGE_ONE, 2_000_000),
        (77_000, 1_100_000_000_000, 70_000),
        (12_000, 12_000_000_000, 1_000_000),
        (1, 10**18, 1),  # never free
        (1, 3 * EXCHANGE_ONE, 1),
        (0, EXCHANGE_ONE, 0),
        (MAX_MICROS, EXCHANGE_ONE, MAX_MICROS),
    ],
)
def test_convert_back_up_when_converted_then_rounded_up(micros, rate, converted):
    assert convert_back_up(micros, rate) == converted


@given(micros=st.integers(0, 10**9), rate=st.integers(10**9, 10**15))
def test_convert_back_up_when_rounded_then_least_sufficient_amount(micros, rate):
    back = convert_back_up(micros, rate)
    assert back * rate >= micros * EXCHANGE_ONE > (back - 1) * rate


def test_convert_back_up_when_out_of_range_then_refused():
    with pytest.raises(MoneyError):
        convert_back_up(MAX_MICROS, EXCHANGE_ONE - 1)


# -- charges and refunds -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("per_1000", "quantity", "charge"),
    [
        (2_500_000, 1_000, 2_500_000),
        (2_500_000, 1, 2_500),
        (96_300, 50, 4_815),
        (1_125_000, 333, 374_625),
        (1, 1, 1),  # a thousandth of a micro-unit is charged as one
        (999, 1, 1),
        (1_001, 1, 2),
        (0, 1_000, 0),
        (MAX_MICROS, 10**9, 10**21),  # refusing what no wallet holds is up to the caller
    ],
)
def test_charge_for_when_a_fraction_then_rounded_up(per_1000, quantity, charge):
    assert charge_for(per_1000, quantity) == charge


@given(per_1000=prices, quantity=quantities)
def test_charge_for_when_price_positive_then_rounded_up_to_a_micro(per_1000, quantity):
    charge = charge_for(per_1000, quantity)
    assert type(charge) is int
    assert charge > 0
    assert per_1000 * quantity <= charge * 1000 < per_1000 * quantity + 1000


@given(cost=prices, extra=st.integers(0, 10**12), quantity=quantities)
def test_charge_for_when_price_covers_cost_then_charge_covers_cost(cost, extra, quantity):
    assert charge_for(cost + extra, quantity) >= charge_for(cost, quantity)


@pytest.mark.parametrize(
    ("charge", "undelivered", "quantity", "refund"),
    [
        (2_500_000, 157, 1_000, 392_500),
        (2_500_000, 0, 1_000, 0),
        (2_500_000, 1_000, 1_000, 2_500_000),
        (100, 1, 3, 33),
        (100, 2, 3, 66),
        (100, 3, 3, 100),
        (1, 999, 1_000, 0),
        (374_625, 1, 333, 1_125),
        # Never above the charge, and never a debit, whatever remains the provider reports.
        (2_500_000, 150, 100, 2_500_000),
        (2_500_000, 10**15, 100, 2_500_000),
        (2_500_000, -10, 100, 0),
        (2_500_000, -(10**15), 100, 0),
    ],
)
def test_refund_for_when_a_fraction_then_rounded_down_and_clamped(charge, undelivered, quantity, refund):
    assert refund_for(charge, undelivered=undelivered, quantity=quantity) == refund


@given(charge=prices, quantity=quantities, undelivered=st.integers(-(10**15), 10**15))
def test_refund_for_when_any_input_then_between_zero_and_charge(charge, quantity, undelivered):
    refund = refund_for(charge, undelivered=undelivered, quantity=quantity)
    assert type(refund) is int
    assert 0 <= refund <= charge
    if 0 <= undelivered <= quantity:
        assert refund * quantity <= charge * undelivered < (refund + 1) * quantity


@given(charge=prices, parts=st.lists(st.integers(0, 10**6), min_size=1, max_size=20), delivered=st.integers(0, 10**6))
def test_refund_for_when_refunded_in_parts_then_at_most_the_whole(charge, parts, delivered):
    quantity = max(1, sum(parts) + delivered)
    refunds = [refund_for(charge, undelivered=part, quantity=quantity) for part in parts]
    whole = refund_for(charge, undelivered=sum(parts), quantity=quantity)
    assert sum(refunds) <= whole <= charge


@given(per_1000=prices, quantity=quantities, first=st.integers(0, 10**9), second=st.integers(0, 10**9))
def test_refund_for_when_more_remains_then_refund_is_not_less(per_1000, quantity, first, second):
    charge = charge_for(per_1000, quantity)
    low, high = sorted((first, second))
    assert refund_for(charge, undelivered=low, quantity=quantity) <= refund_for(
        charge, undelivered=high, quantity=quantity
    )
