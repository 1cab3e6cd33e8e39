"""A real Chromium, and a small shop to look at."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.conftest import CHROMIUM

# On a busy machine a page may take its time.
expect.set_options(timeout=30_000)
# Playwright runs an event loop in this thread, which Django takes for asynchronous code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
# For pages that `check_in_both_themes` looks at: each screen, and each theme from the first paint on.
EACH_SCREEN = pytest.mark.parametrize(
    ("viewport", "theme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"]
)
# What htmx says of a request that a newer one took the place of.
REPLACED = ("htmx:sendAbort", "htmx:afterRequest")
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
    """Wait for where it leads. Its second click cuts off the first one's navigation, so that none may be waited for."""
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
    """Makes a page; what its console says against it fails the test at the end."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def make_page(*, viewport: dict[str, int] = DESKTOP, theme: str = "light", scripts: bool = True) -> Page:
        context = browser.new_context(
            viewport=viewport, color_scheme=theme, java_script_enabled=scripts, has_touch=viewport is PHONE
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", note)
        return page

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(REPLACED):
            complaints.append(message.text)

    yield make_page
    for context in contexts:
        context.close()
    assert complaints == []
