"""The test page of a provider: who may run it, what it shows and hides, and taking over what it proposes."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.urls import reverse

from catalog.admin import provider_trial
from catalog.models import Provider
from orders.models import PlacementAttempt
from panel.accounts.roles import MANAGER, OWNER
from panel.sandbox.http import faults
from tests import make
from tests.catalog.admin.test_providers import page_of, with_role
from tests.scenes import submit_now

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def trial_of(provider: Provider) -> str:
    return reverse("admin:catalog_provider_test_dialect", args=[provider.pk])


def found(client: Client, provider: Provider, data: dict[str, Any] | None = None) -> str:
    response = client.post(trial_of(provider), data or {}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def proposals_in(text: str) -> list[str]:
    return re.findall(r'name="proposals" value="([^"]+)"', text)


@pytest.fixture
def capitals(upstream):
    """A provider that lists services with capitals in its names."""
    row = {"Service": 1, "Name": "A", "Type": "Default", "Category": "X", "Rate": "1", "Min": "10", "Max": "100"}
    upstream.inject(faults.reply(body=json.dumps([row]).encode(), action="services", times=None))


def test_page_when_opened_then_explains_and_asks_nothing(staff_client, provider, upstream):
    text = staff_client.get(trial_of(provider)).content.decode()
    assert "Nothing is ordered, canceled or refilled" in text
    assert "It has no order of yours yet" in text
    assert upstream.requests == []
    assert trial_of(provider) in staff_client.get(page_of(provider)).content.decode()


def test_page_when_run_then_shows_what_was_sent_and_how_read(staff_client, provider, service, customer, upstream):
    order = make.order(customer, service)
    submit_now()
    order.refresh_from_db()
    upstream.clear_requests()
    text = found(staff_client, provider)
    assert "Read as Pending" in text or "Read as In progress" in text or "Read as Processing" in text
    assert f"Status of order {order.upstream_id}" in text
    assert "action=balance" in text
    assert "key=[key]" in text
    assert upstream.key not in text
    assert "Nothing: no other setting would be understood better." in text
    assert {one.params["action"] for one in upstream.requests} == {"balance", "services", "status"}


def test_page_when_key_is_echoed_then_hidden_and_escaped(staff_client, provider, upstream):
    echo = json.dumps({"error": f"<script>alert(1)</script> {upstream.key}"}).encode()
    upstream.inject(faults.reply(body=echo, times=None))
    text = found(staff_client, provider)
    assert upstream.key not in text
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_proposal_when_taken_then_stored_and_logged(staff_client, provider, capitals):
    [signed] = proposals_in(found(staff_client, provider))
    assert Provider.objects.get().dialect is None
    assert "Saved. Names in its answers differ in case: yes." in found(staff_client, provider, {"proposals": signed})
    assert Provider.objects.get().dialect == {"any_case": True}
    assert "Taken over from a test" in LogEntry.objects.get().change_message
    # A second click, or a test that is out of date.
    assert "was changed since the test" in found(staff_client, provider, {"proposals": signed})


def test_proposals_when_all_are_taken_then_stored_together(
    staff_client, provider, capitals, service, customer, upstream
):
    make.order(customer, service)
    upstream.inject(faults.reply(body=b'{"error": "url is required"}', action="add"))
    submit_now()
    made = proposals_in(found(staff_client, provider))
    assert len(made) == 3  # Two, and both together.
    text = found(staff_client, provider, {"proposals": made[-1]})
    assert "Saved. Names in its answers differ in case: yes; Parameter names: link = url." in text
    assert Provider.objects.get().dialect == {"any_case": True, "names": {"link": "url"}}
    assert "What was asked" in found(staff_client, provider)  # At once: that is what one does next.


def test_proposal_when_forged_or_of_another_provider_then_refused(staff_client, provider, capitals):
    [signed] = proposals_in(found(staff_client, provider))
    other = make.provider(name="Other", url="https://other.example/api/v2", api_key="another")
    for address, text in ((provider, signed[:-1]), (provider, "{}"), (other, signed)):
        assert "Run it again" in found(staff_client, address, {"proposals": text})
    assert set(Provider.objects.values_list("dialect", flat=True)) == {None}


def test_proposal_when_form_token_is_missing_then_refused(staff, provider):
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff)
    assert client.post(trial_of(provider), {}).status_code == 403


def test_trial_when_run_again_at_once_then_asked_to_wait(staff_client, provider, upstream):
    found(staff_client, provider)
    upstream.clear_requests()
    assert "It was tested a moment ago" in found(staff_client, provider)
    assert upstream.requests == []


def test_trial_when_cache_is_down_then_runs(staff_client, provider, monkeypatch):
    def fail(*args: object) -> bool:
        raise ConnectionError("redis")

    monkeypatch.setattr(provider_trial, "cache", SimpleNamespace(add=fail))
    assert "What was asked" in found(staff_client, provider)


@pytest.mark.parametrize(("role", "status"), [(OWNER, 200), (MANAGER, 403)])
def test_page_when_without_the_permission_then_refused(provider, upstream, role, status):
    client = with_role(role)
    assert client.get(trial_of(provider)).status_code == status
    assert client.post(trial_of(provider), {}).status_code == status
    assert (trial_of(provider) in client.get(page_of(provider)).content.decode()) == (status == 200)
    if status == 403:
        assert upstream.requests == []


@pytest.mark.django_db(transaction=True)
def test_trial_when_run_then_outside_of_any_transaction(staff_client, provider, monkeypatch):
    seen = []
    run = provider_trial.run_trial
    monkeypatch.setattr(
        provider_trial, "run_trial", lambda **values: seen.append(connection.in_atomic_block) or run(**values)
    )
    found(staff_client, provider)
    assert seen == [False]


def test_page_when_an_order_was_refused_for_url_then_proposes_it(staff_client, provider, service, customer, upstream):
    make.order(customer, service)
    upstream.inject(faults.reply(body=b'{"error": "The url field is required"}', action="add"))
    submit_now()
    assert PlacementAttempt.objects.count() == 1
    text = found(staff_client, provider)
    assert "Parameter names: <bdi>link = url</bdi>" in text


def test_page_when_redirected_then_tells_the_address(staff_client, provider, upstream):
    upstream.inject(faults.reply(body=b"", status=301, headers={"Location": "https://www.b.example/v2/"}, times=None))
    told = "It redirects to https://www.b.example/v2/: enter that address."
    assert told in found(staff_client, provider)
    response = staff_client.post(reverse("admin:catalog_provider_test_connection", args=[provider.pk]))
    assert f"It does not work. {told}" in response.content.decode()
