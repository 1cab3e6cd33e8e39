"""When an order is late: the bound of its service, in the database as in Python."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.models import Service, ServiceFigures
from orders.common.lateness import Basis, Bound, bound_of, bounds_of, late_by, late_orders
from orders.models import Order
from orders.states import ReviewReason
from tests import make

pytestmark = pytest.mark.django_db

NOTHING = {"late_hours": None, "timed": 0, "slow": None, "borrowed": None, "lender": ""}
CASES = [
    ({}, None),
    ({"timed": 5, "slow": 3_600}, Bound(7_200, Basis.OWN, 3_600)),
    ({"timed": 5, "slow": 60}, Bound(1_800, Basis.OWN, 60)),
    ({"timed": 4, "slow": 3_600}, None),
    ({"timed": 4, "slow": 60, "borrowed": 3_600, "lender": "category"}, Bound(10_800, Basis.CATEGORY, 3_600)),
    ({"timed": 5, "slow": 3_600, "borrowed": 1, "lender": "provider"}, Bound(7_200, Basis.OWN, 3_600)),
    ({"borrowed": 3_600, "lender": "provider"}, Bound(10_800, Basis.PROVIDER, 3_600)),
    ({"late_hours": 1, "timed": 5, "slow": 9_999}, Bound(3_600, Basis.STAFF)),
]


@pytest.mark.parametrize(("values", "bound"), CASES)
def test_bound_when_figures_differ_then_the_nearest_counts(customer, values, bound):
    values = NOTHING | values
    assert bound_of(**values) == bound
    service = make.service(make.provider())
    Service.objects.filter(pk=service.pk).update(late_hours=values["late_hours"])
    ServiceFigures.objects.create(
        service=service,
        timed=values["timed"],
        slow_seconds=values["slow"],
        borrowed_seconds=values["borrowed"],
        borrowed_from=values["lender"],
    )
    assert bounds_of([service.pk]) == ({service.pk: bound} if bound else {})
    now = timezone.now()
    order = make.accepted_order(customer, service)
    for seconds, is_late in ((-5, False), (5, True)) if bound else ((10_000_000, False),):
        created_at = now - timedelta(seconds=(bound.seconds if bound else 0) + seconds)
        Order.objects.filter(pk=order.pk).update(created_at=created_at)
        order.refresh_from_db()
        assert late_orders(Order.objects.all(), now=now).exists() is is_late
        assert late_by([order], now=now) == ({order.pk: timedelta(seconds=5)} if is_late else {})


@pytest.mark.parametrize(
    ("values", "is_late"),
    [
        ({}, True),
        ({"finished_at": timezone.now()}, False),
        ({"review_reason": ReviewReason.LOST_UPSTREAM}, False),
        ({"turn": -1}, False),
    ],
)
def test_order_when_not_on_its_way_then_never_late(customer, values, is_late):
    service = make.service(make.provider())
    Service.objects.filter(pk=service.pk).update(late_hours=1)
    now = timezone.now()
    order = make.order(customer, service)
    Order.objects.filter(pk=order.pk).update(created_at=now - timedelta(hours=2), **values)
    order.refresh_from_db()
    assert late_orders(Order.objects.all(), now=now).exists() is bool(late_by([order], now=now)) is is_late
