"""The whole product: the demo's own processes, a real browser, and an order that ends Partial.

It runs on SQLite and the embedded broker, or on PostgreSQL and Redis if DATABASE_URL and CELERY_BROKER_URL are set.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import wait_after_double_click
from tests.chain.databases import Database
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "a password for one test"

pytestmark = pytest.mark.browser


@pytest.fixture
def environment(tmp_path):
    """The environment of a new installation with its own database, which has all tables and no rows.

    Migrations are proven elsewhere, and take a third of the start.
    """
    database = Database(tmp_path)
    settings = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "ENV_FILE": os.devnull,
        "VAR_DIR": str(tmp_path),
        "DATABASE_URL": database.url,
        "SECRET_KEY": "only-for-this-test-" * 4,
        "FIELD_ENCRYPTION_KEYS": "b25seS1mb3ItdGVzdHMtbm90LWEtcmVhbC1zZWNyZXQ=",
        "DEMO_PASSWORD": PASSWORD,
        "UPSTREAM_ALLOW_PRIVATE": "true",
        "POLL_INTERVALS": "1,2,5,10",
        "SANDBOX_SPEED": "2.5",
        "WEB_PORT": str(free_port()),
        "SANDBOX_PORT": str(free_port()),
    }
    if database.url.startswith("postgres"):
        broker = urlsplit(os.environ["CELERY_BROKER_URL"])
        settings["CELERY_BROKER_URL"] = urlunsplit(broker._replace(path="/11"))
        settings["CACHE_URL"] = os.environ["CACHE_URL"]
    yield settings
    database.drop()


@pytest.fixture
def demo(environment, tmp_path):
    """A running demo; a failure shows the end of its output."""
    log = tmp_path / "demo.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "demo"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 300
            while "is running" not in log.read_text():
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            print(log.read_text()[-4_000:])


def manage(environment, *command: str) -> str:
    """Run a command of manage.py, check that it succeeds and return its output."""
    done = subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Figures(NamedTuple):
    """The orders of all customers, the balance and the entries of the demo's customer."""

    orders: int
    balance: int
    entries: int


def figures(environment) -> Figures:
    """Read them from the demo's database, which has a month of orders from the beginning."""
    sql = """SELECT (SELECT COUNT(*) FROM orders_order), w.balance, w.version FROM billing_wallet w
             JOIN accounts_user u ON u.id = w.customer_id WHERE u.email = 'customer@example.com'"""
    url = environment["DATABASE_URL"]
    connect = psycopg.connect if url.startswith("postgres") else sqlite3.connect
    with closing(connect(url.removeprefix("sqlite:///"))) as connection:
        return Figures(*connection.execute(sql).fetchone())


def exactly(micros: int) -> str:
    """Return an amount with every decimal place, as pages show it or, where they round it, keep it in the title."""
    return f"${micros // 1_000_000:,}.{f'{micros % 1_000_000:06d}'.rstrip('0').ljust(2, '0')}"


def test_order_when_it_ends_partial_then_the_refund_is_exact(demo, environment, open_page):
    site = f"http://localhost:{environment['WEB_PORT']}"
    before = figures(environment)
    page = open_page()

    # Sign in.
    page.goto(f"{site}/account/login/")
    page.fill("input[name=login]", "customer@example.com")
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/orders/new/")

    # Order 1,000 of a service at $3.00; the charge is updated while typing.
    page.get_by_role("combobox", name="Service", exact=True).fill("Instagram followers, high quality")
    page.keyboard.press("Enter")
    expect(page.locator(".service-name")).to_have_text("Instagram followers, high quality")
    page.fill("input[name=link]", "https://example.com/sandbox-partial")
    page.locator("input[name=quantity]").press_sequentially("1000")
    button = page.get_by_role("button", name="Order for $3.00")
    button.dblclick()
    wait_after_double_click(page, re.compile(r"/orders/\d+/$"))
    address = page.url

    # The status changes without a reload.
    page.evaluate("window.neverReloaded = true")
    status = page.locator("main .status").first
    expect(status).to_have_text("Pending")
    expect(status).to_have_text("In progress", timeout=180_000)
    expect(status).to_have_text("Partial", timeout=180_000)
    assert page.evaluate("window.neverReloaded") is True
    assert page.url == address
    text = page.locator("main").inner_text()
    undelivered = int(re.search(r"(\d+) of 1,000 not delivered", text).group(1))

    # The refund is exact to the micro-unit: at $3.00 for 1,000, each one that was not delivered is 3,000 micro-units.
    page.goto(f"{site}/wallet/")
    refund = undelivered * 3_000
    balance = before.balance - 3_000_000 + refund
    for exact in (f"+{exactly(refund)}", exactly(balance)):
        amounts = page.locator("main bdi.money")
        rounded, plain = page.locator(f'[title="{exact}"]'), page.get_by_text(exact, exact=True)
        expect(amounts.and_(rounded.or_(plain)).first).to_be_visible()

    # There is one order more, although the button was clicked twice, and the ledger balances.
    assert figures(environment) == Figures(before.orders + 1, balance, before.entries + 2)
    assert f"{before.orders + 1:,} orders" in manage(environment, "check_ledger")
    with urllib.request.urlopen(f"{site}/healthz") as answer:
        assert b'"tasks": "ok"' in answer.read()

    # The owner's first page agrees.
    owner = open_page()
    owner.goto(f"{site}/admin/")
    owner.fill("input[name=login]", "owner@example.com")
    owner.fill("input[name=password]", PASSWORD)
    owner.keyboard.press("Enter")
    owner.wait_for_url("**/admin/")
    for words in ("Orders are sent", "Orders are followed", "The books are proven"):
        expect(owner.locator("body")).to_contain_text(words)

    # Ctrl-C stops all processes and keeps the data.
    os.kill(demo.pid, signal.SIGINT)
    demo.wait(timeout=180)
    for port in (environment["WEB_PORT"], environment["SANDBOX_PORT"]):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(port))) != 0
    assert f"{before.orders + 1:,} orders" in manage(environment, "check_ledger")
