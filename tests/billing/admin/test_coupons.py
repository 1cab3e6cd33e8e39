"""Coupons and bonuses by amount as the owner sets them up."""

from __future__ import annotations

import pytest
from django.urls import reverse

from billing.models import Coupon, PaymentMethod
from panel.lib.money import MICRO
from tests import make
from tests.billing.admin.test_methods import form_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(client):
    client.force_login(make.owner())
    return client


def typed(**changes):
    dates = {f"{name}_at_{part}": "" for name in ("starts", "ends") for part in (0, 1)}
    return {
        "code": "summer-26",
        "bonus_bp": "10",
        "amount": "",
        "minimum": "50",
        "max_uses": "",
        "max_uses_each": "1",
        "is_active": "on",
        **dates,
        **changes,
    }


def test_coupon_when_made_then_as_typed_in_capitals(client):
    client.post(reverse("admin:billing_coupon_add"), typed())
    coupon = Coupon.objects.get()
    assert (coupon.code, coupon.bonus_bp, coupon.amount, coupon.minimum) == ("SUMMER-26", 1_000, 0, 50 * MICRO)
    assert "10%" in client.get(reverse("admin:billing_coupon_changelist")).content.decode()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": "a b"}, "code"),
        ({"code": "x"}, "code"),
        ({"bonus_bp": ""}, "amount"),
        ({"amount": "5"}, "amount"),
        ({"bonus_bp": "101"}, "bonus_bp"),
        ({"bonus_bp": "", "amount": "50.01"}, "minimum"),
        (
            {"starts_at_0": "2026-12-02", "starts_at_1": "10:00", "ends_at_0": "2026-12-01", "ends_at_1": "10:00"},
            "ends_at",
        ),
    ],
)
def test_coupon_when_senseless_then_said_at_the_field(client, changes, field):
    response = client.post(reverse("admin:billing_coupon_add"), typed(**changes))
    assert field in response.context["adminform"].form.errors
    assert not Coupon.objects.exists()


def test_coupon_when_fewer_uses_are_allowed_than_it_had_then_refused(client):
    coupon = Coupon.objects.create(code="SUMMER-26", bonus_bp=1, uses=3)
    response = client.post(reverse("admin:billing_coupon_change", args=[coupon.pk]), typed(max_uses="2"))
    assert "max_uses" in response.context["adminform"].form.errors


@pytest.mark.parametrize(
    ("text", "tiers"),
    [
        ("500: 5\n100: 2.5%\n", [[100 * MICRO, 250], [500 * MICRO, 500]]),
        ("", None),
        ("100", "error"),
        ("x: 1", "error"),
        ("100: 101", "error"),
        ("100: 1\n100: 2", "error"),
    ],
)
def test_bonus_by_amount_when_typed_then_kept_or_refused_at_the_field(client, text, tiers):
    response = client.post(reverse("admin:billing_paymentmethod_add"), form_of(tiers=text))
    if tiers == "error":
        assert "tiers" in response.context["adminform"].form.errors
    else:
        # Where money goes is asked about once more.
        kept = {name: response.context[name] for name in ("name", "kept")}
        client.post(reverse("admin:billing_paymentmethod_add"), {kept["name"]: kept["kept"]})
        assert PaymentMethod.objects.get().tiers == tiers
