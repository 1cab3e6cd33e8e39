"""The admin's first page in a real browser, when all is well and in what may break: by axe, on desktop and phone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from catalog.models import Provider, ProviderFigures
from catalog.pauses import PauseKind, pause_provider
from orders.models import Order, OrderPoll, ProviderMoney
from panel.alerts.causes import Cause
from panel.alerts.models import Heartbeat, Process
from panel.alerts.services import raise_alert, record_heartbeat
from panel.channels.models import Channel
from panel.ops.watch.presence import arrive
from tests import make
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_pages import check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG_NAME = "Anothervery-long-name-that-somebody-typed-without-a-single-space-between-all-of-it"


@pytest.fixture
def shop(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A panel in which all is well: two providers, an order that is followed, two channels."""
    monkeypatch.setattr("panel.site.mail_setup.is_mail_set_up", lambda: True)
    # No thread says of this one that it lives.
    monkeypatch.setattr("panel.ops.watch.presence.SILENT", timedelta(minutes=10))
    make.owner()
    arrive(Process.Kind.WORKER)
    for task in ("check_ledger", "backup", "mail"):
        record_heartbeat(task=task)
    make.payment_method()
    month = timezone.now() - timedelta(days=30)
    for name, balance in (("North", "412.06"), ("Harbour", "184.58")):
        one = make.provider(name=name, api_key=name, balance=make.micros(balance), created_at=month)
        ProviderFigures.objects.create(provider=one, spent=make.micros("38.20"))
        make.service(one)
    make.accepted_order(make.customer(funds="10"), make.service(Provider.objects.get(name="North"), external_id="2"))
    for name in ("Phone", "Desk"):
        Channel.objects.create(name=name, kind="webhook", target="https://x.example/", reached_at=timezone.now())
    return live_server


def no_worker() -> None:
    Process.objects.update(seen_at=timezone.now() - timedelta(hours=1))


def provider_is_away() -> None:
    Provider.objects.filter(name="Harbour").update(is_active=False)
    north = Provider.objects.get(name="North")
    raise_alert(cause=Cause.UNREACHABLE, about=north.pk, text="North does not answer: timeout", level="danger")
    pause_provider(provider=north, kind=PauseKind.UNREACHABLE, text="it does not answer: connection timed out")
    order_waits()


def order_waits() -> None:
    north = Provider.objects.get(name="North")
    order = make.order(make.customer("carol@example.org", funds="10"), north.upstream_services.first().services.get())
    Order.objects.filter(pk=order.pk).update(queued_at=timezone.now() - timedelta(hours=5))


def books_are_broken() -> None:
    raise_alert(cause=Cause.LEDGER, text="The books do not balance. A wallet is off by $0.01.", level="danger")
    now = timezone.now()
    times = dict.fromkeys(("base_asked_at", "base_read_at", "asked_at", "read_at"), now)
    amounts = dict.fromkeys(("base_balance", "balance", "lowest", "highest"), 0)
    for provider in Provider.objects.all():
        lost = -make.micros("4.12")
        ProviderMoney.objects.create(
            provider=provider, account="a", currency="USD", unexplained=lost, **times, **amounts
        )


def channels_fail() -> None:
    since = timezone.now() - timedelta(minutes=20)
    Channel.objects.update(failing_since=since, last_error="535 5.7.8 the password is not right any more")


def nothing_is_set_up() -> None:
    Channel.objects.all().delete()
    Heartbeat.objects.exclude(task="check_ledger").delete()
    Provider.objects.filter(name="North").update(name=LONG_NAME[:80], polling_failures=3)
    OrderPoll.objects.update(checked_at=timezone.now() - timedelta(hours=30))


STATES: dict[str, Callable[[], None]] = {
    "good": lambda: None,
    "no-worker": no_worker,
    "provider-away": provider_is_away,
    "order-waits": order_waits,
    "books-broken": books_are_broken,
    "channels-fail": channels_fail,
    "never-set-up": nothing_is_set_up,
}


@pytest.mark.parametrize("state", STATES)
def test_overview_when_in_each_state_then_axe_finds_nothing(shop, open_page, state):
    STATES[state]()
    for viewport, theme in ((DESKTOP, "light"), (PHONE, "dark")):
        page = open_page(viewport=viewport, theme=theme)
        sign_in(page, shop.url, "owner@example.org")
        page.goto(shop.url + reverse("admin:index"))
        check_page(page, viewport)
