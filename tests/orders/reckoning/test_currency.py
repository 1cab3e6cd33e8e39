"""A provider that bills in another currency gets no orders."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Provider
from catalog.prices.storage import convert_rates
from catalog.provider_accounts import check_balance
from orders.common.stops import open_stops, resume_sending
from orders.dispatch.submit import submit_due_orders
from orders.reckoning.currency import stop_foreign_currencies
from orders.states import StopReason
from orders.tasks import reckon_providers
from panel.alerts.models import Alert
from panel.lib.money import EXCHANGE_ONE
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import create_accepted, set_and_poll

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


def answer_in_euros(upstream: SandboxServer) -> None:
    upstream.inject(faults.Fault(action="balance", body=b'{"balance": "5", "currency": "EUR"}', times=None))


def test_balance_when_in_another_currency_then_nothing_is_sent(
    customer: Any, service: Any, provider: Any, upstream: SandboxServer
) -> None:
    """Seen: an alert, and sending went on."""
    make.order(customer, service)
    answer_in_euros(upstream)
    check_balance(provider=provider)
    reckon_providers()
    stop = open_stops().get()
    assert (stop.provider, stop.reason) == (provider, StopReason.CURRENCY)
    assert "bills in EUR, but is set up with USD" in stop.text
    assert submit_due_orders() == 0
    assert upstream.orders() == []


def test_balance_when_currency_is_set_right_then_no_stop(provider: Any, upstream: SandboxServer) -> None:
    answer_in_euros(upstream)
    check_balance(provider=provider)
    Provider.objects.update(currency="eur")
    stop_foreign_currencies()
    Provider.objects.update(currency="TRY")
    convert_rates(provider_id=provider.pk, was=EXCHANGE_ONE, now=EXCHANGE_ONE)  # It clears what the balance said.
    stop_foreign_currencies()
    assert not open_stops().exists()


@pytest.mark.parametrize(
    ("answered", "is_set_up_with"),
    [("USDT", "USD"), ("USDC", "usd"), ("US Dollar", "USD"), ("USD", "USDT"), ("TL", "TRY"), ("Rupiah", "IDR")],
)
def test_balance_when_the_same_money_by_another_name_then_no_stop(
    customer: Any, service: Any, provider: Any, upstream: SandboxServer, answered: str, is_set_up_with: str
) -> None:
    Provider.objects.update(currency=is_set_up_with)
    provider.refresh_from_db()
    body = json.dumps({"balance": {"amount": "98.5", "currency": answered}}).encode()
    upstream.inject(faults.Fault(action="balance", body=body, times=None))
    check_balance(provider=provider)
    reckon_providers()
    assert not open_stops().exists() and not Alert.objects.filter(resolved_at=None).exists()
    [order] = create_accepted(customer, service)
    row = {"status": "In progress", "start_count": "0", "remains": "100", "charge": "0.2", "currency": answered}
    assert set_and_poll(upstream, order, answer=row).upstream_charge == 200_000
    assert not open_stops().exists()


def test_status_when_in_another_currency_then_nothing_is_sent(
    customer: Any, service: Any, provider: Any, upstream: SandboxServer
) -> None:
    [order] = create_accepted(customer, service)
    row = {"status": "In progress", "start_count": "0", "remains": "100", "charge": "0.2", "currency": "EUR"}
    set_and_poll(upstream, order, answer=row)
    assert open_stops().get().reason == StopReason.CURRENCY
    make.order(customer, service)
    assert submit_due_orders() == 0


def test_status_when_currency_was_switched_since_then_no_stop(
    customer: Any, service: Any, upstream: SandboxServer
) -> None:
    """An order that was sent before the owner set another currency."""
    [order] = create_accepted(customer, service)
    Provider.objects.update(currency="EUR", balance_checked_at=timezone.now() - timedelta(hours=1))
    row = {"status": "In progress", "start_count": "0", "remains": "100", "charge": "0.2", "currency": "EUR"}
    set_and_poll(upstream, order, answer=row)
    assert not open_stops().exists()


def test_balance_when_a_person_resumed_then_that_word_stops_no_more(
    staff: Any, provider: Any, upstream: SandboxServer
) -> None:
    answer_in_euros(upstream)
    check_balance(provider=provider)
    stop_foreign_currencies()
    resume_sending(stop=open_stops().get(), actor=None)
    stop_foreign_currencies()
    resume_sending(stop=open_stops().get(), actor=staff)
    stop_foreign_currencies()
    assert not open_stops().exists()
    Provider.objects.update(balance_currency="TRY")
    stop_foreign_currencies()
    assert "bills in TRY" in open_stops().get().text
