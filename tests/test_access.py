"""Who may see what. Every address of the site is listed here: a new one cannot be forgotten."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests import make

pytestmark = pytest.mark.django_db

PUBLIC = {"home", "theme_css", "healthz"}
WITH_TOKEN = {"metrics"}
SIGNED_IN = {
    "services",
    "order_list",
    "order_new",
    "order_quote",
    "order_fields",
    "order_detail",
    "order_live",
    "order_cancel",
    "order_refill",
    "orders_live",
    "wallet",
    "add_funds",
    "account",
}
OF_AN_ORDER = {"order_detail", "order_live", "order_cancel", "order_refill"}
POST_ONLY = {"order_quote", "order_fields", "order_cancel", "order_refill"}
# The library that signs people in guards its own pages, and so does the admin.
OF_LIBRARIES = ("account_", "mfa_", "admin:")


def routes(patterns, namespace=""):
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{pattern.namespace}:" if pattern.namespace else namespace
            yield from routes(pattern.url_patterns, inner)
        elif isinstance(pattern, URLPattern):
            yield f"{namespace}{pattern.name}"


def test_every_route_is_classed():
    known = PUBLIC | SIGNED_IN | WITH_TOKEN
    unknown = {
        name for name in routes(get_resolver().url_patterns) if name not in known and not name.startswith(OF_LIBRARIES)
    }
    assert unknown == set()


def address(name: str) -> str:
    return reverse(name, args=[1] if name in OF_AN_ORDER else [])


@pytest.mark.parametrize("name", sorted(SIGNED_IN))
def test_visitor_is_sent_to_sign_in(name):
    client = Client()
    response = client.post(address(name)) if name in POST_ONLY else client.get(address(name))
    assert response.status_code == 302
    assert response.url.startswith(reverse("account_login"))


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_page_opens_for_visitors(name):
    assert Client().get(address(name)).status_code == 200


@pytest.mark.parametrize("name", sorted(POST_ONLY | {"order_new", "account"}))
def test_post_without_csrf_token_is_refused(name, customer):
    client = Client(enforce_csrf_checks=True)
    client.force_login(customer)
    assert client.post(address(name)).status_code == 403


@pytest.mark.parametrize("name", sorted(POST_ONLY))
def test_get_cannot_change_anything(name, signed_in):
    assert signed_in.get(address(name)).status_code == 405


def test_admin_is_closed_to_customers_and_visitors(signed_in):
    for client in (Client(), signed_in):
        for name in ("admin:index", "admin:billing_wallet_changelist", "admin:catalog_provider_changelist"):
            response = client.get(reverse(name))
            assert response.status_code in (302, 403), name


def test_customer_pages_have_a_strict_content_policy(signed_in):
    for client, name in ((Client(), "home"), (Client(), "account_login"), (signed_in, "order_new")):
        policy = client.get(reverse(name)).headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy


def test_signing_up_makes_a_customer_with_an_empty_wallet():
    client = Client()
    response = client.post(
        reverse("account_signup"), {"email": "New@Example.org", "password1": "correct horse battery"}
    )
    assert response.status_code == 302
    page = client.get(reverse("wallet"))
    assert page.status_code == 200
    assert page.context["wallet"].balance == 0


def test_two_accounts_cannot_differ_by_case_alone(customer):
    response = Client().post(
        reverse("account_signup"), {"email": "ALICE@example.org", "password1": "correct horse battery"}
    )
    assert response.status_code in (200, 302)  # An unfamiliar visitor is not told who has an account.
    assert type(customer).objects.filter(email__iexact="alice@example.org").count() == 1


def test_inactive_customer_cannot_sign_in():
    user = make.customer("gone@example.org")
    user.is_active = False
    user.save()
    client = Client()
    client.post(reverse("account_login"), {"login": user.email, "password": "correct horse battery"})
    assert client.get(reverse("wallet")).status_code == 302


def test_reauthentication_asks_for_the_password_and_leads_on(signed_in, customer):
    EmailAddress.objects.create(user=customer, email=customer.email, verified=True, primary=True)
    wanted = reverse("mfa_activate_totp")
    page = signed_in.get(wanted, follow=True)
    assert "Confirm that it is you" in page.content.decode()
    address = page.redirect_chain[-1][0]
    wrong = signed_in.post(address, {"password": "not this one", "next": wanted})
    assert wrong.status_code == 200
    right = signed_in.post(address, {"password": "correct horse battery", "next": wanted}, follow=True)
    assert right.request["PATH_INFO"] == wanted and right.status_code == 200
