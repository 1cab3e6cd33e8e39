"""Commands that either release does, in a process of its own: those of `tests.chain.worker`, and these.

They import nothing that lies elsewhere in the other release.
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
    made = Client(SERVER_NAME="localhost")
    if session:
        made.cookies[settings.SESSION_COOKIE_NAME] = session
    return made


def order(email: str, service: int, link: str) -> int:
    """The number of a new order for 100."""
    customer = apps.get_model("accounts.User").objects.get(email=email)
    return make.order(customer, apps.get_model("catalog.Service").objects.get(pk=service), link=link).pk


def sign_in(email: str, password: str) -> str:
    """The session of somebody who signed in on the page for it."""
    browser = client()
    answer = browser.post(reverse("account_login"), {"login": email, "password": password})
    assert answer.status_code == 302, answer.content.decode()
    return browser.cookies[settings.SESSION_COOKIE_NAME].value


def visit(path: str, session: str = "") -> list[Any]:
    """The page's status and text; where it leads on, those of the page at the end."""
    answer = client(session).get(path, follow=True)
    return [answer.status_code, answer.content.decode()]


def choose_password(link: str, password: str) -> list[Any]:
    """Opens a link from a mail and fills in the form that it leads to; then as `visit`."""
    browser = client()
    form = browser.get(link.removeprefix(settings.SITE_URL), follow=True)
    names = [name for name in ("password1", "password2") if f'name="{name}"' in form.content.decode()]
    assert names, (form.status_code, form.content.decode())
    where = form.redirect_chain[-1][0]
    answer = browser.post(where, dict.fromkeys(names, password), follow=True)
    return [answer.status_code, answer.content.decode()]


def api(secret: str, action: str, **params: Any) -> Any:
    return client().post("/api/v2", {"key": secret, "action": action, **params}).json()


def heartbeats() -> dict[str, str]:
    return {beat.task: beat.beat_at.isoformat() for beat in apps.get_model("ops.Heartbeat").objects.all()}


worker.COMMANDS |= {one.__name__: one for one in (order, sign_in, visit, choose_password, api, heartbeats)}

if __name__ == "__main__":
    worker.serve()
