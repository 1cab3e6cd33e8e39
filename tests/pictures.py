"""Take the pictures of the documents from a new demo: `python -m tests.pictures`, or with names: `… order-form api`.

It starts the demo in a folder of its own, and leaves your demo as it is. It needs Chromium.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.chain.processes import MAX_SECONDS, ROOT, Server
from tests.commands import SECRETS
from tests.ports import free_port

PASSWORD = "a password for pictures"
CUSTOMER, OWNER = "customer@example.com", "owner@example.com"
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Milliseconds: time for what a page loads after it was opened.
SETTLED = 700


def take_order_form(page: Page) -> None:
    page.goto("/orders/new/")
    page.get_by_role("combobox", name="Service", exact=True).fill("Instagram followers, standard")
    page.keyboard.press("Enter")
    page.locator(".service-name").wait_for()
    page.fill("input[name=link]", "https://www.instagram.com/example_coffee/")
    page.locator("input[name=quantity]").press_sequentially("1000")
    page.locator("h1").click()
    page.get_by_role("button", name="Order for").wait_for()


def take_orders(page: Page) -> None:
    page.goto("/orders/")


def take_api(page: Page) -> None:
    page.goto("/api/")


def take_overview(page: Page) -> None:
    page.goto("/admin/")


def take_margin_preview(page: Page) -> None:
    page.goto("/admin/catalog/pricepolicy/1/change/")
    page.fill("input[name=margin_bp]", "12")
    page.locator("button[name=_save], input[name=_save]").first.click()
    page.wait_for_url("**/pricechange/**")


def take_doubt(page: Page) -> None:
    page.goto("/admin/orders/orderinreview/")
    page.locator("#result_list a[href*='/change/']").first.click()
    page.wait_for_url("**/decide/**")


# name → (who sees it, height, what opens it); without a height, the whole page.
Picture = tuple[str, int | None, Callable[[Page], None]]
PICTURES: dict[str, Picture] = {
    "order-form": (CUSTOMER, 760, take_order_form),
    "orders": (CUSTOMER, 760, take_orders),
    "api": (CUSTOMER, 1_040, take_api),
    "overview": (OWNER, 900, take_overview),
    "margin-preview": (OWNER, 900, take_margin_preview),
    "doubt-page": (OWNER, None, take_doubt),
}


@contextmanager
def running_demo(folder: Path) -> Iterator[str]:
    """Run a new demo; yield its address."""
    port = free_port()
    environment = {
        **SECRETS,
        "ENV_FILE": "/dev/null",
        "VAR_DIR": str(folder),
        "DEMO_PASSWORD": PASSWORD,
        "UPSTREAM_ALLOW_PRIVATE": "true",
        "POLL_INTERVALS": "3,10,30,60",
        "PUBLIC_SHOP": "true",
        "WEB_PORT": str(port),
        "SANDBOX_PORT": str(free_port()),
    }
    demo = Server("demo", "manage.py", "demo", port=port, folder=folder, environment=environment)
    try:
        demo.wait()
        yield f"http://localhost:{port}"
    finally:
        # It ends its own processes, which a killed one would leave behind.
        demo.signal(signal.SIGTERM)
        deadline = time.monotonic() + MAX_SECONDS
        while demo.exit_code is None and time.monotonic() < deadline:
            time.sleep(0.1)
        demo.close()


def take(names: Sequence[str], *, to: Path) -> None:
    """Take these pictures into the folder `to`."""
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        raise SystemExit("Chromium is not installed.")
    with (
        tempfile.TemporaryDirectory() as folder,
        running_demo(Path(folder)) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        for person in (CUSTOMER, OWNER):
            wanted = [name for name in names if PICTURES[name][0] == person]
            if not wanted:
                continue
            context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 900}, color_scheme="light")
            page = context.new_page()
            page.goto("/account/login/" if person == CUSTOMER else "/admin/")
            page.fill("input[name=login]", person)
            page.fill("input[name=password]", PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url(lambda address: "login" not in address)
            for name in wanted:
                _, height, open_it = PICTURES[name]
                page.set_viewport_size({"width": 1280, "height": height or 900})
                open_it(page)
                page.wait_for_timeout(SETTLED)
                page.screenshot(path=to / f"{name}.png", full_page=height is None, animations="disabled")
                print(f"docs/{name}.png")
        browser.close()


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(PICTURES)
    if unknown := set(chosen) - set(PICTURES):
        raise SystemExit(f"There is no picture {', '.join(sorted(unknown))}. There are: {', '.join(PICTURES)}.")
    take(chosen, to=ROOT / "docs")
