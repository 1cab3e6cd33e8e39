"""A BTCPay Server that only PAYMENT_PRIVATE_HOSTS allows, and an invoice there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from billing.intake.calls import Call
from billing.intake.doors.btcpay import BTCPay
from billing.intake.gateways import Asked, Effect
from tests.gateway import greenfield
from tests.gateway.contract import ASKED, World


@pytest.fixture
def running(settings):
    """A BTCPay Server at an address that only PAYMENT_PRIVATE_HOSTS allows, below a path."""
    with greenfield.running("/btcpay") as server:
        settings.UPSTREAM_ALLOW_PRIVATE = False
        settings.PAYMENT_PRIVATE_HOSTS = frozenset({f"127.0.0.1:{server.server_address[1]}"})
        yield server


@pytest.fixture
def books(running):
    return running.books


@pytest.fixture
def world(running, books):
    def pay(ref: str, amount: str, effect: Effect) -> None:
        if effect is Effect.NEVER:
            books.by_ref(ref).status = "Expired"
            return
        status = {Effect.WAIT: "Processing", Effect.REVERSE: "Invalid"}.get(effect, "Settled")
        books.pay(ref, amount, status=status)
        if effect is Effect.HOLD:
            books.by_ref(ref).status = "Invalid"

    def call(ref: str) -> Call:
        if books.by_ref(ref) is None:
            books.create(ref, "20")
        body, headers = books.message(ref)
        return Call(headers, body, len(body), "192.0.2.1")

    def break_answers() -> None:
        books.faults.update({"create:garbled": 1, "read:garbled": 1, "list:garbled": 1})

    def refuse() -> None:
        books.faults["create:refused"] = 1

    return World(running.credentials, pay, call, break_answers, refuse)


@pytest.fixture
def asked(world) -> Asked:
    return replace(ASKED, external_id=BTCPay().create(ASKED, world.credentials).external_id)
