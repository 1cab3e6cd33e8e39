"""The page of late orders: what it shows to whom, and where its actions lead."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from catalog.models import Provider, Service
from orders.admin.late_orders import trend_of
from orders.models import LateOrders
from orders.reports.late_counts import count_late_orders
from panel.accounts.models import User
from panel.accounts.roles import SUPPORT
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.ops.overview.needs import waiting_for
from tests import make
from tests.orders.reports.test_late_counts import late_order
from tests.panel.ops.customers.test_listing import text_of

pytestmark = pytest.mark.django_db
PAGE = "admin:orders_lateorders_changelist"


@pytest.fixture
def offer():
    service = make.service(make.provider())
    Service.objects.filter(pk=service.pk).update(late_hours=1)
    return service


def test_page_when_nothing_was_counted_or_is_late_then_says_which(staff_client):
    assert "were not counted yet" in text_of(staff_client.get(reverse(PAGE)))
    count_late_orders()
    assert "No order is late" in text_of(staff_client.get(reverse(PAGE)))
    assert "This provider has no late order" in text_of(staff_client.get(reverse(PAGE), {"provider": "7"}))


def test_page_when_orders_are_late_then_by_provider_and_service(staff_client, customer, offer):
    order = late_order(customer, offer)
    count_late_orders()
    text = text_of(staff_client.get(reverse(PAGE)))
    assert f"{offer.pk} {offer.name} 1 of 1 1 not started Not known Late after 1 hour, set on its page 4 h" in text
    assert "nothing known here explains it" in text
    waiting = {one.text: one.url for one in waiting_for(User.objects.get(is_superuser=True))}
    assert waiting["order is later than it should be"] == reverse(PAGE)
    listed = staff_client.get(f"{reverse('admin:orders_order_changelist')}?view=late&service={offer.pk}").context["cl"]
    assert [one.pk for one in listed.result_list] == [order.pk]


def test_actions_when_sent_as_the_page_does_then_existing_previews(staff_client, customer, offer):
    order = late_order(customer, offer)
    count_late_orders()
    page = staff_client.get(reverse(PAGE)).content.decode()
    address = f"{reverse('admin:orders_order_changelist')}?view=late&provider={order.provider_id}&service={offer.pk}"
    assert address.replace("&", "&amp;") in page
    data = {"index": "0", "select_across": "1", "_selected_action": "0"}
    for action in ("ask_many", "cancel_many"):
        assert f'value="{action}"' in page
        response = staff_client.post(address, {**data, "action": action})
        assert response.context["selection"].startswith(f"{order.pk}:")
    data = {"index": "0", "select_across": "0", "_selected_action": str(offer.pk), "action": "take_off_sale"}
    response = staff_client.post(reverse("admin:catalog_service_changelist"), data, follow=True)
    assert not Service.objects.get(pk=offer.pk).is_on_sale
    assert "Take " not in text_of(staff_client.get(reverse(PAGE)))


def test_page_when_providers_are_in_trouble_then_reasons_without_costs(client, staff_client, customer, offer):
    order = late_order(customer, offer)
    count_late_orders()
    raise_alert(cause=Cause.LOW_BALANCE, about=order.provider_id, text="It has $3.21 left.")
    Provider.objects.filter(pk=order.provider_id).update(pause_count=1, pause_reason="Not enough funds: $3.21")
    text = text_of(staff_client.get(reverse(PAGE)))
    assert "It is paused: Not enough funds: $3.21 " in text
    assert "It has $3.21 left." in text
    client.force_login(make.staff_member(SUPPORT))
    text = text_of(client.get(reverse(PAGE)))
    assert "It is paused, so its queue waits." in text
    assert "3.21" not in text
    assert "Take off sale" not in text


def test_page_when_many_services_are_late_then_worst_and_no_more_statements(staff_client, customer, offer):
    late_order(customer, offer)
    count_late_orders()
    staff_client.get(reverse(PAGE))
    with CaptureQueriesContext(connection) as few:
        staff_client.get(reverse(PAGE))
    provider = Provider.objects.get()
    now = timezone.now()
    for number in range(5):
        for one in (provider, make.provider(name=f"P{number}")):
            service = make.service(one, external_id=f"x{number}")
            LateOrders.objects.create(provider=one, service=service, late=number + 2, open=9, since=now, day=now.date())
    with CaptureQueriesContext(connection) as many:
        response = staff_client.get(reverse(PAGE))
    assert len(many) == len(few)
    worst = response.context["parts"][0]
    assert [row.figures.late for row in worst.rows] == [6, 5, 4]
    assert worst.hidden == 3
    chosen = staff_client.get(reverse(PAGE), {"provider": str(provider.pk)}).context["parts"]
    assert [len(part.rows) for part in chosen] == [6]


@pytest.mark.parametrize(
    ("late", "yesterday", "hours", "text"),
    [
        (5, 0, 0, "New today"),
        (5, 0, 49, "For 2 days"),
        (5, 3, 49, "Up from 3 yesterday"),
        (2, 3, 49, "Down from 3 yesterday"),
        (3, 3, 49, "As yesterday"),
    ],
)
def test_trend_when_compared_with_yesterday_then_in_words(late, yesterday, hours, text):
    now = timezone.now()
    assert trend_of(late=late, yesterday=yesterday, since=now - timedelta(hours=hours), now=now)[0] == text
