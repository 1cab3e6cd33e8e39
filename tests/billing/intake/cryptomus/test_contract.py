"""Both doors keep the contract."""

from __future__ import annotations

import pytest

from billing.intake.calls import Call
from billing.intake.doors.cryptomus import Cryptomus, Heleket
from billing.intake.gateways import Effect
from tests.billing.intake.cryptomus.conftest import CREDENTIALS
from tests.gateway.contract import DoorContract, World

STATUSES = {
    Effect.CREDIT: {"is_over": True},
    Effect.WAIT: {"status": "confirm_check"},
    Effect.NEVER: {"status": "cancel", "paid": 0},
    Effect.HOLD: {"status": "locked"},
    Effect.REVERSE: {"status": "refund_paid"},
}


@pytest.fixture
def world(books):
    def call(ref: str) -> Call:
        body, headers = books.message(ref)
        return Call(headers, body, len(body), "192.0.2.1")

    def break_answers() -> None:
        books.faults.update({"create:garbled": 1, "read:garbled": 1, "list:garbled": 1})

    def refuse() -> None:
        books.faults["create:refused"] = 1

    def pay(ref: str, amount: str, effect: Effect) -> object:
        return books.pay(ref, amount, **STATUSES[effect])

    return World(CREDENTIALS, pay, call, break_answers, refuse)


class TestCryptomus(DoorContract):
    @pytest.fixture(autouse=True)
    def _set_door(self, fake):
        self.door = Cryptomus(fake.address)


class TestHeleket(DoorContract):
    @pytest.fixture(autouse=True)
    def _set_door(self, fake):
        self.door = Heleket(fake.address)
