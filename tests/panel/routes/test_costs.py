"""Who may not see costs sees none: a cost that occurs nowhere else must be in no answer of any page they open."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders.common.hidden_costs import looks_like_money
from orders.models import Order, OrderEvent, PlacementAttempt, SendingStop
from orders.states import AttemptOutcome, EventKind, ReviewReason, StopReason, Submission
from panel.accounts.models import User
from panel.accounts.rights import RIGHTS_BY_KEY, SEE_COSTS, permissions_of_rights, with_needed
from panel.accounts.roles import MANAGER, SUPPORT, set_up_roles
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from tests import make
from tests.panel.routes.shop import open_shop, own_role, with_role
from tests.panel.routes.table import NOBODY, OWN
from tests.panel.routes.test_routes import ROUTES, Person, address_of, row_of

pytestmark = pytest.mark.django_db

# A cost as every format writes it: $7.654321, 7.654321, 7654321.
MARK = "654321"
COST = 7_654_321
FIGURE = "7.654321"
# Every right that does not bring costs with it.
WITHOUT_COSTS = [key for key in RIGHTS_BY_KEY if SEE_COSTS not in permissions_of_rights([key])]


@pytest.fixture
def shop(customer: User) -> dict[str, Any]:
    """The shop, with the mark wherever the panel writes a cost."""
    set_up_roles()
    provider = make.provider()
    shop = open_shop(customer, provider)
    order = shop["orders.Order"]
    note = f"It says that 5 of 100 remain. It charged {FIGURE} of an expected {FIGURE}."
    Order.objects.update(expected_cost=COST, upstream_charge=COST)
    Order.objects.filter(pk=order.pk).update(review_note=note, review_reason=ReviewReason.CONTRADICTION)
    OrderEvent.objects.create(
        order=order, kind=EventKind.REVIEW, new=ReviewReason.CONTRADICTION, text=note, is_public=False
    )
    PlacementAttempt.objects.create(
        order=order,
        token="t1",
        outcome=AttemptOutcome.ACCEPTED,
        body=json.dumps({"order": 9001, "charge": FIGURE}),
        detail=f"Accepted for {FIGURE}",
    )
    shop["doubt"] = doubt(customer, shop["catalog.Service"])
    SendingStop.objects.create(reason=StopReason.BALANCE, text=f"$ {FIGURE} is missing.")
    for cause in (one for one in Cause if one.tells_costs):
        raise_alert(cause=cause, about=provider.pk, text=f"It charged {FIGURE}.")
    return shop


def doubt(customer: User, service: Any) -> Order:
    """Return an order in doubt with all the evidence that a page of decisions shows."""
    order = make.order(customer, service)
    now = timezone.now()
    PlacementAttempt.objects.create(
        order=order,
        token="t2",
        outcome=AttemptOutcome.UNKNOWN,
        body=f"price={FIGURE}",
        searches=1,
        searched_at=now,
        search_note=f"The provider could not be asked: you owe {FIGURE}",
        balance_before=COST,
        balance_before_at=now,
        balance_after=COST,
        balance_after_at=now,
        orphans=[{"id": "7", "status": "x", "remains": 1, "charge": FIGURE, "agrees": True, "remains_agree": True}],
    )
    Order.objects.filter(pk=order.pk).update(
        submission=Submission.IN_DOUBT, doubt_until=now, claim_token="t2", attempts=1, expected_cost=COST
    )
    order.refresh_from_db()
    return order


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def pages_of(who: Person, shop: dict[str, Any]) -> list[str]:
    """Return the addresses of all pages of the admin that this person may open."""
    found = []
    for route in ROUTES:
        row = row_of(route)
        assert row
        if route.name.startswith(("admin:", "settings")) and row.get not in (NOBODY, OWN) and who.may(row.get):
            found.append(address_of(route, row, shop))
    return [*found, reverse("admin:orders_order_decide", args=[shop["doubt"].pk])]


def test_pages_when_staff_may_not_see_costs_then_none_tells_one(shop, monkeypatch):
    monkeypatch.setattr(site, "get_sidebar_list", lambda request: [])  # Half of the time goes into the menu.
    monkeypatch.setattr(site, "get_app_list", lambda *args: [])
    own_role("All but costs", tuple(WITHOUT_COSTS))
    user = with_role("All but costs", "all@example.org")
    who = Person("All but costs", user, frozenset(user.get_all_permissions()))
    pages = pages_of(who, shop)
    assert len(pages) > 35
    client = client_of(user)
    texts = {page: b"".join(client.get(page, follow=True)).decode() for page in pages}
    words = (MARK, "Profit", "Expected cost", "Cost returned", "Expected of the rest")
    assert [(page, word) for page, text in texts.items() for word in words if word in text] == []


def test_support_when_compared_then_it_has_only_rights_without_costs(db):
    set_up_roles()
    held = with_role(SUPPORT).get_all_permissions()
    assert held <= permissions_of_rights(WITHOUT_COSTS)
    assert SEE_COSTS not in permissions_of_rights(with_needed(WITHOUT_COSTS))


def test_pages_when_staff_may_see_costs_then_they_tell_them(shop):
    """Or else the mark would prove nothing."""
    client = client_of(with_role(MANAGER))
    order = shop["orders.Order"].pk
    wanted = [
        (reverse("admin:orders_order_change", args=[order]), 9),
        (reverse("admin:orders_orderinreview_changelist"), 2),
        (reverse("admin:orders_order_decide", args=[shop["doubt"].pk]), 7),
        (reverse("admin:ops_alert_changelist"), 15),
        (reverse("admin:orders_sendingstop_changelist"), 1),
    ]
    for page, least in wanted:
        assert client.get(page).content.decode().count(MARK) >= least, page


def test_support_when_it_filters_by_a_cost_then_refused(shop):
    client = client_of(with_role(SUPPORT))
    orders, reviews = reverse("admin:orders_order_changelist"), reverse("admin:orders_orderinreview_changelist")
    stops = reverse("admin:orders_sendingstop_changelist")
    for column in ("expected_cost__gt", "upstream_charge__lt", "exchange_rate__gt", "service__cost__gt"):
        assert client.get(orders, {column: "1"}).status_code == 400, column
    for column in ("review_note__contains", "review_finding__contains", "closed_review__contains"):
        assert client.get(reviews, {column: "7"}).status_code == 400, column
    assert client.get(stops, {"text__contains": "7"}).status_code == 400
    for allowed in ({"status__exact": "pending"}, {"provider__id__exact": "1"}, {"drip_feed__id__exact": "1"}):
        assert client.get(orders, allowed).status_code == 200


def test_support_when_sending_would_lose_then_told_without_the_cost(shop):
    service = shop["catalog.Service"]
    type(service).objects.filter(pk=service.pk).update(cost=COST * 1_000)
    order = make.order(make.customer("new@example.org", funds="50"), service)
    Order.objects.filter(pk=order.pk).update(
        review_reason=ReviewReason.WOULD_LOSE, review_note=f"It would cost {FIGURE} now.", review_since=timezone.now()
    )
    address = reverse("admin:orders_order_decide", args=[order.pk])
    for role, tells in ((SUPPORT, False), (MANAGER, True)):
        client = client_of(with_role(role))
        page = client.get(address)
        data = {"choice": "send_again", "sure": "on", "seen": page.context["seen"]}
        for answer in (page, client.post(address, data, follow=True)):
            assert ("654.321" in answer.content.decode() or MARK in answer.content.decode()) == tells
            assert tells or "It would lose money now." in answer.content.decode()


def test_support_when_searching_tells_a_cost_then_neither_message_nor_log_does(shop, monkeypatch):
    monkeypatch.setattr("orders.admin.review.search.search_now", lambda order: False)
    client = client_of(with_role(SUPPORT))
    address = reverse("admin:orders_order_decide", args=[shop["doubt"].pk])
    seen = client.get(address).context["seen"]
    answer = client.post(address, {"choice": "search", "seen": seen}, follow=True)
    assert MARK not in answer.content.decode()
    assert "Searched again." in LogEntry.objects.latest("pk").get_change_message()
    assert MARK not in LogEntry.objects.latest("pk").get_change_message()


@pytest.mark.parametrize(
    ("text", "is_money"),
    [
        ("It charged 2 of an expected 2.", True),
        ('{"order":1,"x":"0.27"}', True),
        ("0,27", True),
        ("Not enough funds", False),
        ('{"order": 23501}', False),
        ("Asked for the ids from 1 to 9: 2 of ours are not accounted for.", False),
        ("", False),
    ],
)
def test_words_when_they_look_like_money_then_told_apart(text, is_money):
    assert looks_like_money(text) is is_money
