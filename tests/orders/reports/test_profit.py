"""Profit, in figures and on staff's pages: from stored columns, in integers, on both databases.

By default an order is 100 for $0.25 that should cost $0.20.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import Service
from orders.models import Order
from orders.reports.profit import (
    Figures,
    profit_by_provider,
    profit_by_service,
    profit_figures,
    profit_in_all,
    profit_of_all,
    with_profit,
)
from orders.states import Status, Submission
from panel.lib.money import MAX_MICROS
from tests import make
from tests.scenes import poll_now, statements, submit_now

pytestmark = pytest.mark.django_db

PROFIT = "/admin/orders/order/profit/"


def sold(user: Any, service: Service, **values: Any) -> Order:
    """Return an order with the columns that profit is computed from, in the given state."""
    order = make.accepted_order(user, service, upstream_id=f"u{Order.objects.count()}")
    Order.objects.filter(pk=order.pk).update(**values)
    return with_profit(Order.objects.all()).get(pk=order.pk)


# what, columns → cost, profit, whether it is an estimate
COSTS: dict[str, tuple[dict[str, Any], int, int, bool]] = {
    "completed": ({"status": Status.COMPLETED, "upstream_charge": 190_000}, 190_000, 60_000, False),
    "completed, charged nothing": ({"status": Status.COMPLETED, "upstream_charge": 0}, 0, 250_000, False),
    "completed at a loss": ({"status": Status.COMPLETED, "upstream_charge": 2_000_000}, 2_000_000, -1_750_000, False),
    "completed, no charge told": ({"status": Status.COMPLETED}, 200_000, 50_000, True),
    "partial": (
        {"status": Status.PARTIAL, "remains": 40, "refunded": 100_000, "upstream_charge": 120_000},
        120_000,
        30_000,
        False,
    ),
    "partial, no charge told": (
        {"status": Status.PARTIAL, "remains": 40, "refunded": 100_000},
        120_000,
        30_000,
        True,
    ),
    "partial, a third of one unit": (
        {"status": Status.PARTIAL, "remains": 2, "quantity": 3, "charge": 250_000, "refunded": 166_666},
        66_666,
        16_668,
        True,
    ),
    "partial, more remain than there were": (
        {"status": Status.PARTIAL, "remains": 150, "refunded": 250_000},
        0,
        0,
        True,
    ),
    "partial, below nothing remains": ({"status": Status.PARTIAL, "remains": -10}, 200_000, 50_000, True),
    "partial, nothing told": ({"status": Status.PARTIAL}, 200_000, 50_000, True),
    "partial, huge": (
        {
            "status": Status.PARTIAL,
            "quantity": 9 * 10**14,
            "remains": 3 * 10**14,
            "charge": MAX_MICROS,
            "refunded": 333_333_333_333_333,
            "expected_cost": 9 * 10**14,
        },
        6 * 10**14,
        66_666_666_666_667,
        True,
    ),
    "canceled": ({"status": Status.CANCELED, "refunded": 250_000, "upstream_charge": 0}, 0, 0, False),
    "canceled, and charged all the same": (
        {"status": Status.CANCELED, "refunded": 250_000, "upstream_charge": 200_000},
        200_000,
        -200_000,
        False,
    ),
    "canceled, no charge told": ({"status": Status.CANCELED, "refunded": 250_000, "remains": 40}, 0, 0, True),
    "refused": (
        {"status": Status.CANCELED, "submission": Submission.REFUSED, "refunded": 250_000, "upstream_id": None},
        0,
        0,
        False,
    ),
    "withdrawn": (
        {"status": Status.CANCELED, "submission": Submission.WITHDRAWN, "refunded": 250_000, "upstream_id": None},
        0,
        0,
        False,
    ),
    "open": ({"status": Status.IN_PROGRESS}, 200_000, 50_000, True),
    "open, charged so far": ({"status": Status.IN_PROGRESS, "upstream_charge": 50_000}, 200_000, 50_000, True),
    "open, charged too much": ({"status": Status.PENDING, "upstream_charge": 300_000}, 300_000, -50_000, True),
    "queued": ({"submission": Submission.QUEUED, "upstream_id": None}, 200_000, 50_000, True),
}


@pytest.mark.parametrize(("values", "cost", "profit", "is_estimated"), COSTS.values(), ids=COSTS.keys())
def test_profit_when_an_order_has_a_state_then_as_listed(customer, service, values, cost, profit, is_estimated):
    order = sold(customer, service, **values)
    assert (order.cost, order.profit, order.is_estimated) == (cost, profit, is_estimated)
    assert isinstance(order.cost, int)
    assert isinstance(order.profit, int)


def test_profit_when_polling_ended_then_returned_charge_is_used(upstream, customer, service):
    """The returned charge is the true cost, even if the rate differs."""
    order = make.order(customer, service)
    submit_now()
    [there] = upstream.orders()
    upstream.set_order(there.id, status="Partial", remains=40, charge="0.125")
    poll_now()
    found = with_profit(Order.objects.all()).get(pk=order.pk)
    # 0.25 paid, 0.10 back, 0.125 to the provider.
    assert (found.cost, found.profit, found.is_estimated) == (125_000, 25_000, False)


@pytest.fixture
def books(customer: Any, service: Service) -> tuple[Service, Service]:
    """Two providers: one earns 50,000 + 30,000 and has an open order, the other loses 150,000."""
    other = make.service(make.provider(name="Second"), external_id="2", name="Likes")
    done = {"status": Status.COMPLETED}
    sold(customer, service, **done)
    sold(customer, service, status=Status.PARTIAL, remains=40, refunded=100_000, upstream_charge=120_000)
    sold(customer, service, status=Status.IN_PROGRESS, refunded=20_000)
    sold(customer, other, **done, upstream_charge=400_000)
    old = timezone.now() - timedelta(days=40)
    sold(customer, other, **done, upstream_charge=0, created_at=old)
    return service, other


def since(days: int) -> Any:
    return timezone.now() - timedelta(days=days)


def test_figures_when_summed_then_open_orders_are_separate(books):
    first, second = books
    with statements() as found:
        earned = profit_figures(since=since(7))
    assert len(found) == 1
    figures = profit_by_service(earned)
    assert figures == {
        first.pk: Figures(
            orders=2,
            charged=500_000,
            refunded=100_000,
            cost=320_000,
            estimated=1,
            open_orders=1,
            open_charged=250_000,
            open_refunded=20_000,
            open_cost=200_000,
        ),
        second.pk: Figures(orders=1, charged=250_000, cost=400_000),
    }
    assert (figures[first.pk].profit, figures[first.pk].open_profit, figures[first.pk].margin_percent) == (
        80_000,
        30_000,
        20,
    )
    assert profit_by_provider(earned) == {
        first.upstream.provider_id: figures[first.pk],
        second.upstream.provider_id: figures[second.pk],
    }
    total = profit_in_all(earned)
    assert (total.orders, total.open_orders, total.profit, total.margin_percent) == (3, 1, -70_000, -11)
    assert {type(value) for value in (total.charged, total.refunded, total.cost, total.profit)} == {int}


def test_figures_when_a_period_is_given_then_others_are_left_out(books):
    assert profit_in_all(profit_figures(since=since(90))).profit == -70_000 + 250_000
    assert profit_in_all(profit_figures(since=since(90), until=since(30))).profit == 250_000
    moment = Order.objects.earliest("created_at").created_at
    assert profit_in_all(profit_figures(since=moment, until=moment)) == Figures()
    assert profit_in_all(profit_figures(since=moment, until=moment + timedelta(microseconds=1))).orders == 1


def test_figures_when_nothing_was_sold_then_no_margin(db):
    total = profit_in_all(profit_figures(since=since(7)))
    assert (total, total.profit, total.margin_percent) == (Figures(), 0, None)


# -- pages -------------------------------------------------------------------------------------------


def test_profit_page_when_something_lost_money_then_it_is_first(books, staff_client):
    response = staff_client.get(PROFIT)
    tables = {
        table.head: [(row.name, row.figures.profit) for row in table.rows] for table in response.context["tables"]
    }
    assert tables == {
        "Provider": [("Second", -150_000), ("Upstream", 80_000)],
        "Service": [("Likes", -150_000), ("Followers", 80_000)],
    }
    text = response.content.decode()
    assert '−$0.15</bdi>&nbsp;<span class="text-xs">loss</span>' in text
    assert "The cost of 1 of them is an estimate" in text
    assert "1 open order, expected to earn" in text
    assert 'href="?days=7" aria-current="page"' in text


@pytest.mark.parametrize(
    ("asked", "days", "orders"), [("90", 90, 4), ("30", 30, 3), ("7", 7, 3), ("9e9", 7, 3), ("", 7, 3)]
)
def test_profit_page_when_a_period_is_chosen_then_shown(books, staff_client, asked, days, orders):
    response = staff_client.get(PROFIT, {"days": asked})
    assert (response.context["days"], response.context["total"].orders) == (days, orders)


def test_profit_page_when_many_services_then_queries_do_not_grow(customer, service, staff_client):
    sold(customer, service, status=Status.COMPLETED)
    staff_client.get(PROFIT)
    with statements() as few:
        staff_client.get(PROFIT)
    make.deposit(customer, "100")
    for number in range(60):
        one = make.service(service.upstream.provider, external_id=f"s{number}", name=f"Service {number}")
        sold(customer, one, status=Status.COMPLETED, upstream_charge=number * 10_000)
    with statements() as many:
        response = staff_client.get(PROFIT)
    assert len(few) == len(many)
    services = response.context["tables"][1]
    # 0.25 each: those that cost 260,000 to 590,000 lost money, the most on top.
    assert [row.figures.profit for row in services.rows[:2]] == [-340_000, -330_000]
    assert [row.figures.profit for row in services.rows[25:27]] == [250_000, 240_000]
    assert (len(services.rows), services.more) == (50, 11)


def test_profit_page_when_a_name_holds_markup_then_escaped(customer, service, staff_client):
    Service.objects.update(name="<script>alert(1)</script>")
    type(service.upstream.provider).objects.update(name="<img src=x onerror=alert(2)>")
    sold(customer, service, status=Status.COMPLETED)
    text = staff_client.get(PROFIT).content.decode()
    assert "&lt;script&gt;alert(1)" in text
    assert "&lt;img src=x" in text
    assert "<script>alert(1)" not in text
    assert "<img src=x" not in text


def test_profit_page_when_not_permitted_then_denied(books, customer, signed_in):
    assert signed_in.get(PROFIT).status_code == 302
    assert Client().get(PROFIT).status_code == 302
    clerk = make.customer("clerk@example.org")
    clerk.is_staff = True
    clerk.save()
    client = Client()
    client.force_login(clerk)
    assert client.get(PROFIT).status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="view_order"))
    assert client.get(PROFIT).status_code == 403  # Staff who help customers need not see profit.
    clerk.user_permissions.add(Permission.objects.get(codename="view_profit"))
    response = client.get(PROFIT)
    assert response.status_code == 200
    # Names, but no links to what this user may not open.
    assert {row.url for table in response.context["tables"] for row in table.rows} == {""}


def test_overview_when_orders_ended_then_it_shows_their_profit(books, staff_client):
    today = staff_client.get(reverse("admin:index")).context["today"]
    assert (today["orders"], today["charged"], today["refunded"]) == (4, "$1.00", "$0.12")
    assert (today["profit"], today["is_loss"], today["expected"]) == ("−$0.07", True, "$0.03")


def test_order_list_when_it_shows_profit_then_one_statement(books, staff_client):
    address = reverse("admin:orders_order_changelist")
    staff_client.get(address)
    with statements() as found:
        text = staff_client.get(address).content.decode()
    assert sum('FROM "orders_order"' in one and "COUNT(" not in one for one in found) <= 2
    assert "−$0.15" in text
    assert "~$0.05" in text


def test_order_page_when_opened_then_it_shows_the_profit(books, staff_client):
    order = Order.objects.get(upstream_charge=120_000)
    text = staff_client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    assert "$0.03" in text


def test_navigation_when_on_profit_page_then_only_its_entry_active(books, staff_client):
    def lit(address: str) -> list[str]:
        groups = staff_client.get(address).context["sidebar_navigation"]
        return [str(item["title"]) for group in groups for item in group["items"] if item["active"]]

    assert lit(PROFIT) == ["Profit"]
    assert lit(reverse("admin:orders_order_changelist")) == ["Orders"]
    assert lit(reverse("admin:orders_order_change", args=[Order.objects.earliest("pk").pk])) == ["Orders"]


def test_profit_of_all_when_asked_then_same_sum_in_one_statement(books):
    expected = profit_in_all(profit_figures(since=since(90)))
    with statements() as found:
        total = profit_of_all(since=since(90))
    assert len(found) == 1
    assert total == expected
    assert {type(value) for value in (total.orders, total.charged, total.cost, total.open_cost)} == {int}


def test_profit_of_all_when_there_is_no_order_then_all_zero(db):
    assert profit_of_all(since=since(1)) == Figures()
