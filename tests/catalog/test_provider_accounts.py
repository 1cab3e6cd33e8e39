"""A provider's API key appears in no column, log, alert or import; its dialect reaches the client."""

from __future__ import annotations

from decimal import Decimal

import pytest
from cryptography.fernet import Fernet
from django.db import connection

from catalog.imports.run import import_services
from catalog.provider_accounts import (
    ProviderUnusable,
    add_times,
    check_providers,
    client_for,
    request_scope,
    same_account,
    set_api_key,
)
from panel.alerts.models import Alert
from panel.lib.crypto import decrypt
from panel.sandbox.http import faults
from tests import make
from tests.logs import log_lines

KEY = "sk-live-7f3a9c51e2d84b60"


@pytest.fixture
def keyed_provider(provider, upstream):
    """The connected provider, with a realistic key."""
    upstream.key = upstream.api.key = KEY
    set_api_key(provider=provider, api_key=f" {KEY}\n")
    provider.save()
    return provider


def test_provider_key_when_stored_then_encrypted_in_every_column(keyed_provider):
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM catalog_provider")
        [row] = cursor.fetchall()
    assert KEY not in str(row)
    assert KEY not in repr(keyed_provider) + repr(client_for(keyed_provider)) + repr(keyed_provider.__dict__)
    assert decrypt(keyed_provider.api_key_encrypted) == KEY


def test_provider_key_when_echoed_then_in_no_log_alert_or_run(keyed_provider, upstream):
    echo = f'{{"error": "Invalid API key {KEY}, sent as key={KEY}"}}'.encode()
    upstream.inject(faults.reply(body=echo, times=None))
    with log_lines() as stream:
        run = import_services(provider=keyed_provider)
        assert check_providers() == 1
    assert run.outcome == "failed"
    assert "Invalid API key" in run.reason
    texts = run.reason + "".join(Alert.objects.values_list("text", flat=True))
    assert Alert.objects.count() == 2
    assert KEY not in texts
    assert "alert raised" in stream.getvalue()
    assert KEY not in stream.getvalue()
    # Proof that the key was sent.
    assert len(upstream.requests_of("services")) == 1


def test_provider_key_when_connection_fails_then_in_no_log_or_alert(keyed_provider, upstream):
    upstream.inject(faults.refuse(times=None))
    with log_lines() as stream:
        import_services(provider=keyed_provider)
    assert KEY not in stream.getvalue() + Alert.objects.get().text


def test_provider_key_when_encryption_keys_lost_then_nothing_sent(keyed_provider, upstream, settings):
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(ProviderUnusable, match="Enter the API key again"):
        client_for(keyed_provider)
    assert check_providers() == 1
    assert upstream.requests == []


# -- dialects ------------------------------------------------------------------------------------------


def with_dialect(provider, **settings):
    provider.dialect = settings
    provider.save()
    return provider


def test_client_when_provider_has_a_dialect_then_speaks_it(keyed_provider, upstream):
    upstream.inject(faults.reply(body=b'{"Balance": "7.5"}', times=None))
    assert client_for(with_dialect(keyed_provider, any_case=True)).balance().amount == Decimal("7.5")


@pytest.mark.parametrize("stored", [{"method": "GET"}, {"get_actions": ["add"]}, []])
def test_client_when_dialect_is_unknown_then_unusable(keyed_provider, upstream, stored):
    keyed_provider.dialect = stored
    with pytest.raises(ProviderUnusable):
        client_for(keyed_provider)
    assert upstream.requests == []


def test_request_scope_when_address_of_add_changes_then_differs(keyed_provider):
    """A request id is known where it was sent alone: elsewhere it would create another order."""
    keyed_provider.request_id_parameter = "ref"
    before = request_scope(keyed_provider)
    assert request_scope(with_dialect(keyed_provider, addresses={"status": "/x"}, names={"link": "url"})) == before
    assert request_scope(with_dialect(keyed_provider, addresses={"add": "/x"})) != before
    same = with_dialect(keyed_provider, addresses={"add": keyed_provider.api_url})
    assert request_scope(same) == before


def test_accounts_when_an_action_has_the_same_host_then_shared(keyed_provider):
    other = make.provider(name="Other", url="https://other.example/api/v2", api_key="another-key")
    assert same_account(keyed_provider) == [keyed_provider.pk]
    with_dialect(other, addresses={"status": keyed_provider.api_url})
    assert set(same_account(keyed_provider)) == {keyed_provider.pk, other.pk}


@pytest.mark.parametrize(("own", "expected"), [(None, 60), (30, 60), (70, 70), (88, 88), (500, 88)])
def test_add_times_when_provider_has_its_own_then_only_longer(keyed_provider, own, expected):
    """Within the lease, and never shorter than the panel's: an order that is given up is in doubt."""
    with_dialect(keyed_provider, add_timeout=own)
    assert add_times(keyed_provider) == (expected, 90)


@pytest.mark.parametrize(
    ("own", "asked", "expected"), [(None, None, 45), (20, None, 20), (55, None, 55), (55, 7, 7), (5, 7, 5)]
)
def test_read_timeout_when_set_then_kept_within_the_callers(keyed_provider, own, asked, expected):
    client = client_for(with_dialect(keyed_provider, read_timeout=own), read_timeout=asked)
    assert client._read_timeout == expected
    assert client._act_timeout >= 45


@pytest.mark.parametrize(("own", "expected"), [(None, 10), (3, 3)])
def test_connect_timeout_when_set_then_the_clients(keyed_provider, own, expected):
    assert client_for(with_dialect(keyed_provider, connect_timeout=own))._sender._connect_timeout == expected


def test_redirect_when_balance_is_asked_then_alert_tells_the_address(provider, upstream):
    target = {"Location": "https://www.b.example/api/v2/?key=upstream-key"}
    upstream.inject(faults.reply(status=301, body=b"", headers=target, times=None))
    assert check_providers() == 1
    assert Alert.objects.get().text.endswith("It redirects to https://www.b.example/api/v2/: enter that address.")
    assert import_services(provider=provider).reason.startswith("It redirects to https://www.b.example/api/v2/")
