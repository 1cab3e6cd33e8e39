"""New passwords: what they may hold, who is told, and what a reset by mail switches off."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from panel.accounts.mails import send_account_mails
from panel.accounts.models import ApiKey, User
from panel.api.key_use import find_key
from panel.api.keys.services import AddressNotConfirmed, make_key, switch_key_on

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


def test_reset_when_done_then_keys_are_off_until_confirmed(customer, client):
    made, gone = make_key(customer=customer, name="Shop"), make_key(customer=customer, name="Old")
    ApiKey.objects.filter(pk=gone.key.pk).update(revoked_at=timezone.now())
    client.post(reverse("account_reset_password"), {"email": customer.email})
    path = mail.outbox[-1].body.split("http://localhost:8000")[1].split()[0]
    form = client.get(path, follow=True).redirect_chain[-1][0]
    assert find_key(secret=made.secret)
    client.post(form, {"password1": "another horse battery", "password2": "another horse battery"})
    assert find_key(secret=made.secret) is None
    answer = client.post("/api/v2", {"key": made.secret, "action": "balance"}).json()
    assert answer == client.post("/api/v2", {"key": "0" * 64, "action": "balance"}).json()
    send_account_mails()
    assert "API keys" in mail.outbox[-1].body and "a new password was set" in mail.outbox[-1].body

    client.post(reverse("account_login"), {"login": customer.email, "password": "another horse battery"})
    page = client.get(reverse("api_keys")).content.decode()
    assert "your keys are off" in page and page.count(">Switch on<") == 1
    client.post(reverse("api_key_switch_on", args=[made.key.pk]))
    client.post(reverse("api_key_switch_on", args=[gone.key.pk]))
    assert find_key(secret=made.secret) and find_key(secret=gone.secret) is None
    assert "your keys are off" not in client.get(reverse("api_keys")).content.decode()


def test_key_when_looked_up_then_one_query(customer, django_assert_num_queries):
    made = make_key(customer=customer, name="Shop")
    with django_assert_num_queries(1):
        assert find_key(secret=made.secret)


def test_password_when_changed_in_the_account_then_keys_stay_on(customer, signed_in):
    made = make_key(customer=customer, name="Shop")
    new = {"password1": "another horse battery", "password2": "another horse battery"}
    signed_in.post(reverse("account_change_password"), {"oldpassword": PASSWORD, **new})
    assert find_key(secret=made.secret)
    send_account_mails()
    assert [one.subject for one in mail.outbox] == ["Your password was changed"]


@pytest.mark.parametrize("password", ["upmark-2024-shop", "my UPMARK panel", "up mark up mark", "Harbour12345"])
def test_password_when_it_holds_the_panels_name_then_refused(password, settings):
    settings.PANEL_NAME = "Harbour" if "Harbour" in password else "Upmark"
    Client().post(reverse("account_signup"), {"email": "new@example.org", "password1": password})
    assert not User.objects.filter(email="new@example.org").exists()


def test_reset_when_the_host_header_is_forged_then_link_uses_site_url(customer, settings):
    settings.SITE_URL, settings.ALLOWED_HOSTS = "https://panel.example.com", ["*"]
    Client(headers={"host": "evil.example"}).post(reverse("account_reset_password"), {"email": customer.email})
    (message,) = mail.outbox
    assert "https://panel.example.com/account/password/reset/key/" in message.body
    assert "evil.example" not in message.body + message.subject


# -- keys need a confirmed address --------------------------------------------------------------------


def test_key_when_address_is_not_confirmed_then_refused(customer, signed_in, mail_server):
    page = signed_in.post(reverse("api_key_new"), {"name": "Shop", "request_key": "f" * 32})
    assert "Confirm your e-mail address first" in page.content.decode()
    assert "Confirm your e-mail address" in signed_in.get(reverse("api_keys")).content.decode()
    assert not ApiKey.objects.exists()
    EmailAddress.objects.create(user=customer, email=customer.email, verified=True, primary=True)
    assert make_key(customer=customer, name="Shop").key.pk


def test_key_when_off_and_address_not_confirmed_then_it_stays_off(customer, mail_server):
    EmailAddress.objects.create(user=customer, email=customer.email, verified=True, primary=True)
    key = make_key(customer=customer, name="Shop").key
    ApiKey.objects.update(off_since=timezone.now())
    EmailAddress.objects.update(verified=False)
    with pytest.raises(AddressNotConfirmed):
        switch_key_on(key=key)
    assert ApiKey.objects.get().off_since


def test_key_when_changed_then_its_customer_gets_a_mail(customer, signed_in):
    key = make_key(customer=customer, name="Shop").key
    signed_in.post(reverse("api_key_edit", args=[key.pk]), {"name": "Shop", "networks": "192.0.2.7"})
    send_account_mails()
    assert [(one.to, one.subject) for one in mail.outbox] == [([customer.email], "An API key was changed")]
    assert "http://localhost:8000/account/api/" in mail.outbox[0].body


def test_second_factor_when_switched_off_then_its_account_gets_a_mail(customer, signed_in):
    TOTP.activate(customer, generate_totp_secret())
    signed_in.post(reverse("mfa_deactivate_totp"))
    assert not Authenticator.objects.filter(user=customer).exists()
    send_account_mails()
    assert [one.to for one in mail.outbox] == [[customer.email]]
    assert "127.0.0.1" in mail.outbox[0].body
