"""What somebody without an account can write: no session by any page, and few and short drafts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from orders.web.views import drafts
from panel.accounts.models import User
from panel.accounts.sessions import VISITOR_SECONDS, SessionStore
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def service(db: None) -> None:
    make.service(make.provider())


ARGUMENTS = {"int": "7", "str": "x", "path": "7", "slug": "x", "uuid": "0" * 32}


def patterns(resolver: Any, prefix: str = "") -> Iterator[str]:
    """Yield every address of the panel, with something in the place of each argument."""
    for one in resolver.url_patterns:
        if isinstance(one, URLResolver):
            yield from patterns(one, prefix + str(one.pattern))
        elif isinstance(one, URLPattern):
            yield prefix + str(one.pattern)


def addresses() -> list[str]:
    found = []
    for pattern in patterns(get_resolver()):
        text = re.sub(r"\(\?P<\w+>[^()]*(?:\([^()]*\)[^()]*)*\)", "a" * 64, pattern)
        text = re.sub(r"<(?:(\w+):)?\w+>", lambda match: ARGUMENTS.get(match[1] or "str", "x"), text)
        text = re.sub(r"[\^$\\]|\.\*", "", text)
        found.append("/" + text.replace("?", ""))
    return list(dict.fromkeys(found))


TYPED = {
    "login": "a@example.org",
    "email": "alice@example.org",
    "password": "wrong",
    "password1": "x",
    "next": "/",
    "q": "x",
    "owner": "1:forged:forged",
    "lines": "1 | @me | 1",
    "link": "x",
    "key": "x",
    "action": "balance",
}


def test_pages_when_a_visitor_opens_and_posts_each_then_no_session(customer: User) -> None:
    client = Client(raise_request_exception=False)
    found = addresses()
    assert len(found) > 250
    # Below the admin all is one check of staff: one address of each kind, such as “…/add/”.
    inside = {address.rstrip("/").rpartition("/")[2]: address for address in found if address.startswith("/admin/")}
    found = [address for address in found if not address.startswith("/admin/")] + list(inside.values())
    for address in found:
        for call in (client.get, client.post):
            # No worker runs here, which is what this page says.
            assert call(address, TYPED).status_code < 500 or address == "/readyz", address
        assert not Session.objects.exists(), address


def keep_draft(owner: str, **headers: str) -> Any:
    """Post a typed order as a browser that has no session."""
    return Client(**headers).post(reverse("order_new"), {"owner": owner, "comments": "x" * 1_000})


def test_drafts_when_one_form_is_sent_often_then_few_are_kept(customer: User) -> None:
    owner = make.form_owner(customer, reverse("order_new"))
    Session.objects.all().delete()
    for number in range(drafts.MAX_OF_CUSTOMER + 5):
        assert keep_draft(owner, REMOTE_ADDR=f"192.0.2.{number}").status_code == 302
    assert Session.objects.count() == drafts.MAX_OF_CUSTOMER


def test_drafts_when_of_many_accounts_from_one_address_then_few(monkeypatch: Any) -> None:
    monkeypatch.setattr(drafts, "MAX_FROM_ADDRESS", 3)
    owners = [make.form_owner(make.customer(f"{number}@example.org"), reverse("order_new")) for number in range(5)]
    Session.objects.all().delete()
    for number, owner in enumerate(owners):
        keep_draft(owner, REMOTE_ADDR=f"2001:db8:0:1::{number}")
    assert Session.objects.count() == 3
    assert keep_draft(owners[0], REMOTE_ADDR="2001:db8:0:2::1").status_code == 302
    assert Session.objects.count() == 4


def test_session_when_of_a_visitor_then_over_after_an_hour(customer: User) -> None:
    owner = make.form_owner(customer, reverse("order_new"))
    Session.objects.all().delete()
    keep_draft(owner)
    assert Session.objects.get().expire_date <= timezone.now() + timedelta(seconds=VISITOR_SECONDS)
    Session.objects.all().delete()
    # As sign-in asks for, also before the second factor.
    session = SessionStore()
    session.set_expiry(14 * 24 * 3600)
    session.save()
    assert session.get_expiry_age() == VISITOR_SECONDS
    assert Session.objects.get().expire_date <= timezone.now() + timedelta(seconds=VISITOR_SECONDS)


def test_session_when_a_draft_was_kept_then_long_after_sign_in(customer: User) -> None:
    client = Client()
    client.post(reverse("order_new"), {"owner": make.form_owner(customer, reverse("order_new")), "link": "x"})
    Session.objects.exclude(pk=client.session.session_key).delete()
    client.post(reverse("account_login"), {"login": customer.email, "password": "correct horse battery"})
    assert Session.objects.get().expire_date > timezone.now() + timedelta(days=13)
