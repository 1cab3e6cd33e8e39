"""Counting late orders: by provider and service, since when, and the alert about many."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Category, Service, ServiceFigures
from orders.models import LateOrders, Order
from orders.reports import late_counts
from orders.reports.borrowed_times import lend_times, slow_seconds_of
from orders.reports.late_counts import Counted, count_late_orders, has_many
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from tests import make
from tests.orders.admin.test_order_list import ended

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer():
    service = make.service(make.provider())
    Service.objects.filter(pk=service.pk).update(late_hours=1)
    return service


def late_order(customer, service, number=1, *, hours=5, **values):
    order = make.accepted_order(customer, service, upstream_id=f"u{service.pk}-{number}")
    Order.objects.filter(pk=order.pk).update(created_at=timezone.now() - timedelta(hours=hours), **values)
    return Order.objects.get(pk=order.pk)


def test_count_when_some_are_late_then_figures_of_these_alone(customer, offer):
    first, second = late_order(customer, offer), late_order(customer, offer, 2, status="in_progress")
    unsent = make.order(customer, offer)
    Order.objects.filter(pk=unsent.pk).update(created_at=timezone.now() - timedelta(hours=2))
    make.accepted_order(customer, offer, upstream_id="soon")
    assert count_late_orders() == 3
    one = LateOrders.objects.get()
    assert (one.provider, one.service) == (first.provider, offer)
    assert (one.open, one.late, one.unsent, one.not_started) == (4, 3, 1, 1)
    assert one.charge == first.charge + second.charge + unsent.charge
    assert one.oldest_at == min(first.created_at, second.created_at)
    ended(second)
    assert count_late_orders() == 2


def test_count_when_the_day_turns_then_yesterdays_is_kept_for_a_day(customer, offer, monkeypatch):
    order = late_order(customer, offer)
    count_late_orders()
    today = late_counts.panel_day(timezone.now())
    monkeypatch.setattr(late_counts, "panel_day", lambda now: today + timedelta(days=1))
    late_order(customer, offer, 2)
    count_late_orders()
    assert LateOrders.objects.values_list("late", "yesterday").get() == (2, 1)
    for one in Order.objects.all():
        ended(one)
    assert count_late_orders() == 0
    assert LateOrders.objects.values_list("late", "yesterday").get() == (0, 1)
    monkeypatch.setattr(late_counts, "panel_day", lambda now: today + timedelta(days=2))
    count_late_orders()
    assert not LateOrders.objects.exists()
    assert order.pk


def test_count_when_nothing_changed_then_nothing_is_written(customer, offer):
    late_order(customer, offer)
    count_late_orders()
    with CaptureQueriesContext(connection) as seen:
        count_late_orders()
    written = [one["sql"] for one in seen.captured_queries if "orders_lateorders" in one["sql"]]
    assert not [sql for sql in written if not sql.startswith(("SELECT", "DELETE"))]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([Counted(open=20, late=10)], True),
        ([Counted(open=41, late=10)], False),
        ([Counted(open=9, late=9)], False),
        ([Counted(open=20, late=5), Counted(open=20, late=5)], True),
        ([Counted(open=20, late=5), Counted(open=21, late=5)], False),
    ],
)
def test_alert_when_judged_then_by_number_and_share(found, expected):
    assert has_many(found) is expected


def test_alert_when_many_become_late_then_raised_until_few_are_left(customer, offer, monkeypatch):
    monkeypatch.setattr(late_counts, "MANY", 3)
    orders = [late_order(customer, offer, number) for number in range(3)]
    for _ in range(2):
        count_late_orders()
    alert = Alert.objects.get(cause=Cause.LATE_ORDERS.of(orders[0].provider_id))
    assert (alert.count, alert.resolved_at) == (1, None)
    assert f"3 of 3 orders on their way are later than they should be, 3 of them of “{offer.name}”" in alert.text
    ended(orders[0])
    count_late_orders()
    alert.refresh_from_db()
    assert alert.resolved_at is None
    assert "2 of 2" in alert.text
    ended(orders[1])
    count_late_orders()
    alert.refresh_from_db()
    assert alert.resolved_at is not None


# -- times that services borrow ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "seconds"),
    [([], None), ([(19, 60)], None), ([(20, 60)], 60), ([(15, 60), (5, 900)], 60), ([(14, 60), (6, 900)], 900)],
)
def test_slow_seconds_when_of_several_services_then_by_their_orders(times, seconds):
    assert slow_seconds_of(times) == seconds


def test_times_when_a_service_has_too_few_then_the_categorys_or_providers():
    provider = make.provider()
    known, alike, apart = (make.service(provider, external_id=str(number)) for number in range(3))
    Service.objects.filter(pk=apart.pk).update(category=Category.objects.create(name="Apart"))
    ServiceFigures.objects.create(service=known, timed=20, slow_seconds=600)
    for service in (alike, apart):
        ServiceFigures.objects.create(service=service)
    lend_times()
    borrowed = {
        pk: (seconds, lender)
        for pk, seconds, lender in ServiceFigures.objects.values_list("pk", "borrowed_seconds", "borrowed_from")
    }
    assert borrowed == {known.pk: (None, ""), alike.pk: (600, "category"), apart.pk: (600, "provider")}
