"""Signing up by code, which does not tell who has an account, and changing the e-mail address."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.internal.flows import add
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.mfa.totp.internal.auth import yield_hotp_counters_from_time as counters
from django.core import mail
from django.test import Client
from django.urls import reverse

from panel.accounts import forms
from panel.accounts.mails import send_account_mails
from panel.accounts.models import SignIn, User
from panel.site import registry as site
from panel.site import stored
from tests import make

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
NEW = "new@example.org"


def sign_up(client: Client, email: str) -> Any:
    return client.post(reverse("account_signup"), {"email": email, "password1": PASSWORD})


def sign_in(email: str, password: str = PASSWORD) -> Any:
    return Client().post(reverse("account_login"), {"login": email, "password": password})


def code_in(body: str) -> str:
    found = re.search(r"^([A-Z0-9]{4}-[A-Z0-9]{4})$", body, re.MULTILINE)
    assert found, body
    return found[1]


def plain(answer: Any, email: str) -> str:
    """Return a page without what differs at each request."""
    text = answer.content.decode().replace(email, "EMAIL")
    return re.sub(r'(csrfmiddlewaretoken" value="|data-now=")[^"]+', r"\1", text)


# -- sign-up -----------------------------------------------------------------------------------------


def test_sign_up_when_code_is_entered_then_signed_in_and_confirmed(mail_server):
    client = Client()
    answer = sign_up(client, NEW)
    assert answer.url == reverse("account_email_verification_sent")
    assert client.get(reverse("account")).status_code == 302
    (message,) = mail.outbox
    done = client.post(answer.url, {"code": code_in(message.body)})
    assert done.status_code == 302
    assert client.get(reverse("account")).status_code == 200
    assert EmailAddress.objects.get(email=NEW).verified


def test_sign_up_when_the_address_is_known_then_the_answers_are_equal(customer, mail_server, monkeypatch):
    hashed = []
    monkeypatch.setattr(forms, "make_password", hashed.append)
    seen = []
    for email in (NEW, customer.email):
        client = Client()
        first = sign_up(client, email)
        page = client.get(first.url)
        wrong = client.post(first.url, {"code": "WRONG1"})
        later = sign_in(email, PASSWORD if email == NEW else "not this one")
        seen.append((first.status_code, first.url, plain(page, email), plain(wrong, email), plain(later, email)))
    assert seen[0] == seen[1]
    assert hashed == [PASSWORD]
    assert [one.to for one in mail.outbox] == [[NEW], [customer.email]]
    assert "already" in mail.outbox[1].body


def test_sign_up_when_never_confirmed_then_its_password_opens_nothing(mail_server):
    sign_up(Client(), NEW)
    assert sign_in(NEW).status_code == 200
    assert SignIn.objects.get().outcome == "wrong_password"
    Client().post(reverse("account_reset_password"), {"email": NEW})
    path = mail.outbox[-1].body.split("http://localhost:8000")[1].split()[0]
    client = Client()
    form = client.get(path, follow=True).redirect_chain[-1][0]
    client.post(form, {"password1": "another horse battery", "password2": "another horse battery"})
    assert EmailAddress.objects.get(email=NEW).verified
    assert sign_in(NEW, "another horse battery").status_code == 302


def test_sign_in_when_accounts_are_older_than_codes_then_it_works(staff, customer, mail_server):
    """The first owner has no address to confirm; customers may have an unconfirmed one and signed in before."""
    EmailAddress.objects.create(user=customer, email=customer.email, primary=True)
    User.objects.filter(pk=customer.pk).update(last_login=customer.date_joined)
    for user in (staff, customer):
        assert sign_in(user.email).status_code == 302
        assert SignIn.objects.filter(user=user, outcome="signed_in").exists()


def test_sign_up_when_owner_wants_no_mail_then_no_code(mail_server, monkeypatch):
    monkeypatch.setattr(stored, "_current", stored.Snapshot({site.EMAIL_VERIFICATION.name: "none"}, float("inf")))
    client = Client()
    sign_up(client, NEW)
    assert client.get(reverse("account")).status_code == 200
    assert mail.outbox == []


def test_confirmation_link_when_codes_replaced_it_then_explained(mail_server, signed_in):
    answer = signed_in.get(reverse("account_confirm_email", args=["abc:def"]), follow=True)
    assert "confirmed with a code now" in answer.content.decode()


# -- changing the address ----------------------------------------------------------------------------


@pytest.fixture
def confirmed(customer):
    EmailAddress.objects.create(user=customer, email=customer.email, verified=True, primary=True)
    return customer


def change(client: Client, **data: str) -> Any:
    return client.post(reverse("account_email"), {"action_add": "", "email": NEW, "password": PASSWORD, **data})


def totp_code(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, next(iter(counters()))))


@pytest.mark.parametrize("second_factor", [False, True])
def test_address_when_changed_with_password_and_code_then_replaced(second_factor, confirmed, signed_in, mail_server):
    data = {}
    if second_factor:
        secret = generate_totp_secret()
        TOTP.activate(confirmed, secret)
        data = {"code": totp_code(secret)}
        add.validate_can_add_authenticator(confirmed)
    old = confirmed.email
    answer = change(signed_in, **data)
    assert answer.url == reverse("account_email_verification_sent")
    assert User.objects.get(pk=confirmed.pk).email == old
    signed_in.post(answer.url, {"code": code_in(mail.outbox[-1].body)})
    assert User.objects.get(pk=confirmed.pk).email == NEW
    assert list(EmailAddress.objects.values_list("email", "verified", "primary")) == [(NEW, True, True)]
    mail.outbox.clear()
    send_account_mails()
    assert [one.to for one in mail.outbox] == [[old]]
    assert NEW in mail.outbox[0].body


@pytest.mark.parametrize(("data", "field"), [({"password": "wrong"}, "password"), ({"code": "000000"}, "code")])
def test_address_when_password_or_code_is_wrong_then_unchanged(data, field, confirmed, signed_in, mail_server):
    TOTP.activate(confirmed, generate_totp_secret())
    answer = change(signed_in, **{"code": "123456", **data})
    assert answer.status_code == 200 and answer.context["form"].errors.keys() == {field}
    assert mail.outbox == [] and User.objects.get(pk=confirmed.pk).email == confirmed.email
    assert SignIn.objects.get().outcome == f"wrong_{field}"


def test_address_when_another_has_it_then_told_only_to_its_holder(confirmed, signed_in, mail_server):
    make.customer(NEW)
    answer = change(signed_in)
    assert answer.url == reverse("account_email_verification_sent")
    signed_in.post(answer.url, {"code": code_in(mail.outbox[-1].body)})
    assert User.objects.get(pk=confirmed.pk).email == confirmed.email
    assert EmailAddress.objects.get().email == confirmed.email


def test_address_when_no_mail_is_set_up_then_by_link_and_replaced(confirmed, signed_in):
    old = confirmed.email
    change(signed_in)
    path = mail.outbox[-1].body.split("http://localhost:8000")[1].split()[0]
    signed_in.post(path)
    assert User.objects.get(pk=confirmed.pk).email == NEW
    assert not EmailAddress.objects.filter(email=old).exists()
