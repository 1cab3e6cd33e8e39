"""`rotate_keys`: nothing needs the old key afterwards, no secret that changed meanwhile is lost, all is counted."""

from __future__ import annotations

import io
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import CommandError, call_command

from catalog.models import Provider
from catalog.provider_accounts import account_of, client_for, set_api_key
from panel.lib.crypto import Undecryptable, decrypt, encrypt, has_newest_key
from panel.ops import key_rotation
from panel.ops.key_rotation import KINDS, count_keys, rotate_keys
from panel.site.kinds import Secret
from panel.site.models import StoredSetting
from tests import make

pytestmark = pytest.mark.django_db

OLD, NEW = "b25seS1mb3ItdGVzdHMtbm90LWEtcmVhbC1zZWNyZXQ=", Fernet.generate_key().decode()
SEED = "ab" * 40


def factor(who: Any, **data: Any) -> Authenticator:
    return Authenticator.objects.create(user=who, type="totp" if "secret" in data else "recovery_codes", data=data)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("rotate_keys", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def stored(settings, provider, customer, monkeypatch):
    """Secrets of each kind, under the old key."""
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    set_api_key(provider=provider, api_key="the-key-of-the-provider")
    provider.save()
    factor(customer, secret=encrypt("JBSWY3DPEHPK3PXP"))
    factor(customer, seed=encrypt(SEED), used_mask=5, viewed_at=1_795_000_000.123456)
    monkeypatch.setitem(key_rotation.SETTINGS, "TOKEN", Secret("TOKEN", "Token", default=""))
    StoredSetting.objects.create(name="TOKEN", value=encrypt("the-token"), version=3)
    StoredSetting.objects.create(name="PANEL_NAME", value="Harbour", version=1)
    return provider


def test_rotation_when_done_as_documented_then_nothing_is_lost(stored, settings, customer):
    account = account_of(stored)
    # A new key in front; then the command; then the old key goes.
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    said = run()
    assert "API keys of providers: 1 re-encrypted, 0 unreadable, 0 still under old keys" in said
    assert "Second factors: 2 re-encrypted" in said and "Secret settings: 1 re-encrypted" in said
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    stored.refresh_from_db()
    assert decrypt(stored.api_key_encrypted) == "the-key-of-the-provider"
    assert account_of(stored) == account
    totp, codes = (Authenticator.objects.get(user=customer, type=one).data for one in ("totp", "recovery_codes"))
    assert decrypt(totp["secret"]) == "JBSWY3DPEHPK3PXP"
    assert {**codes, "seed": decrypt(codes["seed"])} == {
        "seed": SEED,
        "used_mask": 5,
        "viewed_at": 1_795_000_000.123456,
    }
    token = StoredSetting.objects.get(name="TOKEN")
    assert (decrypt(token.value), token.version) == ("the-token", 3)
    assert StoredSetting.objects.get(name="PANEL_NAME").value == "Harbour"
    assert "0 re-encrypted, 0 unreadable, 0 still under old keys" in run()


def test_provider_when_only_saved_again_then_still_under_the_old_key(stored, settings):
    """What `.env.example` said of old: it lost every key that nobody typed again."""
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    stored.refresh_from_db()
    stored.save()
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    with pytest.raises(Undecryptable):
        decrypt(stored.api_key_encrypted)


def test_rotation_when_a_key_is_changed_meanwhile_then_the_change_stays(stored, settings, customer, monkeypatch):
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    renewed = key_rotation._renewed

    def change_first(kind: Any, text: str) -> str:
        result = renewed(kind, text)
        if kind.model is Provider:
            Provider.objects.filter(pk=stored.pk).update(api_key_encrypted=encrypt("typed-by-the-owner"))
        elif kind.model is Authenticator:
            used = {"seed": text, "used_mask": 7}
            Authenticator.objects.filter(type="recovery_codes").update(data=used)
        return result

    monkeypatch.setattr(key_rotation, "_renewed", change_first)
    rotate_keys()
    stored.refresh_from_db()
    assert decrypt(stored.api_key_encrypted) == "typed-by-the-owner"
    # A recovery code that was used meanwhile is not usable again.
    assert Authenticator.objects.get(user=customer, type="recovery_codes").data["used_mask"] == 7
    monkeypatch.undo()
    monkeypatch.setattr("django.conf.settings.FIELD_ENCRYPTION_KEYS", [NEW, OLD])
    rotate_keys()
    assert all(count.is_done for count in count_keys())


def test_rotation_when_killed_then_the_next_run_ends_it(stored, settings, monkeypatch):
    other = make.customer("other@example.org")
    factor(other, secret="PLAINPLAINPLAIN2")
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    monkeypatch.setattr(key_rotation, "BATCH", 1)
    renewed, left = key_rotation._renewed, [2]

    def die(kind: Any, text: str) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return renewed(kind, text)

    monkeypatch.setattr(key_rotation, "_renewed", die)
    with pytest.raises(KeyboardInterrupt):
        rotate_keys()
    assert [count.old + count.plain for count in count_keys()] == [0, 2, 0, 0, 0, 0, 1]
    monkeypatch.setattr(key_rotation, "_renewed", renewed)
    assert [count.rotated for count in rotate_keys()] == [0, 2, 0, 0, 0, 0, 1]
    assert all(count.is_done for count in count_keys())
    assert has_newest_key(Authenticator.objects.get(user=other).data["secret"])


def test_rotation_when_a_secret_has_no_key_then_named_and_exit_non_zero(stored, settings):
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    Authenticator.objects.all().delete()
    out = io.StringIO()
    with pytest.raises(CommandError, match="Put the missing key back"):
        call_command("rotate_keys", stdout=out)
    assert f"Unreadable: {stored.pk}" in out.getvalue()
    assert "API keys of providers: 0 re-encrypted, 1 unreadable, 0 still under old keys" in out.getvalue()
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    assert "newest key" in run()


def test_count_when_old_keys_are_needed_then_nothing_changes(stored, settings):
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    before = Provider.objects.get().api_key_encrypted
    with pytest.raises(CommandError, match="Keep the old keys"):
        run("--count")
    assert Provider.objects.get().api_key_encrypted == before
    assert [count.old for count in count_keys()] == [1, 2, 0, 0, 0, 0, 1]


def test_kinds_when_a_column_is_encrypted_then_it_is_rotated():
    named = {
        (model, column.name)
        for model in apps.get_models()
        for column in model._meta.concrete_fields
        if column.name.endswith("_encrypted")
    }
    assert named <= {(kind.model, kind.column) for kind in KINDS}


def test_key_when_rotated_then_the_provider_is_called_with_it(provider, settings, upstream):
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    rotate_keys()
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    provider.refresh_from_db()
    client_for(provider).balance()  # The sandbox knows this key alone.
