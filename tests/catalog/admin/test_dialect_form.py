"""“How it speaks” on a provider's page: who may set it, errors at the field, and what is stored."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from catalog.models import Provider
from catalog.provider_accounts import client_for
from panel.accounts.roles import MANAGER, OWNER
from tests.catalog.admin.test_connect_provider import PROVIDER
from tests.catalog.admin.test_providers import form_of, page_of, text_of, with_role

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def saved(client: Any, provider: Provider, **changes: Any) -> dict[str, Any] | None:
    """Save the page with changes, and return the stored dialect."""
    response = client.post(page_of(provider), {**form_of(client, provider), **changes})
    assert response.status_code == 302, response.context["adminform"].form.errors
    return Provider.objects.get(pk=provider.pk).dialect


def errors(client: Any, provider: Provider, **changes: Any) -> dict[str, list[str]]:
    before = Provider.objects.values().get(pk=provider.pk)
    response = client.post(page_of(provider), {**form_of(client, provider), **changes})
    assert Provider.objects.values().get(pk=provider.pk) == before
    assert "How it speaks" in response.content.decode()
    return dict(response.context["adminform"].form.errors)


def test_dialect_when_each_setting_is_entered_then_stored(staff_client, provider):
    stored = saved(
        staff_client,
        provider,
        dialect_names="link = url\r\n\r\n order=order_id ",
        dialect_key_header="Authorization:  Bearer",
        dialect_get_actions=["status", "balance"],
        dialect_addresses="status = /api/status?x=1",
        dialect_requests_a_minute="60",
        dialect_connect_timeout="5",
        dialect_read_timeout="20",
        dialect_add_timeout="80",
        dialect_asks_singly="on",
        dialect_status_codes="1 = In Progress\n3=completed",
        dialect_any_case="on",
    )
    assert stored == {
        "names": {"link": "url", "order": "order_id"},
        "key_header": "Authorization: Bearer",
        "get_actions": ["balance", "status"],
        "addresses": {"status": "/api/status?x=1"},
        "requests_a_minute": 60,
        "connect_timeout": 5,
        "read_timeout": 20,
        "add_timeout": 80,
        "asks_singly": True,
        "status_codes": {"1": "in_progress", "3": "completed"},
        "any_case": True,
    }
    provider.refresh_from_db()
    client_for(provider)
    # Shown again, and saved again, it stays.
    assert saved(staff_client, provider, name="Renamed") == stored
    emptied = {f"dialect_{name}": "" for name in stored if name not in ("asks_singly", "any_case", "get_actions")}
    data = {**form_of(staff_client, provider), **emptied}
    for name in ("asks_singly", "any_case", "get_actions"):
        data.pop(f"dialect_{name}")
    assert staff_client.post(page_of(provider), data).status_code == 302
    assert Provider.objects.get().dialect is None


def test_dialect_when_nothing_is_entered_then_nothing_is_stored(staff_client, provider):
    assert saved(staff_client, provider, name="Renamed") is None


WRONG = [
    ("names", "link", "write it as link = url"),
    ("names", "url = link", "no parameter of the standard"),
    ("names", "link = quantity", "both be"),
    ("names", "link = a\nlink = b", "there twice"),
    ("names", "link = <b>", "letters, digits"),
    ("names", "x" * 5_000, "at most"),
    ("key_header", "Host", "sets it itself"),
    ("key_header", "X-Api-Key: 0123456789abcdef", "The key is added"),
    ("get_actions", ["add"], "not one of the available choices"),
    ("addresses", "status", "write it as status = /api/status"),
    ("addresses", "pay = /x", "no action"),
    ("addresses", "status = x", "a path such as"),
    ("requests_a_minute", "0", "Enter 1 to 6,000"),
    ("requests_a_minute", "many", "whole number"),
    ("connect_timeout", "99", "Enter 1 to 60 seconds"),
    ("read_timeout", "1", "Enter 5 to 55 seconds"),
    ("add_timeout", "30", "already"),
    ("add_timeout", "89", "at most 88 seconds"),
    ("status_codes", "3 = ready", "is no status. Use one of: Pending"),
    ("status_codes", "three = Completed", "no number"),
]


def test_setting_when_wrong_then_clear_error_at_its_field(staff_client, provider):
    form, before = form_of(staff_client, provider), Provider.objects.values().get(pk=provider.pk)
    for field, value, words in WRONG:
        response = staff_client.post(page_of(provider), {**form, f"dialect_{field}": value})
        found = response.context["adminform"].form.errors
        assert list(found) == [f"dialect_{field}"], value
        assert words in found[f"dialect_{field}"][0], value
    assert Provider.objects.values().get(pk=provider.pk) == before


def test_address_when_http_then_refused_where_private_is_off(staff_client, provider, settings):
    Provider.objects.update(api_url="https://a.example/api/v2")
    settings.UPSTREAM_ALLOW_PRIVATE = False
    found = errors(staff_client, provider, dialect_addresses="status = http://a.example/x", api_key="new-key")
    assert "use an https address" in found["dialect_addresses"][0]


def test_address_when_on_another_server_then_key_is_asked_again(staff_client, provider):
    """Otherwise the stored key could be sent to a server of whoever may edit the address."""
    found = errors(staff_client, provider, dialect_addresses="balance = https://evil.example/x")
    assert "Enter the key again" in found["api_key"][0]
    changes = {"dialect_addresses": "balance = https://other.example/x", "api_key": "new-key"}
    assert saved(staff_client, provider, **changes) == {"addresses": {"balance": "https://other.example/x"}}
    # Known by now: the key may go there.
    assert saved(staff_client, provider, dialect_addresses="status = https://other.example/y", api_key="") is not None


def test_key_when_it_fits_no_header_then_error_at_the_key(staff_client, provider):
    found = errors(staff_client, provider, dialect_key_header="X-Api-Key", api_key="ключ")
    assert "cannot be sent in a header" in found["api_key"][0]


def test_provider_when_added_with_a_dialect_then_stored(staff_client, upstream):
    data = {**PROVIDER, "api_url": upstream.url, "dialect_names": "link = url", "dialect_requests_a_minute": "30"}
    response = staff_client.post(reverse("admin:catalog_provider_add"), data)
    assert response.status_code == 302, response.context["adminform"].form.errors
    assert Provider.objects.get().dialect == {"names": {"link": "url"}, "requests_a_minute": 30}


def test_request_id_when_named_like_a_parameter_then_refused(staff_client, provider):
    found = errors(staff_client, provider, dialect_names="link = url", request_id_parameter="url")
    assert "Another parameter has this name" in found["request_id_parameter"][0]


def test_dialect_when_form_is_old_then_others_settings_stay(staff_client, provider):
    data = form_of(staff_client, provider)
    Provider.objects.update(dialect={"any_case": True, "names": {"link": "url"}})
    response = staff_client.post(page_of(provider), {**data, "dialect_asks_singly": "on"})
    assert response.status_code == 302
    assert Provider.objects.get().dialect == {"any_case": True, "names": {"link": "url"}, "asks_singly": True}


@pytest.mark.parametrize(("role", "may"), [(OWNER, True), (MANAGER, False)])
def test_dialect_when_without_the_permission_then_read_only(provider, role, may):
    Provider.objects.update(dialect={"names": {"link": "url"}})
    client = with_role(role)
    text = text_of(client, provider)
    assert ('name="dialect_names"' in text) == may
    assert ("Parameter names: link = url" in text) != may
    data = {**form_of(client, provider), "dialect_names": "link = target"}
    client.post(page_of(provider), data)
    assert Provider.objects.get().dialect == {"names": {"link": "target" if may else "url"}}


def test_dialect_when_stored_form_is_unknown_then_page_still_opens(staff_client, provider):
    Provider.objects.update(dialect={"from_a_later_version": 1})
    assert "How it speaks" in text_of(staff_client, provider)
