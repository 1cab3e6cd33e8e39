"""Every page of customers under a view: it is named and changes no row of any table, or it is refused."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from panel.accounts.sign_in import staff_sessions
from panel.accounts.view_as.grant import address_of
from panel.accounts.view_as.pages import VIEWABLE
from tests import make
from tests.panel.accounts.view_as.test_view import begin
from tests.panel.routes.shop import open_shop
from tests.panel.routes.table import PAGES
from tests.panel.routes.test_routes import ROUTES, fingerprint, row_of
from tests.panel.routes.test_routes import address_of as path_of

pytestmark = pytest.mark.django_db
# All that is not of the admin; its pages, too, must not open as a page of the customer.
OURS = [route for route in ROUTES if not route.model]
# By it, whoever is not signed in could leave an order for the customer to find; the other says whose typing it is.
OWNER = re.compile(rb'name="owner" value="[^"]|data-draft-of="[^"]|drafts[^"]*[.]js')


@pytest.fixture
def shop(customer):
    return open_shop(customer, make.provider())


@pytest.fixture
def staff(client, shop, customer):
    return begin(client, customer)


def in_view(route, shop, customer):
    row = row_of(route)
    if route.name == "wallet_statement":  # Where there is one.
        today = timezone.localdate()
        row = replace(row, arguments={"year": str(today.year), "number": str(today.month)})
    return address_of(customer.pk, path_of(route, row, shop)[1:]), row


def test_pages_when_viewed_then_named_and_unchanged_or_refused(client, staff, shop, customer, monkeypatch):
    monkeypatch.setattr(staff_sessions, "_NOTED_EVERY", 3_600)  # The session's use is no change, however slow this is.
    wrong = []
    client.get(address_of(customer.pk, "wallet/"))  # The session notes when it was used.
    before = fingerprint()
    for route in OURS:
        address, row = in_view(route, shop, customer)
        for method in ("get", "post"):
            answer = getattr(client, method)(address, row.data)
            may = method == "get" and route.name in VIEWABLE
            if (answer.status_code == 403) == may or answer.status_code >= 500:
                wrong.append(f"{method} {route.name}: {answer.status_code}")
            if answer["Cache-Control"] != "private, no-store":
                wrong.append(f"{method} {route.name} may be kept")
            if answer.cookies.keys() - {settings.CSRF_COOKIE_NAME}:
                wrong.append(f"{method} {route.name} sets {list(answer.cookies)}")
            if OWNER.search(answer.content):
                wrong.append(f"{method} {route.name} is signed for the customer")
        if route.name in VIEWABLE:
            now = fingerprint()
            wrong += [f"{route.name}: rows of {label} were changed" for label in now if before[label] != now[label]]
            before = now
    now = fingerprint()
    wrong += [f"rows of {label} were changed" for label in before if before[label] != now[label]]
    assert not wrong, "\n".join(wrong)
    # No address with the prefix of a view was kept for pages of others.
    assert "view-as" not in client.get(reverse("wallet")).content.decode()


def test_names_when_compared_with_the_table_then_all_exist():
    assert set(PAGES) >= VIEWABLE
