"""A fake gateway, its doors, and a payment method of one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from billing.intake import gateways
from billing.intake.credentials import store_credentials
from billing.methods import _METHODS
from billing.methods.gateways import GatewayMethod
from billing.models import PaymentMethod
from tests import make
from tests.gateway import doors, server


@pytest.fixture
def gateway(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[server.Server]:
    """The fake gateway, with its doors registered for this test."""
    settings.UPSTREAM_ALLOW_PRIVATE = True
    gateways.gateways()
    for door in (doors.Fake(), doors.Once(), doors.Lossy()):
        monkeypatch.setitem(gateways._GATEWAYS, door.code, door)
        monkeypatch.setitem(_METHODS, door.code, GatewayMethod(door))
    with server.running() as running:
        yield running


@pytest.fixture
def books(gateway: server.Server) -> server.Books:
    return gateway.books


@pytest.fixture
def method_of(gateway: server.Server) -> Callable[..., PaymentMethod]:
    """Make a payment method by the code of its door, with its credentials."""

    def make_method(code: str = "fake", **values: Any) -> PaymentMethod:
        method = make.payment_method(kind=code, name="Fake", **values)
        address = gateway.address
        store_credentials(method=method, values={"address": address, "secret": server.SECRET})
        return method

    return make_method
