"""`add` of the served API: what it charges, what it ignores, and that one request creates one order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from catalog.models import CustomerPrice, Provider, Service, UpstreamService
from catalog.service_types import SPECS
from orders.models import DripFeed, Order, OrderEvent
from orders.requests.cancel import withdraw_order
from orders.states import Submission
from panel.accounts.models import ApiKey
from tests import make
from tests.api_calls import ADDRESS, LINK, add, call_api, new_key, params_for, read_answer
from tests.scenes import money_of, nothing_changes, statements, submit_now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

BUSY = {"error": "You have active order with this link"}
OTHER = {"error": "Incorrect request: this request_id was used for another order"}
NO_FUNDS = {"error": "Not enough funds on balance"}


@pytest.fixture
def key(customer):
    return new_key(customer)


def spent_of(key):
    return ApiKey.objects.get(ending=key[-4:]).spent


# -- what is charged ---------------------------------------------------------------------------------


def test_add_when_the_order_is_submitted_then_as_from_the_browser(upstream, provider, service, customer, key):
    response = add(key, service)
    submit_now()
    order = Order.objects.get(pk=response["order"])
    assert order.submission == Submission.ACCEPTED
    [there] = upstream.orders()
    assert (there.quantity, there.link, str(there.id)) == (100, LINK, order.upstream_id)
    assert order.upstream_id != str(order.pk), "the customer hears our number"
    assert money_of(customer) == (9_750_000, [("deposit", 10_000_000), ("order", -250_000)])
    assert OrderEvent.objects.filter(order=order).first().text == "Order received through the API"


def test_add_when_customer_has_own_price_then_charged_and_listed(customer, service, key):
    CustomerPrice.objects.create(customer=customer, service=service, price=make.micros("2.111111"))
    [row] = call_api(key, "services")
    assert row["rate"] == "2.111111"
    order = Order.objects.get(pk=add(key, service)["order"])
    assert (order.price, order.charge) == (2_111_111, 211_112)


def test_add_when_price_charge_or_provider_are_posted_then_ignored(customer, service, key):
    """Paying for the cheap service must not get the expensive one."""
    other = make.provider(name="Another")
    forged = {
        "price": "0.01",
        "rate": "0.01",
        "charge": "0.000001",
        "expected_cost": 1,
        "provider": other.pk,
        "provider_id": other.pk,
        "upstream_service_id": "999",
        "customer": 999,
        "customer_id": 999,
        "status": "completed",
        "request_key": "mine",
        "api_key_ref": 999,
        "seen_charge": 1,
        "refunded": 5,
    }
    order = Order.objects.get(pk=add(key, service, **forged)["order"])
    plain = Order.objects.get(pk=add(key, service)["order"])
    own = {"id", "request_key", "created_at", "queued_at", "next_action_at", "turn"}
    names = [one.attname for one in Order._meta.concrete_fields if one.attname not in own]
    assert [getattr(order, name) for name in names] == [getattr(plain, name) for name in names]
    assert order.request_key.startswith("api:") and order.params == {}


def test_add_when_a_parameter_is_of_another_type_then_dropped(key):
    package = make.service(make.provider(), type="package")
    order = Order.objects.get(pk=add(key, package, quantity="-7", comments="x", username="y")["order"])
    assert (order.quantity, order.params, order.charge) == (1, {}, 2_500_000)


@pytest.mark.parametrize("change", ["hidden", "provider", "type"])
def test_add_when_a_service_is_not_on_sale_then_its_id_is_incorrect(service, key, change):
    if change == "hidden":
        Service.objects.update(is_on_sale=False)
    elif change == "provider":
        Provider.objects.update(is_active=False)
    else:
        UpstreamService.objects.update(type="subscriptions")
    with nothing_changes():
        assert add(key, service) == {"error": "Incorrect service ID"}


def test_add_when_wallet_covers_exactly_then_created_but_no_more(service):
    """0.3 − 0.1 is 0.2 here: a customer with exactly enough may order."""
    alice = make.customer("exact@example.org", funds="0.3")
    Service.objects.update(price=1_000_000)
    key = new_key(alice)
    assert [set(add(key, service)) for _ in range(3)] == [{"order"}] * 3
    assert make.wallet(alice).balance == 0
    with nothing_changes():
        assert add(key, service) == NO_FUNDS


def test_add_when_a_micro_unit_is_missing_then_refused(service):
    alice = make.customer("short@example.org", funds="0.249999")
    with nothing_changes():
        assert add(new_key(alice), service) == NO_FUNDS


# -- request_id --------------------------------------------------------------------------------------


def test_request_id_when_sent_again_then_same_order_and_one_debit(customer, service, key):
    response = add(key, service, request_id="order 17 / ü")
    assert [add(key, service, request_id="order 17 / ü") for _ in range(3)] == [response] * 3
    assert [add(key, service, request_id=" order 17 / ü ")] == [response]
    assert money_of(customer) == (9_750_000, [("deposit", 10_000_000), ("order", -250_000)])


def test_request_id_when_missing_then_each_is_an_order(service, key):
    """Guard off: the same double click is paid twice."""
    assert add(key, service) != add(key, service)


@pytest.mark.parametrize(
    "change", [{"quantity": 101}, {"link": "https://example.com/other"}, {"runs": 2, "interval": 5}, {"service": 999}]
)
def test_request_id_when_the_rest_differs_then_error_and_unchanged(service, key, change):
    add(key, service, request_id="1")
    with nothing_changes():
        assert add(key, service, **{"request_id": "1", **change}) == OTHER


def test_request_id_when_ignored_parameters_differ_then_same_order(service, key):
    response = add(key, service, request_id="1")
    assert add(key, service, request_id="1", comments="x", link=f" {LINK} ", quantity="0100") == response


@pytest.mark.parametrize("service_type", SPECS)
def test_request_id_when_any_type_is_repeated_then_the_same_order(key, service_type):
    service = make.service(make.provider(), type=service_type, low=1)
    wanted = {"service": service.pk, "link": LINK, **params_for(service), "request_id": "1"}
    response = call_api(key, "add", **wanted)
    assert call_api(key, "add", **wanted) == response
    assert Order.objects.count() == 1


@pytest.mark.parametrize("change", ["off_sale", "dearer", "limits", "poor", "canceled"])
def test_request_id_when_shop_changed_meanwhile_then_same_order(customer, service, key, change):
    """A client that repeats a lost request must not be told that nothing was created."""
    response = add(key, service, request_id="1")
    order = Order.objects.get(pk=response["order"])
    if change == "off_sale":
        Service.objects.update(is_on_sale=False)
    elif change == "dearer":
        Service.objects.update(price=10**9)
    elif change == "limits":
        Service.objects.update(min_quantity=500)
    elif change == "poor":
        add(key, service, quantity=3_900)
    else:
        withdraw_order(order=order, actor=customer)
    with nothing_changes():
        assert add(key, service, request_id="1") == response


def test_request_id_when_another_key_or_customer_then_new_order(customer, other, service, key):
    numbers = {add(one, service, request_id="1")["order"] for one in (key, new_key(customer), new_key(other))}
    assert len(numbers) == 3


def test_request_id_when_of_the_maximum_length_then_accepted(service, key):
    assert add(key, service, request_id="r" * 64) == add(key, service, request_id="r" * 64)
    assert add(key, service, request_id="r" * 63 + "x")["order"] == Order.objects.latest("pk").pk
    with nothing_changes():
        assert "64 characters" in add(key, service, request_id="r" * 65)["error"]


def test_request_id_when_there_are_many_then_each_is_its_own(service, key):
    numbers = [add(key, service, request_id=str(number))["order"] for number in range(30)]
    assert len(set(numbers)) == 30


def test_request_id_when_same_in_browser_form_then_separate_orders(customer, service, key):
    response = add(key, service, request_id="1")
    request_key = Order.objects.get(pk=response["order"]).request_key
    client = Client()
    client.force_login(customer)
    form = {"service": service.pk, "link": LINK, "quantity": 100, "seen_charge": 10**9}
    client.post("/orders/new/", {**form, "request_key": "1"})
    assert request_key != "1"
    assert len(set(Order.objects.values_list("request_key", flat=True))) == Order.objects.count()


# -- the daily limit ---------------------------------------------------------------------------------


def test_limit_when_reached_then_nothing_is_created_or_charged(customer, service):
    key = new_key(customer, daily_limit=make.micros("0.6"))
    assert set(add(key, service)) == set(add(key, service)) == {"order"}
    with nothing_changes():
        assert add(key, service)["error"].startswith("Not enough funds on balance: the daily limit")
    assert spent_of(key) == 500_000
    assert set(add(key, service, quantity=40)) == {"order"}, "exactly up to it"
    assert spent_of(key) == 600_000


def test_limit_when_a_request_is_repeated_then_it_counts_once(customer, service):
    key = new_key(customer, daily_limit=make.micros("0.3"))
    response = [add(key, service, request_id="1") for _ in range(3)]
    assert response[0] == response[1] == response[2] and spent_of(key) == 250_000


def test_limit_when_the_order_is_refused_then_it_does_not_count(customer, service):
    key = new_key(customer, daily_limit=make.micros("0.3"))
    assert add(key, service, quantity=9) == {"error": "Quantity less than minimal 10"}
    assert add(key, service, link="x y") == {"error": "Incorrect link"}
    assert spent_of(key) == 0


def test_limit_when_runs_are_ordered_then_all_of_them_count(customer, service):
    key = new_key(customer, daily_limit=make.micros("0.7"))
    with nothing_changes():
        assert "daily limit" in add(key, service, runs=3, interval=5)["error"]
    assert DripFeed.objects.count() == 0
    response = [add(key, service, runs=2, interval=5, request_id="1") for _ in range(3)]
    assert response[0] == response[1] == response[2] and spent_of(key) == 500_000


# -- the same order again within seconds -------------------------------------------------------------


@pytest.mark.parametrize("again", [{}, {"link": "http://www.EXAMPLE.com/page/"}])
def test_window_when_the_same_is_ordered_again_then_refused(settings, customer, service, key, again):
    settings.API_DUPLICATE_WINDOW = 60
    assert set(add(key, service)) == {"order"}
    with nothing_changes():
        assert add(key, service, **again) == BUSY


@pytest.mark.parametrize("change", [{"quantity": 101}, {"link": LINK + "2"}, {"request_id": "1"}])
def test_window_when_order_differs_or_has_request_id_then_created(settings, service, key, change):
    settings.API_DUPLICATE_WINDOW = 60
    add(key, service)
    assert set(add(key, service, **change)) == {"order"}


def test_window_when_over_or_off_or_of_another_key_then_created(settings, customer, service, key):
    settings.API_DUPLICATE_WINDOW = 60
    add(key, service)
    assert set(add(new_key(customer), service)) == {"order"}
    Order.objects.update(created_at=timezone.now() - timedelta(seconds=61))
    assert set(add(key, service)) == {"order"}
    assert add(key, service) == BUSY
    settings.API_DUPLICATE_WINDOW = 0
    assert set(add(key, service)) == {"order"}


def test_window_when_runs_sent_twice_then_rejected_and_paid_once(settings, customer, service, key):
    settings.API_DUPLICATE_WINDOW = 60
    add(key, service, runs=2, interval=5)
    with nothing_changes():
        assert add(key, service, runs=2, interval=5) == BUSY
    assert DripFeed.objects.count() == 1
    assert money_of(customer) == (9_500_000, [("deposit", 10_000_000), ("drip_feed", -500_000)])


def test_window_when_the_first_was_canceled_then_created_again(settings, service, key):
    settings.API_DUPLICATE_WINDOW = 60
    first = add(key, service)["order"]
    call_api(key, "cancel", order=first)
    assert add(key, service)["order"] != first


def test_window_when_comments_differ_for_the_same_link_then_created(settings, service, key):
    settings.API_DUPLICATE_WINDOW = 60
    UpstreamService.objects.update(type="custom_comments", min_quantity=1)
    assert "order" in add(key, service, comments="Nice\nGreat")
    assert "order" in add(key, service, comments="Wow\nLovely")
    assert add(key, service, comments="Wow\nLovely") == BUSY


def test_window_when_long_links_differ_only_at_end_then_created(settings, service, key):
    settings.API_DUPLICATE_WINDOW = 60
    link = "https://example.com/" + "a" * 300
    assert "order" in add(key, service, link=f"{link}1")
    assert "order" in add(key, service, link=f"{link}2")
    assert add(key, service, link=f"{link}2") == BUSY


def test_statements_when_a_limit_and_a_window_apply_then_still_few(settings, customer, service):
    settings.API_DUPLICATE_WINDOW = 60
    key = new_key(customer, daily_limit=make.micros("5"))
    call_api(key, "balance")
    with statements() as found:
        add(key, service)
    assert len(found) <= 13
    with statements() as found:
        add(key, service, quantity=200, runs=2, interval=5)
    assert len(found) <= 17
    assert read_answer(Client().post(ADDRESS, {"key": key, "action": "balance"}))["balance"] == "8.75"
