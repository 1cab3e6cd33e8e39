"""The owner's pages of payments in a real browser: the list, what came in by day, and a reversal, by axe."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from billing import ledger
from billing.models import Payment, Reversal
from billing.order_holds import hold_orders
from billing.wallets import wallet_of
from panel.lib.money import MICRO
from tests import make
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_pages import check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

METHODS = ("Cards", "USDT on Tron", "Bank transfer in euros, by SEPA")


@pytest.fixture
def shop(live_server: Any) -> Any:
    """Payments of three methods and twelve days, one held, one taken back."""
    make.owner()
    methods = [make.payment_method(name=name) for name in METHODS]
    lines = []
    now = timezone.now()
    for number in range(36):
        user = make.customer(f"customer-number-{number}@example.org")
        deposit = make.pending_deposit(user, "950", method=methods[number % 3])
        at = now - timedelta(days=(36 - number) // 3)
        payment = Payment.objects.create(
            method=deposit.method,
            external_id=uuid4().hex,
            deposit=deposit,
            reference=f"up-{uuid4().hex[:12]}",
            currency="USD",
            came_in=950 * MICRO,
            seen_at=at,
            **({"state": "held", "hold": "over_day"} if number == 4 else {}),
        )
        if number != 4:
            Payment.objects.filter(pk=payment.pk).update(
                state="credited", credited=950 * MICRO, bonus=50 * MICRO, credited_at=at
            )
            key = f"deposit:{deposit.pk}:payment:{payment.pk}:1"
            wallet = wallet_of(customer=user).pk
            for kind, amount, more in (("deposit", 950, ""), ("bonus", 50, ":bonus")):
                lines.append(
                    ledger.PastLine(wallet, amount * MICRO, kind, key + more, memo=deposit.method.name, created_at=at)
                )
    ledger.post_past(lines=lines)
    reversal = Reversal.objects.create(payment=payment, amount=950 * MICRO)
    with transaction.atomic():
        hold_orders(reversal=reversal, customer_id=user.pk)
    return live_server


@pytest.mark.parametrize(("viewport", "theme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_pages_of_payments_when_opened_then_axe_finds_nothing(
    shop: Any, open_page: Callable[..., Any], viewport: dict[str, int], theme: str
) -> None:
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, shop.url, "owner@example.org")
    reversal = Reversal.objects.get()
    for address in (
        reverse("admin:billing_payment_changelist"),
        reverse("admin:billing_payment_money_in"),
        reverse("admin:billing_reversal_change", args=[reversal.pk]),
        reverse("admin:billing_reversal_release", args=[reversal.pk]),
    ):
        page.goto(f"{shop.url}{address}")
        check_page(page, viewport)
