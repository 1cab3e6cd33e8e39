"""Services whose orders must be multiples of a step: in every way of ordering. The service takes 10 to 10,000."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.urls import reverse

from catalog.models import Service, UpstreamService
from orders.checkout.bulk_quotes import quote_bulk
from orders.checkout.drip_feeds import start_drip_feed
from orders.checkout.validation import BadParam, BadQuantity, OrderInput
from orders.models import Order
from tests import make
from tests.api_calls import add, call_api, new_key
from tests.scenes import nothing_changes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

LINK = "https://example.com/a"


@pytest.fixture
def stepped(service):
    """The service, now with a step of 25."""
    UpstreamService.objects.update(quantity_step=25)
    return Service.objects.select_related("upstream").get(pk=service.pk)


@pytest.mark.parametrize("quantity", [25, 50, 100, 10_000])
def test_order_when_a_multiple_then_created(customer, stepped, quantity):
    UpstreamService.objects.update(rate=1_000)
    make.reprice(services=Service.objects.all())
    assert make.order(customer, stepped, quantity=quantity).quantity == quantity


def test_order_when_between_steps_then_refused_with_the_next_ones(customer, stepped):
    with nothing_changes(), pytest.raises(BadQuantity) as refused:
        make.order(customer, stepped, quantity=60)
    assert (refused.value.step, refused.value.field) == (25, "quantity")
    assert refused.value.message == "Order a multiple of 25 of this service, such as 50 or 75."


def test_limits_when_no_multiples_then_the_next_ones_within(stepped):
    assert (stepped.lowest_quantity, stepped.highest_quantity, stepped.quantity_step) == (25, 10_000, 25)
    stepped.min_quantity, stepped.max_quantity = 26, 99
    assert (stepped.lowest_quantity, stepped.highest_quantity) == (50, 75)


def test_order_when_below_the_first_step_then_the_minimum_is_told(customer, stepped):
    with pytest.raises(BadQuantity) as refused:
        make.order(customer, stepped, quantity=10)
    assert refused.value.minimum == 25


def test_order_when_lines_are_between_steps_then_refused_there(customer, service):
    UpstreamService.objects.update(type="custom_comments", quantity_step=2, min_quantity=1)
    fresh = Service.objects.select_related("upstream").get(pk=service.pk)
    with pytest.raises(BadParam) as refused:
        make.order(customer, fresh, quantity=None, comments="a\nb\nc")
    assert refused.value.field == "comments"
    assert make.order(customer, fresh, quantity=None, comments="a\nb").quantity == 2


def test_order_when_a_package_then_the_step_says_nothing(customer, service):
    UpstreamService.objects.update(type="package", quantity_step=25)
    assert make.order(customer, Service.objects.get(pk=service.pk), quantity=None).quantity == 1


def test_drip_feed_when_a_run_is_between_steps_then_refused(customer, stepped):
    bad = OrderInput(stepped.pk, LINK, 60, {}, 3, 60)
    with nothing_changes(), pytest.raises(BadQuantity):
        start_drip_feed(customer=customer, order_input=bad, request_key=uuid4().hex, seen_charge=None, api_key_ref=None)


def test_bulk_when_a_line_is_between_steps_then_only_it_is_refused(customer, stepped):
    text = f"{stepped.pk} | {LINK} | 50\n{stepped.pk} | {LINK}b | 60"
    errors = [one.error for one in quote_bulk(customer=customer, text=text).lines]
    assert errors == ["", "Order a multiple of 25 of this service, such as 50 or 75."]


def test_api_when_between_steps_then_a_text_of_the_protocol(customer, stepped):
    key = new_key(customer)
    assert add(key, stepped, quantity=60) == {"error": "Incorrect quantity: it must be a multiple of 25"}
    assert add(key, stepped, quantity=10) == {"error": "Quantity less than minimal 25"}
    assert "order" in add(key, stepped, quantity=75)
    assert Order.objects.get().quantity == 75


def test_api_services_when_a_step_then_listed(customer, stepped):
    [row] = call_api(new_key(customer), "services")
    assert (row["min"], row["max"], row["step"]) == ("25", "10000", "25")
    UpstreamService.objects.update(quantity_step=None)
    [row] = call_api(new_key(customer), "services")
    assert (row["min"], "step" in row) == ("10", False)


def test_form_when_a_step_then_told_and_checked(client, customer, stepped):
    client.force_login(customer)
    page = client.get(reverse("order_new"), {"service": stepped.pk}).content.decode()
    assert "25 to 10,000, in multiples of 25." in page
    typed = {"service": stepped.pk, "link": LINK, "quantity": "60", "request_key": uuid4().hex}
    quote = client.post(reverse("order_quote"), typed).content.decode()
    assert "such as 50 or 75" in quote
    with nothing_changes():
        response = client.post(reverse("order_new"), typed)
    assert response.context["form"].errors["quantity"] == ["Order a multiple of 25 of this service, such as 50 or 75."]


def test_shop_when_a_step_then_shown(client, customer, stepped):
    client.force_login(customer)
    assert "In multiples of 25" in client.get(reverse("services")).content.decode()
