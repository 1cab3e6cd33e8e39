"""Forms without a token, headers, and accounts. tests/panel/routes tell who may open which page."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import reverse

from tests import make
from tests.panel.routes.table import NOBODY, OWN, PAGES, SIGNED_IN

pytestmark = pytest.mark.django_db
routing = pytest.mark.once  # Tests addresses and permissions, before any row is read.

# The pages of customers that change something.
CHANGING = sorted(name for name, row in PAGES.items() if row.get == NOBODY and row.post in (SIGNED_IN, OWN))


@pytest.mark.parametrize("name", [*CHANGING, "order_new", "account", "api_try"])
@routing
def test_post_when_the_csrf_token_is_missing_then_refused(name, customer):
    client = Client(enforce_csrf_checks=True)
    client.force_login(customer)
    address = reverse(name, args=[1] if PAGES[name].of else [])
    assert client.post(address).status_code == 403


STRICT = {
    **dict.fromkeys(("default-src", "script-src-attr", "base-uri", "frame-ancestors"), "'none'"),
    **dict.fromkeys(("script-src", "style-src", "font-src", "connect-src", "form-action"), "'self'"),
    "img-src": "'self' data:",
}


def directives(policy: str) -> dict[str, str]:
    """Return the sources of a content policy by directive."""
    return {name: sources for name, _, sources in (part.strip().partition(" ") for part in policy.split(";"))}


@routing
def test_customer_pages_when_opened_then_a_strict_content_policy(signed_in):
    for client, name in ((Client(), "home"), (Client(), "account_login"), (signed_in, "order_new")):
        policy = client.get(reverse(name)).headers["Content-Security-Policy"]
        assert STRICT.items() <= directives(policy).items()
        assert "unsafe" not in policy


@routing
def test_admin_pages_when_opened_then_no_script_within_a_page_runs(staff_client):
    policy = staff_client.get(reverse("admin:index")).headers["Content-Security-Policy"]
    relaxed = {"script-src": "'self' 'unsafe-eval'", "style-src": "'self' 'unsafe-inline'"}
    assert {**STRICT, **relaxed}.items() <= directives(policy).items()


def test_sign_up_when_done_then_a_customer_with_an_empty_wallet():
    client = Client()
    response = client.post(
        reverse("account_signup"), {"email": "New@Example.org", "password1": "correct horse battery"}
    )
    assert response.status_code == 302
    page = client.get(reverse("wallet"))
    assert page.status_code == 200
    assert page.context["wallet"].balance == 0


def test_accounts_when_they_differ_only_by_case_then_refused(customer):
    response = Client().post(
        reverse("account_signup"), {"email": "ALICE@example.org", "password1": "correct horse battery"}
    )
    assert response.status_code in (200, 302)  # The page does not reveal who has an account.
    assert type(customer).objects.filter(email__iexact="alice@example.org").count() == 1


def test_customer_when_inactive_then_cannot_sign_in():
    user = make.customer("gone@example.org")
    user.is_active = False
    user.save()
    client = Client()
    client.post(reverse("account_login"), {"login": user.email, "password": "correct horse battery"})
    assert client.get(reverse("wallet")).status_code == 302


def test_reauthentication_when_password_is_entered_then_continues(signed_in, customer, real_sign_in_times):
    EmailAddress.objects.create(user=customer, email=customer.email, verified=True, primary=True)
    wanted = reverse("mfa_activate_totp")
    page = signed_in.get(wanted, follow=True)
    assert "Confirm that it is you" in page.content.decode()
    address = page.redirect_chain[-1][0]
    wrong = signed_in.post(address, {"password": "not this one", "next": wanted})
    assert wrong.status_code == 200
    right = signed_in.post(address, {"password": "correct horse battery", "next": wanted}, follow=True)
    assert right.request["PATH_INFO"] == wanted and right.status_code == 200
