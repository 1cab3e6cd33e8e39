"""Nothing that a provider, a customer or staff wrote runs on any page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from django.urls import get_resolver, reverse
from django.utils import timezone
from playwright.sync_api import Browser, ConsoleMessage, Error, Page

from billing.models import Deposit
from catalog.selectors import services_on_sale
from orders.models import DripFeed, Order
from orders.states import ReviewReason, Submission
from panel.accounts.models import ApiKey, User
from panel.accounts.roles import set_up_roles
from tests import make
from tests.browser.conftest import DESKTOP
from tests.browser.foreign_texts import FOREIGN, OURS, PAYLOADS, columns, fill
from tests.browser.test_pages import sign_in
from tests.panel.routes.shop import open_shop
from tests.panel.routes.test_routes import ROUTES, address_of, row_of

OWN_TEMPLATES = {
    *("accounts_user_change_address", "accounts_user_delete", "accounts_user_history", "billing_wallet_move_money"),
    *("billing_paymentmethod_gateway", "billing_paymentmethod_signed_calls", "billing_payment_credit"),
    *("catalog_category_add", "catalog_category_delete", "catalog_category_history", "catalog_catalogchange_accept"),
    *("catalog_catalogchange_refills", "catalog_customergroup_change_discount", "catalog_pricechange_preview"),
    *("catalog_provider_test_dialect", "catalog_provider_import_now", "catalog_service_import", "orders_order_profit"),
    *("catalog_providerword_import_words", "orders_after_restore", "orders_order_decide", "orders_order_give_back"),
    *("channels_channel_send_test", "channels_channel_link_chat", "channels_channel_new_secret"),
    *("orders_order_end", "orders_orphan_adopt", "catalog_syncrun_progress", "orders_sendingstop_stop_panel"),
}
# Pages that end the session, and one that answers 503, as no worker runs here.
LEFT_OUT = ("account_logout", "readyz")
# Anything that a text could have become, though the content policy kept it from running.
FIND_MARKUP = r"""() => [...document.querySelectorAll("*")].flatMap((element) => [...element.attributes]
  .filter(({ name, value }) => (/^(on|x-|hx-|@|:|srcdoc|style)/.test(name) && /\bran\(/.test(value))
    || (/^(href|src|action|formaction|xlink:href)$/.test(name) && /^\s*javascript:|x\.invalid/i.test(value)))
  .map(({ name, value }) => `${element.tagName} ${name}=${value.slice(0, 80)}`)
  .concat(/^SCRIPT$/.test(element.tagName) && /^ran\(/.test(element.textContent) ? [element.outerHTML] : []))"""
WATCH = """
  addEventListener("securitypolicyviolation", (event) =>
    reported(`blocked: ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
  for (const name of ["alert", "confirm", "prompt"]) window[name] = () => reported(`called: ${name}`);
"""


def test_columns_when_of_text_then_each_is_known_as_foreign_or_ours() -> None:
    """A new column of text must be put into one of the lists, so that no page of it is forgotten."""
    known = {label: set(names.split()) for label, names in FOREIGN.items() if names}
    for label, names in OURS.items():
        assert not known.get(label, set()) & set(names.split()), label
        known[label] = known.get(label, set()) | set(names.split())
    assert known == columns()


@dataclass(frozen=True, slots=True)
class Watched:
    """A page of a browser, and what it did that no page may do."""

    page: Page
    found: list[str]

    def open(self, address: str) -> int:
        """Open the address. Return the status; 0 for a download or an empty answer."""
        try:
            response = self.page.goto(address)
        except Error as error:
            if not any(text in error.message for text in ("Download is starting", "ERR_ABORTED")):
                raise
            return 0
        status = response.status if response else 0
        if status == 200:
            self.found.extend(f"{address}: {text}" for text in self.page.evaluate(FIND_MARKUP))
        return status


# What the console says of a page itself that is not for this account, or only for posting.
CLOSED = re.compile(r"status of (403|404|405|410) ")


def is_problem(message: ConsoleMessage) -> bool:
    is_closed = CLOSED.search(message.text) and message.page and message.location["url"] == message.page.url
    return message.type in ("error", "warning") and not is_closed


@pytest.fixture
def watched(browser: Browser) -> Iterator[Callable[[], Watched]]:
    contexts = []

    def opened() -> Watched:
        context = browser.new_context(viewport=DESKTOP)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        found: list[str] = []

        def report(text: str) -> None:
            found.append(f"{page.url}: {text}")

        context.expose_function("ran", lambda *number: report(f"ran {number}"))
        context.expose_function("reported", report)
        context.add_init_script(WATCH)
        page.on("dialog", lambda dialog: (report(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: report(str(error)))
        page.on("console", lambda message: is_problem(message) and report(message.text))
        return Watched(page, found)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def shop(customer: User, provider: Any) -> dict[str, Any]:
    set_up_roles()
    return open_shop(customer, provider)


def admin_pages(shop: dict[str, Any]) -> dict[str, str]:
    """Return the address of each page of the admin, by the name of its route."""
    rows = {route: row_of(route) for route in ROUTES if route.name.startswith("admin:")}
    return {
        route.name.removeprefix("admin:"): address_of(route, row, shop)
        for route, row in rows.items()
        if row is not None and route.name != "admin:logout"
    }


def customer_pages(customer: User) -> dict[str, str]:
    """Return the address of each page outside of the admin by its name, with what the customer has."""
    numbers = {
        "order": Order.objects.filter(customer=customer).order_by("pk")[0].pk,
        "drip": DripFeed.objects.get(customer=customer).pk,
        "deposit": Deposit.objects.filter(customer=customer).order_by("pk")[0].pk,
        "service": services_on_sale().order_by("pk")[0].pk,
        "api": ApiKey.objects.get(customer=customer).pk,
    }
    today = timezone.localdate()
    found = {"wallet_statement": reverse("wallet_statement", args=[today.year, today.month])}
    resolver = get_resolver()
    for name in filter(lambda key: isinstance(key, str), resolver.reverse_dict):
        pk = numbers.get(name.partition("_")[0])
        for [(_, parameters)], *_rest in resolver.reverse_dict.getlist(name):
            if parameters in ([], ["pk"]) and (pk or not parameters) and name not in LEFT_OUT:
                found[name] = reverse(name, kwargs=dict.fromkeys(parameters, pk))
    return found


def is_needed(name: str) -> bool:
    """Return True for lists, pages of one object, and each page with a template of its own."""
    return name.endswith(("_changelist", "_change")) or name in OWN_TEMPLATES


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("which", ["each template", pytest.param("every page", marks=pytest.mark.proof)])
def test_admin_when_every_text_is_hostile_then_nothing_runs(
    which: str,
    live_server: Any,
    staff: User,
    shop: dict[str, Any],
    watched: Callable[[], Watched],
    settings: Any,
) -> None:
    doubt = make.order(shop["accounts.User"], shop["catalog.Service"])
    now = timezone.now()
    review = {"review_reason": ReviewReason.DOUBT, "review_since": now}
    Order.objects.filter(pk=doubt.pk).update(
        submission=Submission.IN_DOUBT, doubt_until=now, next_action_at=None, **review
    )
    assert len(fill()) > 45
    settings.PANEL_NAME = PAYLOADS[2]
    addresses = {
        "index": reverse("admin:index"),
        "settings": reverse("settings"),
        "a doubt": reverse("admin:orders_order_decide", args=[doubt.pk]),
        **{name: address for name, address in admin_pages(shop).items() if which == "every page" or is_needed(name)},
    }
    assert set(addresses) >= OWN_TEMPLATES
    one = watched()
    sign_in(one.page, live_server.url, staff.email)
    opened = Counter(one.open(live_server.url + address) for address in addresses.values())
    assert one.found == []
    assert opened[200] > 65, opened


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_customer_pages_when_every_text_is_hostile_then_nothing_runs(
    live_server: Any,
    shop: dict[str, Any],
    watched: Callable[[], Watched],
    settings: Any,
) -> None:
    customer = shop["accounts.User"]
    Deposit.objects.update(receipt="")
    fill()
    settings.PANEL_NAME, settings.PUBLIC_SHOP = PAYLOADS[2], True
    service = shop["catalog.Service"]
    addresses = customer_pages(customer)
    more = [f"{addresses['order_new']}?service={service.pk}&link={quote(PAYLOADS[0])}"]
    more += [f"{addresses[name]}?q={quote(text)}" for name in ("services", "order_list") for text in PAYLOADS[:10:5]]
    one = watched()
    for address in (addresses["home"], addresses["account_login"] + "?next=" + quote(PAYLOADS[18])):
        one.open(live_server.url + address)
    sign_in(one.page, live_server.url, customer.email)
    opened = Counter(one.open(live_server.url + address) for address in (*addresses.values(), *more))
    assert one.found == []
    assert opened[200] > 40, opened
