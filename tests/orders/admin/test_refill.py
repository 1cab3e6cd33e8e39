"""Asking for a refill of one order on its page, and the links to its requests."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from catalog.models import Service, UpstreamService
from orders.models import CancelRequest, Order, Refill
from orders.states import RefillState, Status
from tests import make
from tests.scenes import money_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def order(customer: Any, provider: Any) -> Order:
    service = make.service(provider)
    UpstreamService.objects.update(refill=True)
    order = make.accepted_order(customer, Service.objects.get(pk=service.pk))
    Order.objects.filter(pk=order.pk).update(status=Status.COMPLETED, remains=0, finished_at=timezone.now())
    return Order.objects.get(pk=order.pk)


def address_of(order: Order) -> str:
    return reverse("admin:orders_order_refill_one", args=[order.pk])


def page_of(order: Order) -> str:
    return reverse("admin:orders_order_change", args=[order.pk])


def test_refill_when_allowed_then_asked_once_and_logged(staff_client, customer, order):
    before = money_of(customer)
    assert "Refill…" in staff_client.get(page_of(order)).content.decode()
    question = staff_client.get(address_of(order))
    assert "is asked to deliver again what has dropped" in question.content.decode()
    assert not Refill.objects.exists()
    for _ in range(2):
        staff_client.post(address_of(order), {"seen": question.context["seen"]}, follow=True)
    refill = Refill.objects.get()
    assert (refill.order_id, refill.state) == (order.pk, RefillState.WAITING)
    assert LogEntry.objects.filter(object_id=str(order.pk)).count() == 1
    page = staff_client.get(page_of(order)).content.decode()
    assert "Refill…" not in page and f'{reverse("admin:orders_refill_changelist")}?q={order.pk}"' in page
    assert money_of(customer) == before


def test_refill_when_the_service_has_none_then_not_offered(staff_client, order):
    UpstreamService.objects.update(refill=False)
    assert "Refill…" not in staff_client.get(page_of(order)).content.decode()
    answer = staff_client.post(address_of(order), {"seen": staff_client.get(address_of(order)).context["seen"]})
    assert "Nothing was asked for: the order is of services without a refill." in answer.content.decode()
    assert not Refill.objects.exists()


def test_page_when_a_cancel_was_requested_then_leads_to_it(staff_client, order):
    address = f"{reverse('admin:orders_cancelrequest_changelist')}?q={order.pk}"
    assert address not in staff_client.get(page_of(order)).content.decode()
    CancelRequest.objects.create(order=order, provider=order.provider)
    assert address in staff_client.get(page_of(order)).content.decode()
    assert f"/{order.pk}/change/" in staff_client.get(address).content.decode()
