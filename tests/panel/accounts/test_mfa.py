"""Second factors: encrypted in the database and in the session, old rows still read, and no stand-in for a lost key."""

from __future__ import annotations

import json
import time

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY, TOTP, format_hotp_value, hotp_value
from cryptography.fernet import Fernet
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from panel.lib.crypto import decrypt

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
PLAIN = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
LOST = "cannot be checked"


def code_of(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


@pytest.fixture
def signed_in(customer, monkeypatch):
    EmailAddress.objects.update_or_create(user=customer, email=customer.email, defaults={"verified": True})
    monkeypatch.setattr("django.conf.settings.MFA_TOTP_TOLERANCE", 1, raising=False)
    monkeypatch.setattr("django.conf.settings.MFA_REAUTHENTICATION_REQUIRED", False, raising=False)
    monkeypatch.setattr("django.conf.settings.ACCOUNT_REAUTHENTICATION_TIMEOUT", 10**9, raising=False)
    client = Client()
    client.force_login(customer)
    session = client.session
    session["account_authentication_methods"] = [{"method": "password", "at": time.time()}]
    session.save()
    return client


def test_factor_when_set_up_then_no_row_of_the_database_holds_it(signed_in, customer):
    page = signed_in.get(reverse("mfa_activate_totp"))
    secret = page.context["form"].secret
    kept = Session.objects.get(pk=signed_in.session.session_key).get_decoded()
    assert secret not in json.dumps(kept)
    assert decrypt(kept[SECRET_SESSION_KEY]) == secret

    wrong = signed_in.post(reverse("mfa_activate_totp"), {"code": "0000000"})
    assert wrong.context["form"].errors and wrong.context["form"].secret == secret
    assert signed_in.post(reverse("mfa_activate_totp"), {"code": code_of(secret)}).status_code == 302

    totp, codes = (Authenticator.objects.get(user=customer, type=one) for one in ("totp", "recovery_codes"))
    assert secret not in json.dumps(totp.data) and decrypt(totp.data["secret"]) == secret
    assert len(decrypt(codes.data["seed"])) == 80
    assert SECRET_SESSION_KEY not in signed_in.session


def test_factor_when_keys_change_while_set_up_then_begins_again(signed_in, settings):
    first = signed_in.get(reverse("mfa_activate_totp")).context["form"].secret
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    again = signed_in.post(reverse("mfa_activate_totp"), {"code": code_of(first)})
    assert again.context["form"].errors and again.context["form"].secret != first


def test_old_factors_when_not_encrypted_then_still_read(customer):
    totp = Authenticator.objects.create(user=customer, type="totp", data={"secret": PLAIN})
    assert TOTP(totp).validate_code(code_of(PLAIN))
    seed = RecoveryCodes.generate_seed()
    plain = Authenticator(user=customer, type="recovery_codes", data={"seed": seed, "used_mask": 0})
    sealed = Authenticator(user=customer, type="recovery_codes", data={"seed": get_adapter().encrypt(seed)})
    assert RecoveryCodes(plain).generate_codes() == RecoveryCodes(sealed).generate_codes()


def test_factor_when_its_key_is_lost_then_no_code_passes(customer, settings):
    totp = TOTP.activate(customer, PLAIN)
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    for code in (code_of(PLAIN), code_of(""), code_of("A" * 32), "000000"):
        with pytest.raises(ValidationError, match=LOST):
            totp.validate_code(code)


def test_sign_in_when_the_factor_is_unreadable_then_says_so(customer, settings):
    EmailAddress.objects.update_or_create(user=customer, email=customer.email, defaults={"verified": True})
    TOTP.activate(customer, PLAIN)
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    client = Client()
    client.post(reverse("account_login"), {"login": customer.email, "password": PASSWORD})
    page = client.post(reverse("mfa_authenticate"), {"code": code_of(PLAIN)})
    assert page.status_code == 200 and LOST in page.content.decode()
