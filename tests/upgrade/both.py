"""Commands that both releases run, each in its own process, in addition to those of `tests.chain.worker`.

This module imports only what both releases have at the same place.
"""

from __future__ import annotations

from typing import Any

import django

django.setup()

from django.apps import apps  # noqa: E402
from django.conf import settings  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

from tests import make  # noqa: E402
from tests.chain import worker  # noqa: E402


def client(session: str = "") -> Client:
    """Return a browser, signed in if `session` is the key of a session."""
    made = Client(SERVER_NAME="localhost")
    if session:
        made.cookies[settings.SESSION_COOKIE_NAME] = session
    return made


def order(email: str, service: int, link: str) -> int:
    """Create an order of 100 and return its primary key."""
    customer = apps.get_model("accounts.User").objects.get(email=email)
    return make.order(customer, apps.get_model("catalog.Service").objects.get(pk=service), link=link).pk


def sign_in(email: str, password: str) -> str:
    """Sign in on the sign-in page and return the key of the session."""
    browser = client()
    answer = browser.post(reverse("account_login"), {"login": email, "password": password})
    assert answer.status_code == 302, answer.content.decode()
    return browser.cookies[settings.SESSION_COOKIE_NAME].value


def visit(path: str, session: str = "") -> list[Any]:
    """Return the status and the text of the page, after any redirects."""
    answer = client(session).get(path, follow=True)
    return [answer.status_code, answer.content.decode()]


def choose_password(link: str, password: str) -> list[Any]:
    """Open a link from a mail and submit the form that it leads to. Return as `visit` does."""
    browser = client()
    form = browser.get(link.removeprefix(settings.SITE_URL), follow=True)
    names = [name for name in ("password1", "password2") if f'name="{name}"' in form.content.decode()]
    assert names, (form.status_code, form.content.decode())
    address = form.redirect_chain[-1][0]
    answer = browser.post(address, dict.fromkeys(names, password), follow=True)
    return [answer.status_code, answer.content.decode()]


def api(secret: str, action: str, **params: Any) -> Any:
    return client().post("/api/v2", {"key": secret, "action": action, **params}).json()


def heartbeats() -> dict[str, str]:
    return {beat.task: beat.beat_at.isoformat() for beat in apps.get_model("ops.Heartbeat").objects.all()}


worker.COMMANDS |= {one.__name__: one for one in (order, sign_in, visit, choose_password, api, heartbeats)}

if __name__ == "__main__":
    worker.serve()
