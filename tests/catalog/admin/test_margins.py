"""Admin of margins: the panel's, and that of one service."""

from __future__ import annotations

import pytest
from django.urls import reverse

from catalog.models import PricePolicy
from catalog.prices.storage import price_policy
from tests import make
from tests.admin_calls import preview_and_apply

pytestmark = pytest.mark.django_db


def test_panel_margin_when_changed_then_every_service_is_repriced(staff_client, provider):
    service = make.service(provider)
    price_policy()
    shown = staff_client.post(
        reverse("admin:catalog_pricepolicy_change", args=[1]),
        {"margin_bp": "50", "margin_fixed": "0.1", "minimum_margin_bp": "0", "price_step": "0.01"},
    )
    preview_and_apply(staff_client, shown.url)
    service.refresh_from_db()
    assert service.price == 3_100_000
    assert PricePolicy.objects.get().margin_bp == 5_000


def test_service_margin_when_set_then_overrides_the_panels(staff_client, provider):
    service = make.service(provider)
    data = {
        "name": "Mine",
        "category": service.category_id,
        "description": "",
        "position": "3",
        "is_on_sale": "on",
        "margin_bp": "10",
        "margin_fixed": "",
        "min_quantity": "",
        "max_quantity": "",
    }
    preview_and_apply(
        staff_client, staff_client.post(reverse("admin:catalog_service_change", args=[service.pk]), data).url
    )
    service.refresh_from_db()
    assert (service.name, service.price, service.is_on_sale) == ("Mine", 2_200_000, True)
