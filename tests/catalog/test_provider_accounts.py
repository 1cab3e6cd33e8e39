"""A provider's API key appears in no column, log, alert or import."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from django.db import connection

from catalog.imports.run import import_services
from catalog.provider_accounts import ProviderUnusable, check_providers, client_for, set_api_key
from panel.alerts.models import Alert
from panel.lib.crypto import decrypt
from panel.sandbox.http import faults
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
