"""The staff's page of the money at providers."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from catalog.models import Provider
from catalog.provider_accounts import check_balance
from orders.models import MoneyDay, MoneyEntry
from orders.reckoning.reckon import reckon_provider
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import create_accepted

pytestmark = pytest.mark.django_db

PAGE = "/admin/orders/moneyday/"


def read(provider: Any) -> None:
    check_balance(provider=provider)
    reckon_provider(provider=Provider.objects.get(pk=provider.pk))


def clerk(*rights: str) -> Client:
    user = make.customer("clerk@example.org")
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


def test_money_page_when_nothing_was_reckoned_then_says_when_it_begins(staff_client: Client) -> None:
    text = staff_client.get(PAGE).content.decode()
    assert "No balance was reckoned in this time." in text
    assert "Export as CSV" not in text


def test_money_page_when_opened_then_shows_days_and_differences(
    customer: Any, service: Any, provider: Any, upstream: SandboxServer, staff_client: Client
) -> None:
    Provider.objects.update(name="<b>Acme</b>")
    read(provider)
    create_accepted(customer, service)
    read(provider)
    text = staff_client.get(PAGE).content.decode()
    assert "<b>Acme" not in text
    assert "$999.80" in text
    upstream.set_balance(Decimal("990"))
    read(provider)
    text = staff_client.get(f"{PAGE}?provider={provider.pk}&days=30").content.decode()
    assert "$9.80 missing" in text
    assert 'value="9.8"' in text
    assert "Nothing was recorded yet." in text


def test_money_page_when_many_days_then_as_many_statements(
    provider: Any, staff_client: Client, django_assert_max_num_queries: Any
) -> None:
    read(provider)
    for number in range(5):
        other = make.provider(name=f"P{number}", api_key=str(number))
        MoneyDay.objects.create(
            provider=other, day=MoneyDay.objects.first().day, currency="USD", opening=number, closing=number
        )
    staff_client.get(PAGE)
    with django_assert_max_num_queries(12):
        staff_client.get(PAGE)


def test_top_up_when_confirmed_with_one_click_then_recorded(
    provider: Any, upstream: SandboxServer, staff_client: Client, staff: Any
) -> None:
    read(provider)
    upstream.set_balance(Decimal("1050"))
    read(provider)
    address = f"{PAGE}?provider={provider.pk}"
    assert 'name="rise" value="50000000"' in staff_client.get(address).content.decode()
    assert staff_client.post(address, {"rise": "50000000"}).status_code == 302
    staff_client.post(address, {"rise": "50000000"})
    entry = MoneyEntry.objects.get()
    assert (entry.amount, entry.kind, entry.actor) == (50_000_000, "top_up", staff)
    text = staff_client.get(address).content.decode()
    assert "Confirm this top-up" not in text
    assert "Top-up <bdi>$50.00</bdi>" in text


def test_spending_when_recorded_by_form_then_once(provider: Any, staff_client: Client) -> None:
    read(provider)
    address = f"{PAGE}?provider={provider.pk}"
    form = {"kind": "spending", "amount": "5", "note": "Ordered by hand", "key": "k1"}
    assert staff_client.post(address, {**form, "amount": "five"}).status_code == 200
    assert staff_client.post(address, {**form, "amount": "0"}).status_code == 200
    assert not MoneyEntry.objects.exists()
    for _ in range(2):
        assert staff_client.post(address, form).status_code == 302
    assert MoneyEntry.objects.get().note == "Ordered by hand"


def test_money_page_when_not_permitted_then_denied(provider: Any, signed_in: Client) -> None:
    read(provider)
    assert signed_in.get(PAGE).status_code == 302
    client = clerk("view_order", "change_provider")
    assert client.get(PAGE).status_code == 403
    assert client.get(f"{PAGE}export/").status_code == 403


def test_entry_when_only_looking_is_permitted_then_denied(provider: Any) -> None:
    read(provider)
    client = clerk("view_profit")
    address = f"{PAGE}?provider={provider.pk}"
    assert "Record a top-up" not in client.get(address).content.decode()
    form = {"kind": "spending", "amount": "5", "note": "x", "key": "k1"}
    assert client.post(address, form).status_code == 403
    assert not MoneyEntry.objects.exists()


def test_export_when_downloaded_then_exact_and_safe(
    customer: Any, service: Any, provider: Any, staff_client: Client
) -> None:
    Provider.objects.update(name="=HYPERLINK(1)")
    read(provider)
    create_accepted(customer, service)
    read(provider)
    response = staff_client.get(reverse("admin:orders_moneyday_export"))
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    [row] = csv.DictReader(io.StringIO(text))
    assert row["provider"] == "'=HYPERLINK(1)"
    assert (row["opening"], row["spent"], row["closing"], row["unexplained"]) == ("1000", "0.2", "999.8", "0")


def test_links_when_on_provider_and_profit_pages_then_lead_here(provider: Any, staff_client: Client) -> None:
    page = staff_client.get(reverse("admin:catalog_provider_change", args=[provider.pk])).content.decode()
    assert f"{PAGE}?provider={provider.pk}" in page
    assert PAGE in staff_client.get(reverse("admin:orders_order_profit")).content.decode()


def test_daily_limit_when_set_in_the_form_then_stored(provider: Any, staff_client: Client) -> None:
    address = reverse("admin:catalog_provider_change", args=[provider.pk])
    form = staff_client.get(address).context["adminform"].form
    data = {name: "" if form[name].value() in (None, False) else form[name].value() for name in form.fields}
    data["exchange_rate"] = "1"
    assert staff_client.post(address, {**data, "daily_limit": "12.5"}).status_code == 302
    assert Provider.objects.get().daily_limit == 12_500_000
    assert staff_client.post(address, {**data, "daily_limit": ""}).status_code == 302
    assert Provider.objects.get().daily_limit is None
