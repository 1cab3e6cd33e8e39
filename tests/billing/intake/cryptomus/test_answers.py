"""How much of an answer is money: each status, each figure, each doubt."""

from __future__ import annotations

from decimal import Decimal

import pytest

from billing.intake.doors.cryptomus.answers import EFFECTS, read_invoice, seen_in
from billing.intake.gateways import Effect, GatewayError

ANSWER = {
    "uuid": "62f88b36-a9d5-4fa6-aa26-e040c3dbf26d",
    "order_id": "panel-7-3c9a",
    "amount": "20.00",
    "currency": "USD",
    "payment_amount": "5.00000000",
    "payment_amount_usd": "20.00",
    "payer_amount": "5.00000000",
    "payer_currency": "LTC",
    "network": "ltc",
    "address": None,
    "status": "paid",
    "payment_status": "paid",
    "url": "https://pay.cryptomus.com/pay/62f8",
    "expired_at": 1_793_530_809,
    "is_final": True,
    "created_at": "2026-11-01T10:00:00+03:00",
}
CREDIT, WAIT, NEVER, HOLD, REVERSE = Effect.CREDIT, Effect.WAIT, Effect.NEVER, Effect.HOLD, Effect.REVERSE


def answer(**changes):
    return ANSWER | changes


def seen(**changes):
    return seen_in(read_invoice(answer(**changes)))


@pytest.mark.parametrize(
    ("status", "effect"),
    [
        ("check", WAIT),
        ("process", WAIT),
        ("confirm_check", WAIT),
        ("wrong_amount_waiting", WAIT),
        ("paid", CREDIT),
        ("paid_over", CREDIT),
        ("wrong_amount", CREDIT),
        ("system_fail", HOLD),
        ("locked", HOLD),
        ("refund_process", REVERSE),
        ("refund_paid", REVERSE),
        ("refund_fail", REVERSE),
    ],
)
def test_status_when_money_came_then_its_effect(status, effect):
    found = seen(status=status)
    assert (found.effect, found.came_in, found.currency) == (effect, 20_000_000, "USD")
    assert found.external_id == ANSWER["uuid"]


@pytest.mark.parametrize("status", ["cancel", "fail"])
def test_status_when_it_ended_without_money_then_nothing(status):
    found = seen(status=status, payment_amount="0.00", payment_amount_usd=None)
    assert (found.effect, found.came_in) == (NEVER, 0)


@pytest.mark.parametrize("status", ["cancel", "fail"])
def test_status_when_it_ended_but_names_money_then_held(status):
    assert (seen(status=status).effect, seen(status=status).came_in) == (HOLD, 20_000_000)


@pytest.mark.parametrize("status", [status for status, effect in EFFECTS.items() if effect is WAIT])
def test_status_when_it_waits_and_nothing_came_then_no_payment(status):
    assert seen(status=status, payment_amount=None, payment_amount_usd=None) is None


@pytest.mark.parametrize("status", ["paid_later", "PAID", "paid "])
def test_status_when_unknown_then_waits_and_is_held_once_it_is_over(status):
    future = {"is_final": False, "expired_at": 4_000_000_000}
    assert seen(status=status, **future).effect is WAIT
    assert seen(status=status, is_final=False, expired_at=1_600_000_000).effect is HOLD
    assert seen(status=status, is_final=True, expired_at=4_000_000_000).effect is HOLD
    assert seen(status=status, payment_amount=None) is None


@pytest.mark.parametrize(
    ("status", "paid", "usd", "came_in"),
    [
        ("paid", "4.99990000", "20.00", 20_000_000),
        ("paid", "5.00000000", None, 20_000_000),
        ("paid_over", "6.25000000", "25.00", 25_000_000),
        ("wrong_amount", "1.87500000", "7.50", 7_500_000),
        ("wrong_amount", "1.66666666", "6.70", 6_666_666),
        ("wrong_amount", "0.00250000", "0.00", 10_000),
        ("wrong_amount", 1, "4.00", 4_000_000),
        ("wrong_amount", Decimal("1.0"), Decimal("4.0"), 4_000_000),
    ],
)
def test_figure_when_it_adds_up_then_credited_rounded_down(status, paid, usd, came_in):
    found = seen(status=status, payment_amount=paid, payment_amount_usd=usd)
    assert (found.effect, found.came_in) == (CREDIT, came_in)


def test_figure_when_just_below_a_whole_unit_then_never_rounded_up():
    amounts = {"payment_amount": "0.99999999999999999999999999999999999", "payer_amount": "1"}
    assert seen(status="wrong_amount", payment_amount_usd="20.00", **amounts).came_in == 19_999_999


@pytest.mark.parametrize(
    ("changes", "came_in"),
    [
        ({"status": "paid", "payment_amount_usd": "19.30"}, 19_300_000),
        ({"status": "paid", "payment_amount_usd": "0.00"}, 20_000_000),
        ({"status": "paid", "payment_amount": None, "payment_amount_usd": None}, 20_000_000),
        ({"status": "paid", "payment_amount": "0.00000000"}, 20_000_000),
        ({"status": "paid_over", "payment_amount": "50.00", "payment_amount_usd": "25.00"}, 25_000_000),
        ({"status": "paid_over", "payment_amount": "6.25", "payment_amount_usd": "250.00"}, 25_000_000),
        ({"status": "paid_over", "payment_amount_usd": None}, 20_000_000),
        ({"status": "wrong_amount", "payment_amount": "1", "payment_amount_usd": "4.13"}, 4_000_000),
        ({"status": "wrong_amount", "payment_amount": "1", "payment_amount_usd": None}, 4_000_000),
        ({"status": "wrong_amount", "payer_amount": None}, 20_000_000),
        ({"status": "wrong_amount", "payer_amount": "0.00"}, 20_000_000),
        ({"status": "wrong_amount", "currency": "EUR", "payment_amount": "1", "payment_amount_usd": "4.00"}, 4_000_000),
        ({"status": "paid_over", "currency": "EUR", "payment_amount": "6", "payment_amount_usd": "24.00"}, 24_000_000),
    ],
)
def test_figure_when_in_doubt_then_held_with_the_least_of_it(changes, came_in):
    found = seen(**changes)
    assert (found.effect, found.came_in) == (HOLD, came_in)
    assert "Look at the gateway" in found.words and len(found.words) <= 300


def test_figure_when_paid_in_another_currency_then_the_amount_itself():
    assert (seen(currency="EUR").effect, seen(currency="EUR").came_in) == (CREDIT, 20_000_000)


@pytest.mark.parametrize(
    "changes",
    [
        {"uuid": None},
        {"uuid": 7},
        {"uuid": "\u0000"},
        {"uuid": "x" * 129},
        {"order_id": ""},
        {"status": None, "payment_status": None},
        {"currency": "Ðogecoin"},
        {"amount": None},
        {"amount": "0.00"},
        {"amount": "-20.00"},
        {"amount": -20},
        {"payment_amount": Decimal("-5.0")},
        {"amount": "20,00"},
        {"amount": "2e1"},
        {"amount": "1_000"},
        {"amount": "٢٠"},
        {"amount": "."},
        {"amount": True},
        {"amount": []},
        {"amount": "9" * 41},
        {"amount": Decimal("1E+999999999")},
        {"amount": 10**2_000},
        {"payment_amount": "NaN"},
        {"payment_amount": {}},
        {"payer_amount": Decimal("1E-999999999")},
        {"status": "paid_over", "payment_amount": "9" * 30, "payment_amount_usd": None},
    ],
)
def test_answer_when_money_cannot_be_read_then_an_error(changes):
    with pytest.raises(GatewayError):
        seen(**changes)


@pytest.mark.parametrize("found", [None, [], "paid", 7, {}])
def test_answer_when_without_an_invoice_then_an_error(found):
    with pytest.raises(GatewayError):
        read_invoice(found)


@pytest.mark.parametrize("moment", [None, "soon", -1, True, 10**30, Decimal("1.5")])
def test_expiry_when_it_cannot_be_read_then_unknown(moment):
    assert read_invoice(answer(expired_at=moment)).expires_at is None


def test_details_when_a_coin_was_chosen_then_where_to_pay():
    assert read_invoice(answer()).details == {}
    assert read_invoice(answer(address="ltc1q", network=None)).details == {
        "coin": "LTC",
        "address": "ltc1q",
        "amount": "5.00000000",
    }
