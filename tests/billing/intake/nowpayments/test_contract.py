"""The door keeps the contract of doors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from billing.intake.calls import Call
from billing.intake.doors.nowpayments.door import NowPayments
from billing.intake.gateways import SANDBOX, Effect, GatewayError, GatewayRefused
from tests.billing.intake.nowpayments.conftest import CREDENTIALS
from tests.gateway import contract, doors
from tests.gateway.contract import DoorContract, World

ASKED = replace(contract.ASKED, option="ltc")
STATUSES = {effect: status for status, effect in doors.EFFECTS.items()}


class _Asking(NowPayments):
    """The door, asked in the contract's words for a payment in Litecoin."""

    def create(self, asked, credentials):
        return super().create(replace(asked, option="ltc"), credentials)

    def read(self, asked, credentials):
        return super().read(replace(asked, option="ltc"), credentials)


@pytest.fixture
def world(gateway, books):
    TestNowPayments.door = _Asking(live=gateway.address)

    def call(ref: str) -> Call:
        if books.by_ref(ref) is None:
            TestNowPayments.door.create(replace(contract.ASKED, our_ref=ref), CREDENTIALS)
        body, headers = books.message(ref)
        return Call(headers, body, len(body), "192.0.2.1")

    def break_answers() -> None:
        books.faults.update({"create:garbled": 1, "read:garbled": 1, "list:garbled": 1})

    def refuse() -> None:
        books.faults["create:refused"] = 1

    def pay(ref: str, amount: str, effect: Effect) -> object:
        return books.pay(ref, amount, status=STATUSES[effect])

    return World(CREDENTIALS, pay, call, break_answers, refuse)


class TestNowPayments(DoorContract):
    door = NowPayments()


def test_list_when_it_wants_a_signed_in_person_then_said_so(gateway, books):
    books.faults["list:closed"] = 1
    with pytest.raises(GatewayRefused, match="signed in there"):
        from django.utils import timezone

        NowPayments(live=gateway.address).list_payments(timezone.now(), timezone.now(), CREDENTIALS)


def test_check_when_the_key_is_wrong_then_its_words(gateway):
    with pytest.raises(GatewayRefused, match="403: Invalid api key"):
        NowPayments(live=gateway.address).check({"key": "other"})


def test_sandbox_when_the_method_is_one_then_the_live_site_is_not_asked(gateway, books):
    door = NowPayments(live=gateway.address, sandbox="http://127.0.0.1:1")
    with pytest.raises(GatewayError):
        door.create(ASKED, {**CREDENTIALS, SANDBOX: "yes"})
    assert not books.calls
