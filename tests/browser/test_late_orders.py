"""The staff's page of late orders in a real browser, by axe, and the way from it to what is done about them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from catalog.models import Service
from orders.models import Order
from orders.reports.late_counts import count_late_orders
from tests import make
from tests.browser.test_admin_orders import SCREENS
from tests.browser.test_pages import check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGE = "admin:orders_lateorders_changelist"


@SCREENS
def test_late_orders_when_asked_about_then_the_preview_opens(live_server, open_page, viewport, theme):
    make.owner()
    customer = make.customer("alice@example.org", funds="100")
    for number in range(2):
        provider = make.provider(name=f"Provider {number}", polling_failures=number)
        service = make.service(provider, name="TikTok likes " + "of a long name " * 6 * number)
        Service.objects.filter(pk=service.pk).update(late_hours=1)
        order = make.accepted_order(customer, service, upstream_id=f"9{number}")
        Order.objects.filter(pk=order.pk).update(created_at=timezone.now() - timedelta(hours=5))
    count_late_orders()
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, live_server.url, "owner@example.org")
    page.goto(f"{live_server.url}{reverse(PAGE)}")
    expect(page.locator(".late-lead")).to_contain_text("2 orders are later than they should be")
    check_page(page, viewport)
    page.get_by_role("table").last.get_by_role("button", name="Ask now…").click()
    expect(page.get_by_role("button", name="Ask about")).to_be_visible()
