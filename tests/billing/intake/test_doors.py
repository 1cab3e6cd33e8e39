"""The doors keep the contract."""

from __future__ import annotations

from dataclasses import replace

import pytest

from billing.intake.calls import Call
from billing.intake.gateways import Effect
from tests.gateway import doors, server
from tests.gateway.contract import ASKED, DoorContract, World

STATUSES = {effect: status for status, effect in doors.EFFECTS.items()}


@pytest.fixture
def world(gateway):
    books = gateway.books

    def call(ref: str) -> Call:
        if books.by_ref(ref) is None:
            books.create({"ref": ref, "amount": "20", "currency": "USD", "callback": ""}, is_idempotent=False)
        body, headers = books.message(ref)
        return Call(headers, body, len(body), "192.0.2.1")

    def break_answers() -> None:
        books.faults.update({"create:garbled": 1, "read:garbled": 1, "list:garbled": 1})

    def refuse() -> None:
        books.faults["create:refused"] = 1

    def pay(ref: str, amount: str, effect: Effect) -> object:
        return books.pay(ref, amount, status=STATUSES[effect])

    credentials = {"address": gateway.address, "secret": server.SECRET}
    return World(credentials, pay, call, break_answers, refuse)


class TestFake(DoorContract):
    door = doors.Fake()


class TestOnce(DoorContract):
    door = doors.Once()


class TestLossy(DoorContract):
    door = doors.Lossy()


def test_contract_when_a_door_gives_what_waits_then_it_fails(world):
    """The contract can fail: a door that credits what is only on its way."""

    class Hasty(doors.Fake):
        def read(self, asked, credentials):
            reading = super().read(asked, credentials)
            seen = [type(one)(one.external_id, one.came_in, one.currency, Effect.CREDIT) for one in reading.seen]
            return type(reading)(reading.our_ref, seen)

    contract = type("Contract", (DoorContract,), {"door": Hasty()})()
    asked = replace(ASKED, external_id=Hasty().create(ASKED, world.credentials).external_id)
    with pytest.raises(AssertionError):
        contract.test_read_when_not_to_be_credited_then_not_said_to_be(world, asked, Effect.WAIT)
