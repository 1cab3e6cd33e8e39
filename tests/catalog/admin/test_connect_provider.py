"""Admin of providers: connecting, importing, and hiding the key."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from catalog.imports.queue import run_due_imports
from catalog.models import Provider, Service
from catalog.pauses import PauseKind, pause_provider
from catalog.provider_accounts import client_for
from tests.admin_calls import action_address, preview_and_apply

pytestmark = [pytest.mark.django_db, pytest.mark.once]
PROVIDER = {
    "name": "New",
    "api_key": "secret-key-123",
    "currency": "usd",
    "exchange_rate": "1",
    "margin_bp": "",
    "margin_fixed": "",
    "is_active": "on",
    "publish_new": "on",
    "on_rise": "reprice",
    "max_parallel_adds": "1",
    "max_parallel_polls": "2",
    "request_id_parameter": "",
    "probes_ids": "on",
}


def test_provider_when_owner_adds_it_then_can_import_and_set_margin(staff_client, upstream):
    data = {**PROVIDER, "api_url": upstream.url, "api_key": upstream.key}
    assert staff_client.post(reverse("admin:catalog_provider_add"), data).status_code == 302
    provider = Provider.objects.get()
    assert provider.currency == "USD"
    staff_client.post(action_address("catalog.provider", provider.pk, "import_now"))
    run_due_imports()
    service = Service.objects.filter(is_on_sale=True).first()
    assert service.price == -(-service.cost * 125 // 100 // 100) * 100  # plus 25%, rounded up to the step of $0.0001

    changed = {**data, "api_key": "", "margin_bp": "100"}
    before = service.price
    shown = staff_client.post(reverse("admin:catalog_provider_change", args=[provider.pk]), changed)
    service.refresh_from_db()
    assert service.price == before
    preview_and_apply(staff_client, shown.url)
    service.refresh_from_db()
    assert service.price == service.cost * 2
    provider.refresh_from_db()
    assert client_for(provider).balance().amount > 0  # the stored key was kept


def test_import_when_requested_for_selection_then_queued(staff_client, provider):
    address = reverse("admin:catalog_provider_changelist")
    staff_client.post(address, {"action": "import_services", "_selected_action": [provider.pk]})
    run_due_imports()
    assert Service.objects.count() > 50


def test_provider_key_when_stored_then_never_shown(staff_client, provider):
    text = staff_client.get(reverse("admin:catalog_provider_change", args=[provider.pk])).content.decode()
    assert "upstream-key" not in text
    assert provider.api_key_encrypted not in text


def test_provider_when_private_addresses_are_off_then_needs_https(staff_client, settings):
    settings.UPSTREAM_ALLOW_PRIVATE = False
    response = staff_client.post(
        reverse("admin:catalog_provider_add"), {**PROVIDER, "api_url": "http://example.com/api/v2"}
    )
    assert "Use an https address" in response.content.decode()
    assert Provider.objects.count() == 0


def test_provider_when_its_address_is_ipv6_then_saved(staff_client, settings):
    settings.UPSTREAM_ALLOW_PRIVATE = False
    url = "https://[2001:db8::1]:8443/api/v2"
    staff_client.post(reverse("admin:catalog_provider_add"), {**PROVIDER, "api_url": url, "api_key": "a-key"})
    assert Provider.objects.get().api_url == url


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"api_key": ""}, "Enter the API key"), ({"exchange_rate": "0"}, "above zero"), ({"margin_bp": "-1"}, "negative")],
)
def test_provider_when_invalid_then_error_at_the_field(staff_client, upstream, changes, words):
    response = staff_client.post(
        reverse("admin:catalog_provider_add"), {**PROVIDER, "api_url": upstream.url, **changes}
    )
    assert words in response.content.decode()
    assert Provider.objects.count() == 0


def test_account_when_connected_already_then_refused(staff_client, provider, upstream):
    """Two providers with one account would see each other's orders as unknown."""
    twin = {**PROVIDER, "name": "Twin", "api_url": upstream.url.replace("127.0.0.1", "localhost")}
    response = staff_client.post(reverse("admin:catalog_provider_add"), {**twin, "api_key": upstream.key})
    assert "connected already, as Upstream" in response.content.decode()
    page = reverse("admin:catalog_provider_change", args=[provider.pk])
    staff_client.post(page, {**PROVIDER, "api_url": upstream.url, "api_key": upstream.key, "name": "Renamed"})
    assert list(Provider.objects.values_list("name", flat=True)) == ["Renamed"]


@pytest.mark.parametrize("name", ["request_id", "X-Idempotency-Key", "ref2", "a" * 40])
def test_request_id_parameter_when_name_is_unique_then_saved(staff_client, provider, upstream, name):
    address = reverse("admin:catalog_provider_change", args=[provider.pk])
    data = {**PROVIDER, "api_url": upstream.url, "api_key": "", "request_id_parameter": f" {name} "}
    assert staff_client.post(address, data).status_code == 302
    provider.refresh_from_db()
    assert (provider.request_id_parameter, provider.probes_ids) == (name, True)


@pytest.mark.parametrize(
    "name", ["key", "action", "link", "Quantity", "answer_number", "a b", "a.b", "a[]", "é", "x" * 41]
)
def test_request_id_parameter_when_name_is_reserved_then_rejected(staff_client, provider, upstream, name):
    address = reverse("admin:catalog_provider_change", args=[provider.pk])
    data = {**PROVIDER, "api_url": upstream.url, "api_key": "", "request_id_parameter": name}
    before = Provider.objects.values().get()
    response = staff_client.post(address, data)
    assert set(response.context["adminform"].form.errors) == {"request_id_parameter"}
    assert Provider.objects.values().get() == before


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "Not tried yet"),
        ({"probes_ids": False, "probe_works": True}, "Switched off"),
        ({"probe_works": True, "probe_note": "Ids count up."}, "Works: Ids count up. (checked 4 Mar 2026, 12:30)"),
        ({"probe_works": False, "probe_note": "<b>No.</b>"}, "Does not work: &lt;b&gt;No.&lt;/b&gt; (checked 4 Mar"),
    ],
)
def test_provider_when_ids_were_searched_then_page_shows_the_result(staff_client, provider, values, words):
    checked = datetime(2026, 3, 4, 12, 30, tzinfo=UTC) if "probe_works" in values else None
    Provider.objects.update(probe_checked_at=checked, **values)
    text = staff_client.get(reverse("admin:catalog_provider_change", args=[provider.pk])).content.decode()
    assert "Look for doubtful orders" in text
    assert words in text


def test_connection_test_when_run_then_shows_balance_or_reason(staff_client, provider, upstream):
    good = staff_client.post(action_address("catalog.provider", provider.pk, "test_connection"), follow=True)
    assert "It works" in good.content.decode()
    upstream.close()
    bad = staff_client.post(action_address("catalog.provider", provider.pk, "test_connection"))
    assert "It does not work" in bad.content.decode()


def test_provider_key_when_address_changes_then_required_again(staff_client, provider):
    """Otherwise anyone who may edit the address could send the stored key to their own server."""
    address = reverse("admin:catalog_provider_change", args=[provider.pk])
    moved = {**PROVIDER, "api_key": "", "api_url": "https://elsewhere.example/api/v2"}
    assert "Enter the key again" in staff_client.post(address, moved).content.decode()
    before = provider.api_url
    provider.refresh_from_db()
    assert provider.api_url == before
    assert staff_client.post(address, {**moved, "api_key": "theirs"}).status_code == 302


def test_provider_when_paused_then_can_be_resumed(staff_client, provider):
    pause_provider(provider=provider, kind=PauseKind.FUNDS, text="our balance there is used up")
    staff_client.post(action_address("catalog.provider", provider.pk, "resume"))
    provider.refresh_from_db()
    assert (provider.paused_until, provider.pause_count) == (None, 0)
    assert staff_client.get(action_address("catalog.provider", provider.pk, "resume")).status_code == 403
