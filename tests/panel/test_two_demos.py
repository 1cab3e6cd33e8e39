"""Two demo panels on one machine, from one checkout and with the same secrets."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.chain.processes import MAX_SECONDS, Server
from tests.commands import SECRETS
from tests.ports import free_port

pytestmark = pytest.mark.proof

PASSWORD = "demo-password"


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """Return a function that starts a demo in this folder of its own."""
    with ExitStack() as closing:

        def start(name: str, **environment: str) -> Server:
            folder = tmp_path / name
            folder.mkdir()
            port = free_port()
            environment = {
                **SECRETS,
                "ENV_FILE": "/dev/null",
                "VAR_DIR": str(folder),
                "DEMO_PASSWORD": PASSWORD,
                "UPSTREAM_ALLOW_PRIVATE": "true",
                "WEB_PORT": str(port),
                "SANDBOX_PORT": str(free_port()),
                **environment,
            }
            demo = Server("demo", "manage.py", "demo", port=port, folder=folder, environment=environment)
            closing.callback(_stop, demo)
            return demo

        yield start


def _stop(demo: Server) -> None:
    """End the demo as a person does: it then ends its processes, which a killed one would leave behind."""
    demo.signal(signal.SIGTERM)
    deadline = time.monotonic() + MAX_SECONDS
    while demo.exit_code is None and time.monotonic() < deadline:
        time.sleep(0.1)
    demo.close()


def url(demo: Server, path: str) -> str:
    return f"http://localhost:{demo.port}{path}"


def sign_in(browser: requests.Session, demo: Server) -> None:
    page = browser.get(url(demo, "/account/login/"), timeout=60)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token
    form = {"csrfmiddlewaretoken": token[1], "login": "customer@example.com", "password": PASSWORD}
    assert browser.post(page.url, form, timeout=60).url.endswith("/orders/new/")


def test_demos_when_two_run_on_one_host_then_both_keep_their_sessions(start: Callable[..., Server]) -> None:
    demos = [start("one"), start("other")]
    browser = requests.Session()
    for demo in demos:
        demo.wait()
        sign_in(browser, demo)
    for demo in demos:
        answer = browser.get(url(demo, "/orders/"), timeout=60)
        assert answer.url == url(demo, "/orders/")  # Not the page to sign in.
