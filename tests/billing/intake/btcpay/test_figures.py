"""What the statuses and figures of BTCPay Server mean, and how invoices are created, found and listed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.intake.doors import btcpay
from billing.intake.doors.btcpay import BTCPay, effect_of
from billing.intake.gateways import Effect, GatewayError, GatewayRefused
from panel.lib.money import MICRO
from tests.gateway import greenfield
from tests.gateway.contract import ASKED

BTC = {"rates": {"BTC-CHAIN": "64516.1"}}

door = BTCPay()


@pytest.mark.parametrize(
    ("invoice", "settled"),
    [
        *((status, Effect.CREDIT) for status in ("New", "Processing", "Settled", "Expired")),
        *((status, Effect.HOLD) for status in ("Invalid", "SomethingNew", "")),
    ],
)
def test_effect_when_payment_is_settled_then_by_its_invoice(invoice, settled):
    assert effect_of(invoice, "Settled") is settled
    assert effect_of(invoice, "Processing") is effect_of(invoice, "SomethingNew") is Effect.WAIT
    assert effect_of(invoice, "Invalid") is Effect.REVERSE


def seen(asked, world):
    return [(one.came_in, one.effect) for one in door.read(asked, world.credentials).seen]


@pytest.mark.parametrize(
    ("status", "additional", "payments", "expected"),
    [
        ("New", "None", [], []),
        ("Processing", "None", [("0.00031", "Processing")], [(19_999_991, Effect.WAIT)]),
        ("Settled", "None", [("0.00031", "Settled")], [(19_999_991, Effect.CREDIT)]),
        ("Settled", "PaidOver", [("0.001", "Settled")], [(64_516_100, Effect.CREDIT)]),
        ("Settled", "PaidLate", [("0.00031", "Settled")], [(19_999_991, Effect.CREDIT)]),
        ("Settled", "Marked", [], []),
        ("Settled", "Marked", [("0.00031", "Processing")], [(19_999_991, Effect.WAIT)]),
        ("Settled", "Marked", [("0.0001", "Settled")], [(6_451_610, Effect.CREDIT)]),
        ("Expired", "None", [], []),
        ("Expired", "PaidPartial", [("0.0001", "Settled")], [(6_451_610, Effect.CREDIT)]),
        ("Expired", "PaidLate", [("0.00031", "Settled")], [(19_999_991, Effect.CREDIT)]),
        ("Invalid", "None", [("0.00031", "Settled")], [(19_999_991, Effect.HOLD)]),
        ("Invalid", "Marked", [], []),
        ("Settled", "None", [("0.00031", "Invalid")], [(19_999_991, Effect.REVERSE)]),
        ("SomethingNew", "None", [("0.00031", "Settled")], [(19_999_991, Effect.HOLD)]),
    ],
)
def test_read_when_invoice_stands_so_then_so(world, books, asked, status, additional, payments, expected):
    bill = books.by_ref(ASKED.our_ref)
    bill.rates = BTC["rates"]
    bill.payments = [
        greenfield.Coins(f"{n}-0", value, way="BTC-CHAIN", status=was) for n, (value, was) in enumerate(payments)
    ]
    bill.status, bill.additional = status, additional
    assert seen(asked, world) == expected


def test_read_when_the_store_adds_a_network_fee_then_without_it(world, books, asked):
    books.send(ASKED.our_ref, "10.5", fee="0.5")
    books.send(ASKED.our_ref, "0.3", fee="0.5")
    assert seen(asked, world) == [(20 * MICRO, Effect.CREDIT), (0, Effect.CREDIT)]


def test_read_when_digits_are_many_then_rounded_down_once(world, books, asked):
    books.by_ref(ASKED.our_ref).rates = {"LTC-CHAIN": "84.2155555555555555555555555"}
    books.send(ASKED.our_ref, "0.123456789012345678")
    books.send(ASKED.our_ref, "0.000000000000000001")
    books.by_ref(ASKED.our_ref).rates["USDT-CHAIN"] = "1"
    books.send(ASKED.our_ref, f"19.{'9' * 36}", way="USDT-CHAIN")
    # 0.123456789012345678 × 84.2155… = 10.3969820…
    found = [(books.by_ref(ASKED.our_ref).worth(one), Effect.CREDIT) for one in paid_of(books)]
    assert seen(asked, world) == found and [worth for worth, _ in found] == [10_396_982, 0, 19_999_999]


def paid_of(books):
    return books.by_ref(ASKED.our_ref).payments


@pytest.mark.parametrize("field", ["value", "fee"])
@pytest.mark.parametrize("wrong", ["NaN", "Infinity", "-1", "1E+9999", "1e", "", "9" * 41, [0, [1], 0], {}])
def test_read_when_a_figure_cannot_be_then_unknown_and_nothing_given(monkeypatch, world, books, asked, field, wrong):
    books.send(ASKED.our_ref, "1")
    setattr(paid_of(books)[0], field, wrong)
    # Its own books cannot say what it is worth.
    monkeypatch.setattr(greenfield.Bill, "worth", lambda *_: 0)
    with pytest.raises(GatewayError):
        door.read(asked, world.credentials)


def test_read_when_a_payment_has_no_rate_then_unknown(world, books, asked):
    books.send(ASKED.our_ref, "1")
    books.by_ref(ASKED.our_ref).rates = {"LTC-CHAIN": "0"}
    with pytest.raises(GatewayError, match="rate"):
        door.read(asked, world.credentials)


def test_read_when_it_answers_with_another_invoice_then_unknown(world, books, asked):
    books.invoices[asked.external_id].id = "other"
    with pytest.raises(GatewayError, match="another invoice"):
        door.read(asked, world.credentials)


def test_create_when_asked_then_never_at_once_and_paid_on_the_owners_site(world, books):
    created = door.create(ASKED, world.credentials)
    bill = books.invoices[created.external_id]
    assert created.url == f"https://pay.example.com/i/{bill.id}"
    assert created.expires_at.timestamp() == int(bill.at) + 3600
    assert (bill.amount, bill.currency, bill.ref) == ("20", "USD", ASKED.our_ref)
    assert bill.checkout["speedPolicy"] == "MediumSpeed" and bill.checkout["paymentTolerance"] == 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"key": "wrong"}, "does not know the API key"),
        ({"store": "Other"}, "store was not found"),
        ({"site": ""}, "not https"),
    ],
)
def test_create_when_the_credentials_are_wrong_then_a_clear_no(world, changed, words):
    with pytest.raises(GatewayRefused, match=words):
        door.create(ASKED, {**world.credentials, **changed})


def test_look_up_when_two_have_our_reference_then_always_the_first(world, books):
    first = door.create(ASKED, world.credentials)
    books.by_ref(ASKED.our_ref).at -= 10
    door.create(ASKED, world.credentials)
    assert door.look_up(ASKED, world.credentials).external_id == first.external_id


def test_look_up_when_the_server_finds_like_ones_then_only_the_exact(world, books, monkeypatch):
    books.create(ASKED.our_ref + "0", "20")
    monkeypatch.setattr(
        greenfield._Handler, "listed", lambda self, query: [self.shown(b) for b in books.invoices.values()]
    )
    assert door.look_up(ASKED, world.credentials) is None


def test_read_when_payments_are_many_then_two_questions(world, books, asked):
    for _ in range(5):
        books.pay(ASKED.our_ref, "1")
    before = books.calls["invoice"]
    door.read(asked, world.credentials)
    assert books.calls["invoice"] - before == 2


# -- its list ----------------------------------------------------------------------------------------------


def test_list_when_pages_are_many_then_each_payment_once(monkeypatch, world, books):
    monkeypatch.setattr(btcpay, "PAGE", 2)
    for number in range(5):
        books.create(f"panel-{number}-x", "20")
        books.pay(f"panel-{number}-x", "20")
    now = timezone.now()
    listed = door.list_payments(now - timedelta(hours=1), now + timedelta(hours=1), world.credentials)
    assert sorted(one.our_ref for one in listed) == [f"panel-{number}-x" for number in range(5)]


def test_list_when_paid_late_then_on_the_day_of_the_payment(world, books):
    books.create("panel-1-x", "20").at -= 24 * 3600
    books.pay("panel-1-x", "20")
    now = timezone.now()
    hours = [(now - timedelta(hours=one + 1), now - timedelta(hours=one - 1)) for one in (24, 0)]
    assert [len(door.list_payments(*period, world.credentials)) for period in hours] == [0, 1]


def test_list_when_there_are_too_many_then_refused_whole(monkeypatch, world, books):
    monkeypatch.setattr(btcpay, "PAGE", 2)
    monkeypatch.setattr(btcpay, "MAX_LISTED", 4)
    for number in range(7):
        books.create(f"panel-{number}-x", "20")
    now = timezone.now()
    with pytest.raises(GatewayError, match="fewer days"):
        door.list_payments(now - timedelta(hours=1), now + timedelta(hours=1), world.credentials)
