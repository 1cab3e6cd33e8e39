"""Actions on many rows ask first; what is deleted is not listed without a bound."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import RequestFactory
from django.urls import reverse

from billing.models import PaymentMethod
from catalog.models import CustomerGroup, CustomerPrice, GroupMember, PriceChange, Service
from panel.accounts.models import User
from panel.lib.admin import deletions
from panel.lib.admin.questions import MAX_UNASKED
from tests import make
from tests.admin_calls import answer_question

pytestmark = pytest.mark.django_db

SERVICES = reverse("admin:catalog_service_changelist")

# Actions that ask on a page of their own, or change nothing.
ASK_THEMSELVES = {
    "delete_selected",
    *("Service.move", "Service.set_margin", "Service.set_link_kind"),
}
HARMLESS = {"Service.export_selected", "Order.export_many"}


@pytest.fixture
def many(provider: Any) -> list[Service]:
    """More services than an action changes without a question, one of them off sale."""
    found = [make.service(provider, external_id=f"{number}") for number in range(MAX_UNASKED + 2)]
    Service.objects.filter(pk=found[0].pk).update(is_on_sale=False)
    return found


def take_off(chosen: list[Service], **more: Any) -> dict[str, Any]:
    return {"action": "take_off_sale", "_selected_action": [one.pk for one in chosen], **more}


def test_every_action_of_a_list_asks_or_is_harmless():
    request = RequestFactory().get("/")
    request.user = User(is_staff=True, is_superuser=True, is_active=True)
    unasked = []
    for model, model_admin in admin.site._registry.items():
        # A page shows what each of these would do to the orders, and asks.
        asked = {f"{page.name}_many" for page in getattr(model_admin, "bulk_pages", ())}
        for name, (function, _, _) in model_admin.get_actions(request).items():
            known = {name, f"{model.__name__}.{name}"} & (ASK_THEMSELVES | HARMLESS | asked)
            if not known and not getattr(function, "asks_first", False):
                unasked.append(f"{model.__name__}.{name}")
    assert unasked == []


def test_action_when_few_are_selected_then_it_acts_at_once(staff_client, many):
    staff_client.post(SERVICES, take_off(many[: MAX_UNASKED + 1]))
    assert Service.objects.filter(is_on_sale=True).count() == 1


def test_action_when_many_are_selected_then_it_says_how_many_and_asks(staff_client, many):
    chosen = take_off(many[:2], select_across="1")
    page = staff_client.post(f"{SERVICES}?q=Followers", chosen)
    text = page.content.decode()
    for shown in ("Take 11 services off sale?", "and 6 more", "off sale already", "Customers see them no more"):
        assert shown in text, shown
    assert Service.objects.filter(is_on_sale=True).count() == 11
    answer = answer_question(staff_client, f"{SERVICES}?q=Followers", chosen, follow=True)
    assert answer.redirect_chain[-1][0].endswith("?q=Followers")
    assert "1 left alone: off sale already." in answer.content.decode()
    assert not Service.objects.filter(is_on_sale=True).exists()
    # One change for all of them, which the history undoes.
    assert PriceChange.objects.get().summary == "Take 11 services off sale"


def test_action_when_others_are_selected_by_then_it_asks_again(staff_client, provider, many):
    data = take_off(many[:2], select_across="1")
    first = staff_client.post(SERVICES, data)
    make.service(provider, external_id="new")
    again = staff_client.post(SERVICES, data | {"confirmed": dict(first.context["fields"])["confirmed"]})
    assert "Take 12 services off sale?" in again.content.decode()
    assert "Other rows are selected now" in again.content.decode()
    assert Service.objects.filter(is_on_sale=True).count() == 12


def test_action_when_more_than_the_bound_is_selected_then_refused(staff_client, many, monkeypatch):
    monkeypatch.setattr("panel.lib.admin.questions.MAX_SELECTED", 10)
    answer = staff_client.post(SERVICES, take_off(many[:2], select_across="1"), follow=True)
    assert "More than 10 are selected. Filter the list first. Nothing was changed." in answer.content.decode()
    assert Service.objects.filter(is_on_sale=True).count() == 11


# -- deleting --------------------------------------------------------------------------------------------


def test_delete_page_when_many_depend_on_it_then_they_are_counted(staff_client, customer, service, monkeypatch):
    monkeypatch.setattr(deletions, "MAX_LISTED", 2)
    monkeypatch.setattr(deletions, "MAX_COUNTED", 4)
    group = CustomerGroup.objects.create(name="Friends", discount_bp=500)
    method = make.payment_method()
    for number in range(5):
        user = make.customer(f"member-{number}@example.org")
        GroupMember.objects.create(customer=user, group=group)
        make.pending_deposit(user, method=method)
        CustomerPrice.objects.create(customer=user, service=service, price=1)
    page = staff_client.get(reverse("admin:catalog_customergroup_delete", args=[group.pk]))
    assert page.context["protected"] == ["4 or more group members"]
    page = staff_client.get(reverse("admin:billing_paymentmethod_delete", args=[method.pk]))
    assert page.context["protected"] == ["4 or more deposits"]
    assert staff_client.post(page.request["PATH_INFO"], {"post": "yes"}).status_code in (200, 403)
    assert PaymentMethod.objects.filter(pk=method.pk).exists()
    address, pks = reverse("admin:catalog_customerprice_changelist"), CustomerPrice.objects.values_list("pk", flat=True)
    data = {"action": "delete_selected", "_selected_action": list(pks)}
    page = staff_client.post(address, data)
    assert len(page.context["deletable_objects"][0]) == 3 and "and 3 more" in page.content.decode()
    staff_client.post(address, data | {"post": "yes"})
    assert not CustomerPrice.objects.exists()
