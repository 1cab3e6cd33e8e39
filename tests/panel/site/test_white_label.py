"""Under another name, no page, mail, header or document shows the project's own."""

from __future__ import annotations

import re
from email.header import decode_header, make_header
from pathlib import Path
from urllib.parse import unquote

import allauth
import pytest
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.core.context import request_context
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from django.conf import settings as django_settings
from django.core import mail
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from billing.mails import write_deposit_mail
from billing.models import Deposit
from catalog.provider_accounts import client_for
from panel.accounts.invitations import invite
from panel.accounts.mails import write_account_mail
from panel.accounts.models import AccountMail, User
from panel.site import stored
from panel.site.models import StoredSetting
from tests import make

pytestmark = pytest.mark.django_db
NAME = "Harbour Social"
ALLAUTH = Path(allauth.__file__).parent / "templates"
OURS = Path(django_settings.BASE_DIR) / "templates"
# Every mail of the sign-in library, as its own template or ours has it.
LIBRARY_MAILS = sorted(
    {
        f"{folder}/{path.name.removesuffix('_subject.txt')}"
        for root in (ALLAUTH, OURS)
        for folder in ("account/email", "mfa/email")
        for path in (root / folder).glob("*_subject.txt")
    }
)


@pytest.fixture(autouse=True)
def another_name(monkeypatch):
    texts = {"PANEL_NAME": NAME, "PUBLIC_SHOP": "true", "SUPPORT_EMAIL": "help@harbour.example"}
    monkeypatch.setattr(stored, "_current", stored.Snapshot(texts, float("inf")))


def check_mail(message):
    sender = str(make_header(decode_header(message.message()["From"])))
    assert sender == f"{NAME} <panel@localhost>"
    text = f"{message.subject}\n{message.body}\n{message.message()}"
    assert "upmark" not in text.lower()
    assert NAME in message.subject + message.body
    return message


@pytest.mark.parametrize("template", LIBRARY_MAILS)
def test_mail_of_the_library_when_sent_then_under_the_panels_name(customer, template):
    assert len(LIBRARY_MAILS) > 12
    context = {
        "user": customer,
        "activate_url": "http://testserver/confirm/",
        "password_reset_url": "http://testserver/reset/",
        "signup_url": "http://testserver/signup/",
        "key": "123",
        "code": "123",
        "ip": "127.0.0.1",
        "user_agent": "Browser",
        "timestamp": timezone.now(),
        "panel_name": NAME,
    }
    with request_context(RequestFactory().get("/")):
        get_adapter().send_mail(template, customer.email, context)
    [message] = mail.outbox
    check_mail(message)


def test_mail_when_somebody_signs_up_then_greets_with_panel_name():
    Client().post(reverse("account_signup"), {"email": "new@example.org", "password1": "correct horse battery"})
    [message] = mail.outbox
    assert check_mail(message).body.startswith(f"Hello from {NAME}!")


def test_mails_of_accounts_when_written_then_under_the_panels_name(customer):
    user = User(email="new@example.org")
    invite(user=user)
    check_mail(write_account_mail(AccountMail.objects.get(user=user)))
    moved = AccountMail(user=customer, kind=AccountMail.Kind.ADDRESS, recipient=customer.email, old="a", new="b")
    assert "help@harbour.example" in check_mail(write_account_mail(moved)).body


@pytest.mark.parametrize("state", ["pending", "approved", "refused"])
def test_mail_of_a_deposit_when_written_then_under_the_panels_name(customer, state):
    deposit = make.pending_deposit(customer, "100")
    deposit.state = state
    if state == Deposit.State.APPROVED:
        deposit.credited = 100_000_000
    check_mail(write_deposit_mail(deposit))


PAGES = [
    "home",
    "services",
    "service_changes",
    "account_login",
    "account_signup",
    "account_reset_password",
    "api_docs",
    "order_new",
    "mass_order",
    "order_list",
    "wallet",
    "add_funds",
    "account",
    "api_keys",
    "account_email",
    "account_change_password",
    "mfa_index",
]


@pytest.mark.parametrize("name", PAGES)
def test_page_when_opened_then_under_the_panels_name(client, signed_in, customer, service, name):
    for one in (client, signed_in):
        answer = one.get(reverse(name), follow=True)
        text = answer.content.decode()
        assert NAME in text and "upmark" not in text.lower()


@pytest.mark.parametrize("address", ["/admin/", "/admin/settings/", "/admin/accounts/user/", "/admin/ops/alert/"])
def test_admin_when_opened_then_title_and_header_are_the_panels(staff_client, address):
    StoredSetting.objects.create(name="PANEL_NAME", value=NAME)
    page = staff_client.get(address).content.decode()
    if address == "/admin/settings/":
        page = page.replace("Default: Upmark.", "").replace('data-default="Upmark"', "")
    assert "upmark" not in page.lower()
    assert re.search(rf"<title>[^<]*{NAME}[^<]*</title>", page) and page.count(NAME) >= 2


def test_admin_when_a_visitor_signs_in_then_under_the_panels_name(client):
    page = client.get("/admin/", follow=True).content.decode()
    assert NAME in page and "upmark" not in page.lower()


def test_admin_when_brand_changes_then_logo_favicon_colours_follow(staff_client, settings):
    settings.PANEL_LOGO_URL, settings.PANEL_FAVICON_URL = "/static/mine.svg", "/static/mine.ico"
    settings.PANEL_ACCENT = "#ffe08a"
    page = staff_client.get("/admin/ops/alert/").content.decode()
    assert '<img src="/static/mine.svg"' in page and 'href="/static/mine.ico"' in page and "favicon.svg" not in page
    assert "--color-primary-600: rgb(112, 99, 61)" in page
    settings.PANEL_ACCENT = "#0f766e"
    assert "--color-primary-600: rgb(14, 113, 106)" in staff_client.get("/admin/ops/alert/").content.decode()


def test_docs_when_shown_then_the_key_is_called_after_the_panel(client):
    page = client.get(reverse("api_docs")).content.decode()
    assert "export HARBOUR_SOCIAL_KEY=" in page and page.count("HARBOUR_SOCIAL_KEY") > 8


def test_provider_when_asked_then_the_panel_names_itself(provider, upstream):
    client_for(provider).balance()
    assert upstream.requests[-1].headers["User-Agent"] == "Harbour-Social/1 (+http://localhost:8000)"


def test_authenticator_when_set_up_then_the_issuer_is_the_panel(customer):
    url = get_mfa_adapter().build_totp_url(customer, "ABCDEF")
    assert f"issuer={NAME}" in unquote(url.replace("+", " "))


def test_sign_up_when_invitation_only_then_closed_and_not_offered(client, settings, service):
    settings.SIGN_UP = "invitation"
    address = reverse("account_signup")
    assert "By invitation alone" in client.get(address).content.decode()
    client.post(address, {"email": "new@example.org", "password1": "correct horse battery"})
    assert not User.objects.filter(email="new@example.org").exists()
    for name in ("home", "services", "account_login", "api_docs"):
        page = client.get(reverse(name)).content.decode()
        assert address not in page, name


def test_verification_when_required_then_no_sign_in_until_verified(monkeypatch, client):
    sent = {"email": "new@example.org", "password1": "correct horse battery"}
    monkeypatch.setattr(stored, "_current", stored.Snapshot({"EMAIL_VERIFICATION": "mandatory"}, float("inf")))
    client.post(reverse("account_signup"), sent)
    assert "_auth_user_id" not in client.session
    assert EmailAddress.objects.get(email=sent["email"]).verified is False


@pytest.mark.parametrize("both", [True, False])
def test_support_link_when_set_then_shown_where_the_address_is(signed_in, settings, both):
    settings.SUPPORT_URL = "https://t.me/harbour"
    if not both:
        settings.SUPPORT_EMAIL = ""
    make.payment_method()
    for name in ("account", "add_funds"):
        page = signed_in.get(reverse(name)).content.decode()
        assert 'href="https://t.me/harbour"' in page and ("mailto:help@harbour.example" in page) == both
