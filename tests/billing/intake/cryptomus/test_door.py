"""What the door asks for, and what it makes of answers that are not as documented."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from billing.intake.doors.cryptomus import Cryptomus, Heleket
from billing.intake.gateways import GatewayError, GatewayRefused
from tests.billing.intake.cryptomus.conftest import CREDENTIALS
from tests.gateway.contract import ASKED

DAY = timedelta(days=1)


def listed(door, days=1):
    now = timezone.now()
    return door.list_payments(now - days * DAY, now + DAY / 24, CREDENTIALS)


def acts(door):
    """Return each question about an invoice, by its name."""
    return {
        "create": lambda: door.create(ASKED, CREDENTIALS),
        "read": lambda: door.read(ASKED, CREDENTIALS),
        "list": lambda: listed(door),
        "check": lambda: door.check(CREDENTIALS),
    }


ACTS = sorted(acts(None))


def test_doors_when_not_in_tests_then_at_their_own_hosts():
    hosts = {door.code: (door.host, *door.origins) for door in (Cryptomus(), Heleket())}
    assert hosts == {
        "cryptomus": ("https://api.cryptomus.com", "https://pay.cryptomus.com"),
        "heleket": ("https://api.heleket.com", "https://pay.heleket.com"),
    }


# -- asking for an invoice -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "asked_for"),
    [(20_000_000, "20.00"), (1, "0.01"), (12_345_678, "12.35"), (999_999_999_000_000, "999999999.00")],
)
def test_create_when_asked_then_in_whole_cents_rounded_up(door, books, amount, asked_for):
    asked = replace(ASKED, amount=amount)
    created = door.create(asked, CREDENTIALS)
    kept = books.by_ref(ASKED.our_ref)
    assert (kept.amount, kept.currency, kept.callback) == (asked_for, "USD", ASKED.callback_url)
    assert created.url == f"https://pay.cryptomus.com/pay/{kept.uuid}"
    assert created.expires_at == kept.expires_at.replace(microsecond=0)
    books.pay(ASKED.our_ref, asked_for)
    [seen] = door.read(replace(asked, external_id=created.external_id), CREDENTIALS).seen
    assert (seen.effect.value, seen.came_in) == ("credit", -(-amount // 10_000) * 10_000)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"our_ref": "panel 7"}, "references"),
        ({"our_ref": "pänel-7"}, "references"),
        ({"our_ref": "x" * 129}, "references"),
        ({"our_ref": ""}, "references"),
        ({"callback_url": "https://panel.example/" + "x" * 255}, "addresses"),
        ({"return_url": "x.co"}, "addresses"),
    ],
)
def test_create_when_it_would_be_refused_then_never_asked(door, books, changes, word):
    with pytest.raises(GatewayRefused, match=word):
        door.create(replace(ASKED, **changes), CREDENTIALS)
    assert books.calls["create"] == 0


@pytest.mark.parametrize("changes", [{"amount": "25.00"}, {"amount": "20.01"}, {"currency": "EUR"}])
def test_create_when_an_older_invoice_differs_then_refused(door, books, changes):
    books.create({"amount": "20.00", "currency": "USD", "order_id": ASKED.our_ref} | changes)
    with pytest.raises(GatewayRefused, match=r"not 20\.00 USD.+reference before"):
        door.create(ASKED, CREDENTIALS)


def test_create_when_answered_with_another_reference_then_unknown(door, books):
    kept = books.create({"amount": "20.00", "currency": "USD", "order_id": ASKED.our_ref})
    kept.says["order_id"] = "panel-8-0000"
    with pytest.raises(GatewayError, match="panel-8-0000"):
        door.create(ASKED, CREDENTIALS)


# -- reading -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "word"), [({"uuid": "another"}, "another"), ({"amount": "25.00"}, "25.00"), ({"currency": "EUR"}, "EUR")]
)
def test_read_when_not_the_invoice_that_was_asked_for_then_held(door, books, says, word):
    created = door.create(ASKED, CREDENTIALS)
    books.pay(ASKED.our_ref, "20.00").says |= says
    [seen] = door.read(replace(ASKED, external_id=created.external_id), CREDENTIALS).seen
    assert seen.effect.value == "hold" and word in seen.words


def test_read_when_unknown_there_then_an_error(door):
    with pytest.raises(GatewayError, match=r"200: Not found\."):
        door.read(ASKED, CREDENTIALS)


def test_reading_when_asked_then_says_whether_it_is_over_and_where_to_pay(door, books):
    door.create(ASKED, CREDENTIALS)
    reading = door.read(ASKED, CREDENTIALS)
    assert (reading.is_over, reading.details["coin"], reading.details["amount"]) == (False, "LTC", "5.00000000")
    books.expire()
    assert door.read(ASKED, CREDENTIALS).is_over


# -- answers that are not as documented ----------------------------------------------------------------------


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(
    "says",
    [
        (200, {"state": 1, "message": "Payment not found"}),
        (200, {"state": 0}),
        (200, {"state": "0", "result": []}),
        (200, {"state": False, "result": []}),
        (200, {"result": []}),
        (200, []),
        (200, None),
        (200, b""),
        (200, b"{" * 100_000),
        (200, b'{"state":0,"state":0,"result":[]}'),
        (200, b'{"state":0,"result":NaN}'),
        (200, b'{"state":0,"result":"' + b"x" * 1_100_000 + b'"}'),
        (302, {"state": 0, "result": []}),
        (400, {"state": 0, "result": []}),
        (404, {"state": 1, "message": "Not found"}),
        (422, {"state": 0}),
        (429, {"state": 1, "message": "Too much"}),
        (500, {"state": 1}),
        (503, b"<html>"),
        (403, b"<html>"),
    ],
)
def test_answer_when_it_says_nothing_clear_then_unknown(door, books, act, says):
    books.says = says
    with pytest.raises(GatewayError):
        acts(door)[act]()


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (
            (422, {"state": 1, "errors": {"amount": ["validation.required", "x"]}}),
            "422: amount: validation.required, x.",
        ),
        ((422, {"state": 1, "errors": {"amount": "min"}}), "422: amount: min."),
        ((422, {"state": 1}), "422: no reason."),
        ((401, {"state": 1, "message": "Invalid\n Sign"}), "401: Invalid Sign."),
        ((403, {"state": 1, "message": "x" * 900}), f"403: {'x' * 200}."),
    ],
)
def test_answer_when_a_clear_no_then_refused_in_its_words(door, books, says, words):
    books.says = says
    for act in acts(door).values():
        with pytest.raises(GatewayRefused) as raised:
            act()
        assert str(raised.value) == f"It answers {words}"


def test_check_when_the_key_is_wrong_then_said_so(door):
    with pytest.raises(GatewayRefused, match="Invalid Sign"):
        door.check(CREDENTIALS | {"payment_key": "another"})


# -- the list ------------------------------------------------------------------------------------------------


def test_list_when_on_many_pages_then_each_payment_once(door, books):
    for number in range(7):
        door.create(replace(ASKED, our_ref=f"panel-{number}-0"), CREDENTIALS)
    for number in range(5):
        books.pay(f"panel-{number}-0", "20.00")
    books.expire()  # What was not paid is no payment.
    found = {one.our_ref: one.seen.came_in for one in listed(door)}
    assert found == {f"panel-{number}-0": 20_000_000 for number in range(5)}
    assert books.calls["list"] == 4


def test_list_when_of_a_time_then_by_when_the_invoice_was_created(door, books):
    begin = datetime.fromisoformat("2026-11-01T00:00:00+00:00")
    for hours in (-1, 0, 23, 24):
        door.create(replace(ASKED, our_ref=f"panel-{hours}"), CREDENTIALS)
        books.pay(f"panel-{hours}", "20.00", created_at=begin + timedelta(hours=hours))
    found = door.list_payments(begin, begin + DAY, CREDENTIALS)
    assert sorted((one.our_ref, one.at) for one in found) == [
        ("panel-0", begin),
        ("panel-23", begin + timedelta(hours=23)),
    ]


@pytest.mark.parametrize(
    "result",
    [
        {"items": []},
        {"items": None, "paginate": {"nextCursor": None}},
        {"items": [], "paginate": {"nextCursor": 7}},
        {"items": [], "paginate": {"nextCursor": "the same"}},
        {"items": [{}], "paginate": {"nextCursor": None}},
        {"items": [None], "paginate": {"nextCursor": None}},
    ],
)
def test_list_when_cut_short_or_endless_then_an_error(door, books, result):
    books.says = (200, {"state": 0, "result": result})
    with pytest.raises(GatewayError):
        listed(door)
    assert books.calls["list"] <= 2


@pytest.mark.parametrize("time", [None, "yesterday", "2026-11-01T00:00:00"])
def test_list_when_an_invoice_has_no_certain_time_then_an_error(door, books, time):
    door.create(ASKED, CREDENTIALS)
    books.by_ref(ASKED.our_ref).says["created_at"] = time
    with pytest.raises(GatewayError, match="without its time"):
        listed(door)


# -- test calls ----------------------------------------------------------------------------------------------


def test_test_call_when_asked_for_then_sent_to_our_address(door, books):
    words = door.send_test("https://panel.example.com/pay/", CREDENTIALS)
    assert words.startswith("Cryptomus says that it sent")
    assert [address for address, _ in books.sent] == ["https://panel.example.com/pay/"]


def test_test_call_when_the_address_is_too_long_then_refused(door):
    with pytest.raises(GatewayRefused, match="150 characters"):
        door.send_test("https://panel.example.com/" + "x" * 150, CREDENTIALS)
