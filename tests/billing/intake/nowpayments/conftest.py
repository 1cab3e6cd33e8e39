"""A fake NOWPayments, its door, and a payment method with credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from billing.intake import gateways
from billing.intake.credentials import store_credentials
from billing.intake.doors.nowpayments.door import NowPayments
from billing.intake.options import refresh_due_options
from billing.methods import _METHODS
from billing.methods.gateways import GatewayMethod
from billing.models import PaymentMethod
from tests import make
from tests.gateway import nowpayments

CREDENTIALS = {"key": nowpayments.KEY, "ipn_secret": nowpayments.IPN_SECRET, "pegged": "usdt*, usdcsol"}


@pytest.fixture
def gateway(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[nowpayments.Server]:
    """The fake gateway, with its door registered for this test."""
    settings.UPSTREAM_ALLOW_PRIVATE = True
    gateways.gateways()
    with nowpayments.running() as running:
        door = NowPayments(live=running.address, sandbox="http://127.0.0.1:1")
        monkeypatch.setitem(gateways._GATEWAYS, door.code, door)
        monkeypatch.setitem(_METHODS, door.code, GatewayMethod(door))
        yield running


@pytest.fixture
def books(gateway: nowpayments.Server) -> nowpayments.Books:
    return gateway.books


@pytest.fixture
def make_method(gateway: nowpayments.Server) -> Callable[..., PaymentMethod]:
    """Make a payment method that offers the coins that the gateway has."""

    def make_method(credentials: dict[str, str] = CREDENTIALS, **values: Any) -> PaymentMethod:
        method = make.payment_method(**{"kind": "nowpayments", "name": "Coins", "instructions": "", **values})
        store_credentials(method=method, values=credentials)
        refresh_due_options()
        method.refresh_from_db()
        return method

    return make_method


@pytest.fixture
def method(make_method: Callable[..., PaymentMethod]) -> PaymentMethod:
    return make_method()
