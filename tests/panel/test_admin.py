"""The admin as a whole: every page opens, the overview shows what needs the owner, nobody can make owners."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.conf import settings
from django.contrib.admin import site
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.prices.storage import price_policy
from orders.models import Order
from orders.states import ReviewReason
from panel.alerts.causes import Cause
from panel.alerts.models import Alert, RunningTime
from panel.alerts.services import raise_alert
from tests import make
from tests.admin_calls import action_address

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", list(site._registry), ids=lambda model: model.__name__)
def test_admin_pages_when_opened_then_all_work(model, staff_client, customer, provider):
    service = make.service(provider)
    order = make.order(customer, service)
    Order.objects.filter(pk=order.pk).update(review_reason=ReviewReason.DOUBT)
    price_policy()
    raise_alert(cause=Cause.LEDGER, text="Something")
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert staff_client.get(reverse(f"{name}_changelist"), follow=True).status_code == 200
    obj = model._default_manager.first()
    if obj is not None:
        assert staff_client.get(reverse(f"{name}_change", args=[obj.pk]), follow=True).status_code == 200


MENU = [item for group in settings.UNFOLD["SIDEBAR"]["navigation"] for item in group["items"]]


@pytest.mark.parametrize("item", MENU, ids=lambda item: item["title"])
def test_admin_page_when_opened_from_the_menu_then_named_as_there(item, staff_client):
    page = staff_client.get(str(item["link"]), follow=True).content.decode()
    title = re.search(r"<title>([^|<]*)\|", page)
    assert title and unescape(title[1]).strip() == item["title"]
    heading = re.search(r"<h1.*?</h1>", page, re.DOTALL)
    assert heading and item["title"] in unescape(re.sub(r"<[^>]*>", "", heading[0]))


def test_overview_when_something_needs_the_owner_then_shown(staff_client, customer, provider):
    order = make.order(customer, make.service(provider))
    Order.objects.filter(pk=order.pk).update(review_reason=ReviewReason.DOUBT)
    text = staff_client.get(reverse("admin:index")).content.decode()
    assert "order waits for your decision" in text
    assert "Sending: No worker runs." in text


def test_staff_when_they_grant_ownership_then_refused(customer):
    helper = make.customer("helper@example.org")
    helper.is_staff = True
    helper.save()
    helper.user_permissions.set(Permission.objects.filter(codename__in=("view_user", "change_user")))
    client = Client()
    client.force_login(helper)
    form = {"email": "x@example.org", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    assert client.post(reverse("admin:accounts_user_change", args=[helper.pk]), form).status_code == 403
    client.post(reverse("admin:accounts_user_change", args=[customer.pk]), form)
    for user in (helper, customer):
        user.refresh_from_db()
        assert not user.is_superuser
    assert not customer.is_staff


def test_alerts_when_resolved_in_bulk_then_all_close(staff_client):
    raise_alert(cause=Cause.LEDGER, text="Something")
    alert = Alert.objects.get()
    staff_client.post(reverse("admin:ops_alert_changelist"), {"action": "resolve", "_selected_action": [alert.pk]})
    alert.refresh_from_db()
    assert alert.resolved_at is not None


def test_clock_when_trusted_on_the_alerts_page_then_not_in_doubt(staff_client):
    """Only the alert about a jump has the button."""
    now = timezone.now()
    RunningTime.objects.create(pk=1, since=now, seen_at=now, doubted_since=now)
    for cause in (Cause.LEDGER, Cause.CLOCK_JUMP):
        raise_alert(cause=cause, text="Something")
    other, alert = Alert.objects.order_by("pk")
    assert staff_client.get(action_address("ops.alert", other.pk, "trust_clock")).status_code == 403
    address = action_address("ops.alert", alert.pk, "trust_clock")
    assert address in staff_client.get(reverse("admin:ops_alert_change", args=[alert.pk])).content.decode()
    assert "clock says" in staff_client.get(address).content.decode()
    assert RunningTime.objects.get().doubted_since
    staff_client.post(address)
    alert.refresh_from_db()
    assert (RunningTime.objects.get().doubted_since, alert.resolved_at is None) == (None, False)
