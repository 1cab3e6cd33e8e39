"""Every route of the site for everybody, by GET and by POST: opened only by whom table.py says, and else no change.

Templates are not rendered: that would take most of the time. tests/panel/test_admin.py renders the admin's pages.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.contrib import auth
from django.contrib.admin import site
from django.contrib.auth.models import AnonymousUser, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.template.backends.django import Template
from django.test import Client, RequestFactory
from django.urls import reverse

from billing.wallets import wallet_of
from panel.accounts.models import User
from panel.accounts.roles import MANAGER, OWNER, SUPPORT, set_up_roles
from tests import make
from tests.panel.routes.shop import open_shop, own_role, with_role
from tests.panel.routes.table import (
    ADMIN_ARGUMENTS,
    ADMIN_PAGES,
    ANYBODY,
    LIST_ACTIONS,
    MODELS,
    NOBODY,
    OWN,
    PAGES,
    SIGNED_IN,
    STAFF,
    Row,
)
from tests.panel.routes.walk import Route, all_routes

pytestmark = pytest.mark.django_db

# The customer owns what is in the shop; the newcomer is staff without a role; the cashier's role is an owner's own.
PEOPLE = ("visitor", "customer", "other", "newcomer", SUPPORT, MANAGER, OWNER, "Cashier")
OWN_ROLE = ("see_wallets", "decide_deposits", "stop_sending")
ROUTES = all_routes()
# Pages that may answer 503: no worker runs here.
UNREADY = {"readyz"}
# What the forms of the admin take, so that an action without its check would act.
PLAUSIBLE = {
    "post": "yes",
    "choice": "refund",
    "note": "Because.",
    "text": "Because.",
    "sure": "on",
    "name": "New",
    "amount": "1",
    "status": "canceled",
    "address": "new@example.org",
    "email": "new@example.org",
}
STANDARD = ("changelist", "change", "history", "add", "delete")


# -- what the table says -------------------------------------------------------------------------------


def row_of(route: Route) -> Row | None:
    """Return the row of the route, None if the table has none."""
    if not route.model:
        return PAGES.get(route.name)
    short = route.name.removeprefix("admin:")
    arguments = ADMIN_ARGUMENTS.get(short, {})
    if short in ADMIN_PAGES:
        found = ADMIN_PAGES[short]
        get, post = (found, found) if isinstance(found, str) else found
        return Row(get, post, route.model, arguments)
    if route.model not in MODELS or route.page not in STANDARD:
        return None
    return Row(*standard(route.model, route.page), route.model, arguments)


def standard(model: str, page: str) -> tuple[str, str]:
    """Return who may GET and POST one of the pages that every model has, by Django's permissions."""
    app, name = model.lower().split(".")
    may = {verb: f"{app}.{verb}_{name}" for verb in MODELS[model].split()}
    if model == "accounts.Role":
        may = dict.fromkeys(may, "accounts.grant_roles")
    if model in ("orders.CancelRequest", "orders.OrderInReview", "orders.Refill"):
        may = dict.fromkeys(may, "orders.view_order")
    view, change = may["view"], may.get("change", NOBODY)
    return {
        "changelist": (view, view),
        "history": (view, view),
        "change": (view, change),
        "add": (may.get("add", NOBODY),) * 2,
        "delete": (may.get("delete", NOBODY),) * 2,
    }[page]


# -- people ----------------------------------------------------------------------------------------------


@dataclass
class Person:
    """Somebody, or a visitor without a user; `permissions` are those of staff."""

    name: str
    user: User | AnonymousUser
    permissions: frozenset[str] = frozenset()

    def may(self, who: str) -> bool:
        if who in (ANYBODY, NOBODY):
            return who == ANYBODY
        if who == SIGNED_IN:
            return self.user.is_authenticated
        if who == OWN:
            return self.name == "customer"
        return self.user.is_staff and (who == STAFF or self.permissions.issuperset(who.split()))


def person(name: str, customer: User, other: User) -> Person:
    """Return the person with this name. `customer` owns what is in the shop."""
    if name == "visitor":
        return Person(name, AnonymousUser())
    if name in ("customer", "other"):
        user = customer if name == "customer" else other
    elif name == "newcomer":
        user = make.customer("newcomer@example.org")
        user.is_staff = True
        user.save()
    else:
        if name == "Cashier":
            own_role(name, OWN_ROLE)
        user = with_role(name)
    # What the first visit of some page creates.
    wallet_of(customer=user)
    EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"primary": True})
    return Person(name, user, frozenset(user.get_all_permissions()) if user.is_staff else frozenset())


# -- requests --------------------------------------------------------------------------------------------


class Browser:
    """A client that is signed in as one person. What is beside the checks of permissions is left out, to be quick."""

    # Logs, headers and static files.
    LEFT_OUT = ("django_structlog.", "csp.", "whitenoise.", "panel.middleware.AdminContentPolicy")

    def __init__(self, who: Person, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if not one.startswith(self.LEFT_OUT)]
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
        monkeypatch.setattr(auth, "get_user", lambda request: who.user)
        monkeypatch.setattr(Template, "render", lambda *args, **kwargs: "")
        monkeypatch.setattr(site, "each_context", lambda request: {})
        monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)
        self.client = Client()

    def send(self, method: str, address: str, data: Mapping[str, str]) -> Any:
        """Return the answer, from a session of its own."""
        self.client.cookies.clear()
        return getattr(self.client, method)(address, data)

    def send_undone(self, method: str, address: str, data: Mapping[str, str]) -> Any:
        """Return the answer, and undo what it changed."""
        with transaction.atomic():
            answer = self.send(method, address, data)
            transaction.set_rollback(True)
        return answer


def fingerprint() -> dict[str, int]:
    """Return a checksum of every table but those that only migrations write."""
    models = [model for model in apps.get_models(include_auto_created=True) if not model._meta.proxy]
    models = [model for model in models if model not in (ContentType, Permission)]
    return {model._meta.label: hash(tuple(sorted(map(str, model._base_manager.values_list())))) for model in models}


def address_of(route: Route, row: Row, shop: dict[str, Any]) -> str:
    arguments: dict[str, Any] = dict(row.arguments)
    for name in set(route.arguments) - set(arguments):
        arguments[name] = shop.get(route.name.removeprefix("admin:"), shop.get(row.of)).pk
    return reverse(route.name, kwargs=arguments)


def is_refused(answer: Any) -> bool:
    """Return True if the answer is an error, or leads to signing in or, as for what is not there, to the overview."""
    if answer.status_code == 302:
        to_sign_in = (reverse("account_login"), reverse("admin:login"))
        return answer.url == reverse("admin:index") or answer.url.startswith(to_sign_in)
    return answer.status_code in (403, 404, 405)


# -- the tests -------------------------------------------------------------------------------------------


@pytest.fixture
def shop(customer):
    set_up_roles()
    return open_shop(customer, make.provider())


@pytest.mark.once  # Depends on permissions and addresses only.
@pytest.mark.parametrize("name", PEOPLE)
def test_routes_when_opened_then_as_the_table_says_and_else_no_change(
    name, shop, customer, other, monkeypatch, settings
):
    who = person(name, customer, other)
    browser = Browser(who, monkeypatch, settings)
    wrong = []
    before = fingerprint()
    for method in ("get", "post"):
        for route in ROUTES:
            row = row_of(route)
            assert row, f"say in tests/panel/routes/table.py who may open {route.name}"
            may = who.may(getattr(row, method))
            send = browser.send_undone if may and method == "post" else browser.send
            data = {**PLAUSIBLE, **row.data} if method == "post" else row.data
            answer = send(method, address_of(route, row, shop), data)
            if is_refused(answer) == may or (answer.status_code >= 500 and route.name not in UNREADY):
                may_or_not = "may" if may else "may not"
                wrong.append(f"{method} {route.name}: {answer.status_code}, and {name} {may_or_not} open it")
        now = fingerprint()
        wrong += [f"{method}: rows of {label} were changed" for label in before if before[label] != now[label]]
        before = now
    assert not wrong, "\n".join(wrong)


def list_actions() -> dict[tuple[str, str], str]:
    """Return who may do what: every action of every list of the admin."""
    found = {}
    for model, model_admin in site._registry.items():
        label = model._meta.label
        for _, name, _ in model_admin._get_base_actions():
            key = f"{label} {name}"
            may = LIST_ACTIONS.get(key, NOBODY if name == "delete_selected" else None)
            assert may, f"say in tests/panel/routes/table.py who may do {key}"
            found[label, name] = may
    return found


@pytest.mark.once  # Depends on permissions only.
@pytest.mark.parametrize("name", [SUPPORT, MANAGER, OWNER, "Cashier"])
def test_list_actions_when_posted_then_as_the_table_says_and_else_no_change(
    name, shop, customer, other, monkeypatch, settings
):
    who = person(name, customer, other)
    browser = Browser(who, monkeypatch, settings)
    request = RequestFactory().get("/")
    request.user = who.user
    before = fingerprint()
    admins = {model._meta.label: model_admin for model, model_admin in site._registry.items()}
    offered, wanted = set(), set()
    for (label, action), permission in list_actions().items():
        model_admin = admins[label]
        if model_admin.has_view_permission(request) and action in model_admin.get_actions(request):
            offered.add((label, action))
        if who.may(permission):
            wanted.add((label, action))
            continue
        address = reverse(f"admin:{label.lower().replace('.', '_')}_changelist")
        browser.send("post", address, {"action": action, "_selected_action": shop[label].pk, "post": "yes"})
    assert offered == wanted
    assert fingerprint() == before


# -- the table itself ------------------------------------------------------------------------------------


def test_table_when_compared_with_the_routes_then_no_row_is_left_over():
    names = {route.name.removeprefix("admin:") if route.model else route.name for route in ROUTES}
    assert {*PAGES, *ADMIN_PAGES} - names == set()
    assert set(MODELS) == {route.model for route in ROUTES if route.model}
    actions = {f"{label} {name}" for label, name in list_actions()}
    assert set(LIST_ACTIONS) <= actions


def test_route_when_it_is_in_no_row_then_the_test_names_it():
    assert row_of(Route("wallet_secret", ())) is None
    assert row_of(Route("admin:orders_order_explode", ("object_id",), "orders.Order", "explode")) is None
    assert row_of(Route("admin:orders_new_changelist", (), "orders.New", "changelist")) is None
