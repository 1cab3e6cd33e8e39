"""The fake Cryptomus, with the doors of both names registered at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from billing.intake import gateways
from billing.intake.credentials import store_credentials
from billing.intake.doors.cryptomus import Cryptomus, Heleket
from billing.methods import _METHODS
from billing.methods.gateways import GatewayMethod
from billing.models import PaymentMethod
from tests import make
from tests.gateway import cryptomus

CREDENTIALS = {"merchant": cryptomus.MERCHANT, "payment_key": cryptomus.KEY}


@pytest.fixture
def fake(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[cryptomus.Server]:
    settings.UPSTREAM_ALLOW_PRIVATE = True
    gateways.gateways()
    with cryptomus.running() as server:
        for door in (Cryptomus(server.address), Heleket(server.address)):
            monkeypatch.setitem(gateways._GATEWAYS, door.code, door)
            monkeypatch.setitem(_METHODS, door.code, GatewayMethod(door))
        yield server


@pytest.fixture
def books(fake: cryptomus.Server) -> cryptomus.Books:
    return fake.books


@pytest.fixture
def door(fake: cryptomus.Server) -> Cryptomus:
    return Cryptomus(fake.address)


@pytest.fixture
def method_of(fake: cryptomus.Server) -> Callable[..., PaymentMethod]:
    """Make a payment method by the code of its door, with its credentials."""

    def make_method(code: str = "cryptomus", **values: Any) -> PaymentMethod:
        method = make.payment_method(kind=code, name="Crypto", **values)
        store_credentials(method=method, values=CREDENTIALS)
        return method

    return make_method
