"""The pages of errors: what each says, where it leads, and that those of a broken server need nothing else."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client

from panel.alerts.errors import views
from panel.site import stored


@pytest.fixture(autouse=True)
def known_support(monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner set a name and an address."""
    texts = {"PANEL_NAME": "Nimbus", "SUPPORT_EMAIL": "help@example.org", "PANEL_ACCENT": "#0a7a55"}
    monkeypatch.setattr(stored, "texts", lambda: texts)


def fail(client: Client, error: Exception, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Any:
    """Open a page whose view raises the error."""

    def broken(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr("orders.web.views.order_list.page_of", broken)
    client.raise_request_exception = False
    return client.get("/orders/?q=7", **more)


def text_of(page: Any) -> str:
    return " ".join(re.sub("<[^>]*>", " ", page.content.decode()).split())


@pytest.mark.django_db
def test_missing_page_when_opened_then_the_way_back_support_and_a_number(signed_in):
    page = signed_in.get("/nowhere/", headers={"referer": "http://testserver/services/?q=likes"})
    assert page.status_code == 404
    body = page.content.decode()
    assert 'href="/services/?q=likes">Go back<' in body
    assert 'href="/orders/"' in body
    assert "mailto:help@example.org" in body
    assert re.search(r"<code>[0-9A-F]{8}</code>", body)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "referer",
    ["", "https://evil.example/", "http://testserver/nowhere/?again", "javascript:alert(1)", "//evil.example"],
)
def test_missing_page_when_nothing_of_ours_led_there_then_no_way_back(client, referer):
    page = client.get("/nowhere/", headers={"referer": referer})
    assert page.status_code == 404
    assert "Go back" not in text_of(page)
    assert "Go to the start page" in text_of(page)


@pytest.mark.django_db
def test_forbidden_page_when_opened_then_it_names_the_account(signed_in, monkeypatch):
    page = fail(signed_in, PermissionDenied(), monkeypatch)
    assert page.status_code == 403
    assert "You are signed in as alice@example.org" in text_of(page)
    assert "help@example.org" in text_of(page)


@pytest.mark.django_db
def test_page_of_too_many_attempts_when_reached_then_it_has_a_number_and_support(client, settings):
    settings.ACCOUNT_RATE_LIMITS = {"reset_password": "1/h/ip"}
    for _ in range(2):
        page = client.post("/account/password/reset/", {"email": "nobody@example.org"})
    assert page.status_code == 429
    assert "Wait a few minutes" in text_of(page)
    assert "help@example.org" in text_of(page)
    assert re.search(r"<code>[0-9A-F]{8}</code>", page.content.decode())


@pytest.mark.django_db
def test_page_of_an_error_when_shown_then_in_the_owners_name_with_a_number(signed_in, monkeypatch):
    page = fail(signed_in, ZeroDivisionError(), monkeypatch)
    assert page.status_code == 500
    body = page.content.decode()
    assert "<title>Something went wrong · Nimbus</title>" in body
    assert "Something went wrong on our side" in body
    assert "mailto:help@example.org" in body
    assert "/theme.css?v=0a7a55" in body
    assert re.search(r"<code>[0-9A-F]{8}</code>", body)


@pytest.mark.django_db
def test_page_when_the_database_is_away_then_503_and_a_way_to_try_again(signed_in, monkeypatch):
    page = fail(signed_in, OperationalError("server closed the connection"), monkeypatch)
    assert page.status_code == 503
    assert (page["Retry-After"], page["Cache-Control"]) == ("30", "no-store")
    body = page.content.decode()
    assert "We are back in a moment" in body
    assert 'href="/orders/?q=7">Try again<' in body


def test_pages_when_nothing_can_be_read_then_shown_all_the_same(rf, monkeypatch):
    """No database (this test has none), no settings, no session and no context."""

    def away() -> None:
        raise OperationalError("no connection")

    monkeypatch.setattr(stored, "texts", away)
    request = rf.post("/orders/new/", {"link": "x"})
    for error, status, words in (
        (ZeroDivisionError(), 500, "Something went wrong on our side"),
        (OperationalError("gone"), 503, "We are back in a moment"),
    ):
        try:
            raise error
        except Exception:
            page = views.server_error(request)
        assert page.status_code == status
        assert words in text_of(page)
        assert re.search(r"<code>[0-9A-F]{8}</code>", page.content.decode())
        assert "/orders/new/" not in page.content.decode()  # What was posted is not asked for as a page.


@pytest.mark.django_db
def test_unreadable_request_when_its_host_is_wrong_then_a_page_without_it(client):
    client.raise_request_exception = False
    page = client.get("/", headers={"host": "evil.example:x"})
    assert page.status_code == 400
    assert "That request could not be read" in text_of(page)
    assert "evil" not in page.content.decode()


def test_maintenance_page_when_written_then_it_loads_nothing_else(monkeypatch):
    out = io.StringIO()
    call_command("maintenance_page", stdout=out)
    page = out.getvalue()
    assert "We are back soon" in page and "Nimbus" in page and "help@example.org" in page
    assert "--accent: #0a7a55" in page and "prefers-color-scheme: dark" in page
    assert not re.search(r"<(script|link|img)|url\(|@import|\ssrc=", page)
    assert "&quot;" not in page and "&#x27;" not in page.partition("</style>")[0]
