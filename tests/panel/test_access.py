"""Who may see what. Every address of the site is listed here, so that no new one is forgotten."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from billing.models import Deposit
from orders.models import CancelRequest, Refill
from panel.api.keys.services import make_key
from tests import make

pytestmark = pytest.mark.django_db
routing = pytest.mark.once  # Tests addresses and permissions, before any row is read.

PUBLIC = {"home", "api_docs", "theme_css", "healthz"}
WITH_TOKEN = {"metrics", "api_v2", "api_v2_slash"}
# For holders of a mailed link: tests/panel/accounts/test_invitations.py.
BY_LINK = {"invitation", "invitation_accept"}
# For everybody, by the digest of what was uploaded: tests/panel/site/test_files.py.
BY_DIGEST = {"site_file"}
# For staff with the right: tests/panel/site/admin/test_page.py.
OF_STAFF = {"settings", "settings_history", "settings_look", "settings_undo"}
SIGNED_IN = {
    "services",
    "service_changes",
    "service_favourite",
    "order_list",
    "order_new",
    "order_quote",
    "order_fields",
    "order_find",
    "order_detail",
    "order_live",
    "order_export",
    "order_bulk",
    "order_cancel",
    "order_refill",
    "orders_live",
    "mass_order",
    "drip_list",
    "drip_detail",
    "drip_live",
    "drip_stop",
    "wallet",
    "wallet_export",
    "wallet_spending",
    "add_funds",
    "add_funds_preview",
    "deposit_detail",
    "deposit_cancel",
    "deposit_receipt",
    "account",
    "api_keys",
    "api_key_new",
    "api_key_edit",
    "api_key_made",
    "api_key_revoke",
    "api_key_switch_on",
    "api_try",
    "usersessions_list",
}
POST_ONLY = {
    "service_favourite",
    "order_bulk",
    "order_quote",
    "order_fields",
    "order_cancel",
    "order_refill",
    "drip_stop",
    "deposit_cancel",
    "api_key_switch_on",
}
# The sign-in library guards its own pages, and so does the admin.
OF_LIBRARIES = ("account_", "mfa_", "admin:")


# How to create another customer's object, for each customer route whose address names one. Returns the arguments.
ANOTHERS = {
    **dict.fromkeys(
        ("order_detail", "order_live", "order_cancel", "order_refill"),
        lambda other, service: [make.order(other, service).pk],
    ),
    **dict.fromkeys(
        ("drip_detail", "drip_live", "drip_stop"), lambda other, service: [make.drip(other, service, runs=2).pk]
    ),
    **dict.fromkeys(
        ("deposit_detail", "deposit_cancel", "deposit_receipt"),
        lambda other, service: [make.pending_deposit(other).pk],
    ),
    **dict.fromkeys(
        ("api_key_edit", "api_key_made", "api_key_revoke", "api_key_switch_on"),
        lambda other, service: [make_key(customer=other, name="Theirs").key.pk],
    ),
}
# Their addresses name nothing that a customer owns.
OF_EVERYBODY = {"service_favourite"}


def patterns_of(patterns, namespace=""):
    """Yield the full name and the pattern of each route."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{pattern.namespace}:" if pattern.namespace else namespace
            yield from patterns_of(pattern.url_patterns, inner)
        elif isinstance(pattern, URLPattern):
            yield f"{namespace}{pattern.name}", pattern


def routes(patterns):
    return (name for name, _ in patterns_of(patterns))


def own_routes():
    """Yield the project's own routes, with the names of their arguments."""
    for name, pattern in patterns_of(get_resolver().url_patterns):
        if not name.startswith(OF_LIBRARIES):
            yield name, tuple(pattern.pattern.converters)


ELSEWHERE = BY_LINK | BY_DIGEST | OF_STAFF
WITH_ARGUMENTS = sorted(name for name, arguments in own_routes() if arguments and name not in ELSEWHERE)


def test_routes_when_listed_then_each_is_classified():
    known = PUBLIC | SIGNED_IN | WITH_TOKEN | ELSEWHERE
    unknown = {
        name for name in routes(get_resolver().url_patterns) if name not in known and not name.startswith(OF_LIBRARIES)
    }
    assert unknown == set()


def address(name: str) -> str:
    return reverse(name, args=[1] * len(dict(own_routes())[name]))


def everything_of(user):
    """Return what a stranger could have changed: orders, drip-feeds, deposits and money."""
    return [
        list(user.orders.order_by("pk").values()),
        list(user.drip_feeds.order_by("pk").values()),
        list(Deposit.objects.filter(customer=user).order_by("pk").values()),
        list(user.api_keys.order_by("pk").values()),
        make.wallet(user).balance,
        CancelRequest.objects.count() + Refill.objects.count(),
    ]


@pytest.mark.parametrize("name", [name for name in WITH_ARGUMENTS if name not in OF_EVERYBODY])
def test_object_when_another_customers_then_not_found_and_unchanged(name, signed_in, other, service):
    assert name in ANOTHERS, f"say in ANOTHERS how to make another customer's object for the route {name}"
    target = reverse(name, args=ANOTHERS[name](other, service))
    before = everything_of(other)
    answers = {signed_in.get(target).status_code, signed_in.post(target).status_code}
    assert 404 in answers and answers <= {404, 405}
    assert everything_of(other) == before
    # Its owner does find it: the 404 is not due to a wrong address.
    owner = Client()
    owner.force_login(other)
    found = {owner.get(target).status_code, owner.post(target).status_code}
    assert found & {200, 204, 302} or name in FOR_SOME


# Even owners may get a 404 here: there is no receipt if none was uploaded.
FOR_SOME = {"deposit_receipt"}


@pytest.mark.parametrize("name", WITH_ARGUMENTS)
@routing
def test_object_when_opened_by_a_visitor_then_sent_to_sign_in(name, customer, service):
    arguments = ANOTHERS[name](customer, service) if name in ANOTHERS else [service.pk]
    target = reverse(name, args=arguments)
    answers = [Client().get(target), Client().post(target)]
    assert any(answer.status_code == 302 for answer in answers)
    for answer in answers:
        assert answer.status_code == 405 or answer.url.startswith(reverse("account_login"))


@pytest.mark.parametrize("name", sorted(SIGNED_IN))
@routing
def test_page_when_opened_by_a_visitor_then_sent_to_sign_in(name):
    client = Client()
    response = client.post(address(name)) if name in POST_ONLY else client.get(address(name))
    assert response.status_code == 302
    assert response.url.startswith(reverse("account_login"))


@pytest.mark.parametrize("name", sorted(PUBLIC))
@routing
def test_public_page_when_opened_by_a_visitor_then_it_opens(name):
    assert Client().get(address(name)).status_code == 200


@pytest.mark.parametrize("name", sorted(POST_ONLY | {"order_new", "account", "api_try"}))
@routing
def test_post_when_the_csrf_token_is_missing_then_refused(name, customer):
    client = Client(enforce_csrf_checks=True)
    client.force_login(customer)
    assert client.post(address(name)).status_code == 403


@pytest.mark.parametrize("name", sorted(POST_ONLY))
@routing
def test_write_address_when_opened_with_get_then_405(name, signed_in):
    assert signed_in.get(address(name)).status_code == 405


@routing
def test_admin_when_opened_by_customers_or_visitors_then_closed(signed_in):
    for client in (Client(), signed_in):
        for name in ("admin:index", "admin:billing_wallet_changelist", "admin:catalog_provider_changelist"):
            response = client.get(reverse(name))
            assert response.status_code in (302, 403), name


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
