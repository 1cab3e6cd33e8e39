"""A real Chromium, and pages whose console is checked."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.conftest import CHROMIUM

# Milliseconds: on a busy machine a page may be slow.
expect.set_options(timeout=30_000)
# Playwright runs an event loop in this thread, so Django takes this code for asynchronous and refuses the database.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
# For `check_in_both_themes`: each viewport once, and each theme once from the first paint.
EACH_SCREEN = pytest.mark.parametrize(
    ("viewport", "theme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"]
)
# What htmx logs of a request that a newer one replaced.
ABORTED = ("htmx:sendAbort", "htmx:afterRequest")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def wait_after_double_click(page: Page, url: re.Pattern[str]) -> None:
    """Wait for the page that a double click opens.

    The second click aborts the first one's navigation, so Playwright's own wait for a navigation would fail.
    """
    expect(page).to_have_url(url, timeout=60_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "Chromium is not installed"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages; errors and warnings on their consoles fail the test at its end."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def new_page(*, viewport: dict[str, int] = DESKTOP, theme: str = "light", scripts: bool = True) -> Page:
        context = browser.new_context(
            viewport=viewport, color_scheme=theme, java_script_enabled=scripts, has_touch=viewport is PHONE
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", record)
        return page

    def record(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(ABORTED):
            problems.append(message.text)

    yield new_page
    for context in contexts:
        context.close()
    assert problems == []
