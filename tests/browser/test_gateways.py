"""The set-up of a gateway in a real browser, as it stands at its beginning, when it fails, and when it is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from billing.intake.credentials import store_credentials
from billing.models import GatewayCall, Payment, PaymentMethod
from tests import make
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_pages import check_page, sign_in
from tests.gateway import greenfield

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG_ERROR = "No answer: the address 10.0.0.5 is not public, and this is " + "a_word_without_a_space" * 8


def begin(method: PaymentMethod) -> None:
    PaymentMethod.objects.filter(pk=method.pk).update(is_sandbox=True, is_active=False)


def fail(method: PaymentMethod) -> None:
    store(method)
    PaymentMethod.objects.filter(pk=method.pk).update(last_error=LONG_ERROR)
    GatewayCall.objects.create(method=method, outcome="refused", size=9, problem="The header BTCPay-Sig is wrong.")


def finish(method: PaymentMethod) -> None:
    store(method)
    now = timezone.now()
    PaymentMethod.objects.filter(pk=method.pk).update(reached_at=now)
    GatewayCall.objects.create(method=method, outcome="accepted", size=9, is_genuine=True)
    paid = {"came_in": 10**6, "credited": 10**6, "credited_at": now, "state": "credited", "currency": "USD"}
    deposit = make.pending_deposit(make.customer(), method=method)
    Payment.objects.create(method=method, external_id="1", deposit=deposit, **paid)


def store(method: PaymentMethod) -> None:
    values = {"host": "https://pay.example.com", "store": greenfield.STORE, "key": "k" * 40, "secret": "s" * 20}
    store_credentials(method=method, values=values)


STATES: dict[str, Callable[[PaymentMethod], None]] = {"begins": begin, "fails": fail, "is-done": finish}


@pytest.mark.parametrize("state", STATES)
def test_set_up_when_in_each_state_then_axe_finds_nothing(live_server: Any, open_page, state):
    make.owner()
    method = make.payment_method(kind="btcpay", name="Bitcoin")
    STATES[state](method)
    for viewport, theme in ((DESKTOP, "light"), (PHONE, "dark")):
        page = open_page(viewport=viewport, theme=theme)
        sign_in(page, live_server.url, "owner@example.org")
        page.goto(live_server.url + reverse("admin:billing_paymentmethod_gateway", args=[method.pk]))
        check_page(page, viewport)
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
