"""The customer's pages in a browser: ordering, the order's page, cancels, lists and search."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import Entry
from catalog.models import Service, UpstreamService
from orders.dispatch.submit import claim_next
from orders.models import Order
from orders.states import Status, Submission
from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def service(provider):
    return make.service(provider)


def post_order(client: Client, of: Service, **changes):
    data = {
        "service": of.pk,
        "link": "https://example.com/page",
        "quantity": "1000",
        "request_key": uuid4().hex,
        "seen_charge": 2_500_000,
        **changes,
    }
    return client.post(reverse("order_new"), {name: value for name, value in data.items() if value is not None})


def assert_nothing_happened(customer, balance=10_000_000):
    assert Order.objects.count() == 0
    assert Entry.objects.filter(kind="order").count() == 0
    assert make.wallet(customer).balance == balance


def test_order_form_when_posted_then_one_order_and_a_redirect_to_it(signed_in, customer, service):
    response = post_order(signed_in, service)
    order = Order.objects.get()
    assert response.url == reverse("order_detail", args=[order.pk])
    assert (order.customer, order.charge, order.quantity) == (customer, 2_500_000, 1_000)
    assert make.wallet(customer).balance == 7_500_000


def test_order_form_when_double_clicked_then_one_order(signed_in, customer, service):
    key = uuid4().hex
    first = post_order(signed_in, service, request_key=key)
    second = post_order(signed_in, service, request_key=key)
    assert first.url == second.url
    assert Order.objects.count() == 1
    assert make.wallet(customer).balance == 7_500_000


def test_order_form_when_key_was_used_then_explained_with_new_key(signed_in, customer, service):
    key = uuid4().hex
    post_order(signed_in, service, request_key=key)
    response = post_order(signed_in, service, request_key=key, quantity="500", seen_charge=1_250_000)
    assert "has already created order" in response.content.decode()
    assert response.context["form"]["request_key"].value() != key
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"quantity": "9"}, "quantity", "Order between 10 and 10,000"),
        ({"quantity": "10001"}, "quantity", "Order between 10 and 10,000"),
        ({"quantity": "0"}, "quantity", "Order between"),
        ({"quantity": "-5"}, "quantity", "Order between"),
        ({"quantity": ""}, "quantity", "Enter a quantity"),
        ({"quantity": "ten"}, "quantity", "whole number"),
        ({"quantity": "1e3"}, "quantity", "Write the number out"),
        ({"quantity": "9" * 40}, "quantity", "too large"),
        ({"link": ""}, "link", "Enter the link"),
        ({"link": "not a link"}, "link", "no spaces"),
        ({"link": "javascript:alert(1)"}, "link", "no link"),
        ({"link": "ftp://example.com/x"}, "link", "no link"),
        ({"link": "https://example.com/" + "a" * 5_000}, "link", "too long"),
        ({"link": "https://example.com/\x00"}, "link", "invisible"),
        ({"service": ""}, "service", "Choose a service"),
        ({"service": "999999"}, "service", "no longer on sale"),
    ],
)
def test_order_form_when_a_field_is_bad_then_its_error_and_no_charge(
    signed_in, customer, service, changes, field, words
):
    response = post_order(signed_in, service, **changes)
    assert response.status_code == 200
    errors = response.context["form"].errors
    assert words in " ".join(errors.get(field, [])), errors
    assert_nothing_happened(customer)
    if field != "link":
        assert "https://example.com/page" in response.content.decode()  # What was typed is still there.


def test_order_form_when_two_fields_are_bad_then_both_errors_show(signed_in, customer, service):
    errors = post_order(signed_in, service, link="no link", quantity="1").context["form"].errors
    assert set(errors) == {"link", "quantity"}
    assert_nothing_happened(customer)


def test_order_form_when_only_previewed_then_no_empty_field_errors(signed_in, service):
    response = post_order(signed_in, service, link="", quantity="", preview="1")
    assert "Enter the link" not in response.content.decode()


def test_order_form_when_the_balance_is_short_then_says_how_much(signed_in, customer, service):
    response = post_order(signed_in, service, quantity="5000", seen_charge=12_500_000)
    assert "$2.50 is missing" in response.content.decode()
    assert_nothing_happened(customer)


def test_order_form_when_the_service_was_taken_off_sale_then_says_so(signed_in, customer, service):
    Service.objects.filter(pk=service.pk).update(is_on_sale=False)
    response = post_order(signed_in, service)
    assert "no longer on sale" in " ".join(response.context["form"].errors["service"])
    assert_nothing_happened(customer)


def test_order_form_when_the_price_rose_then_confirmed_again(signed_in, customer, service):
    Service.objects.filter(pk=service.pk).update(price=3_000_000)
    response = post_order(signed_in, service)
    text = response.content.decode()
    assert "rose from $2.50 to $3.00" in text
    assert_nothing_happened(customer)
    assert 'value="3000000"' in text  # The form now has the charge that was shown.
    post_order(signed_in, service, seen_charge=3_000_000)
    assert Order.objects.get().charge == 3_000_000


def test_order_form_when_the_price_fell_then_lower_one_is_charged(signed_in, customer, service):
    post_order(signed_in, service, seen_charge=9_000_000)
    assert Order.objects.get().charge == 2_500_000


def test_order_form_when_price_or_provider_is_posted_then_ignored(signed_in, customer, service, provider):
    post_order(signed_in, service, price="1", charge="1", provider="999", upstream_service_id="55")
    order = Order.objects.get()
    assert (order.charge, order.provider, order.upstream_service_id) == (2_500_000, provider, "1")


def test_order_form_when_without_scripts_then_charge_shown_first(signed_in, customer, service):
    response = post_order(signed_in, service, seen_charge=None)
    assert "Order for $2.50" in response.content.decode()
    assert_nothing_happened(customer)


def test_preview_button_when_pressed_then_only_the_charge_is_shown(signed_in, customer, service):
    response = post_order(signed_in, service, preview="1")
    assert "Order for $2.50" in response.content.decode()
    assert_nothing_happened(customer)


def test_quote_when_typing_then_it_follows(signed_in, service):
    response = signed_in.post(reverse("order_quote"), {"service": service.pk, "quantity": "200"})
    assert b'value="500000"' in response.content
    assert response.context["quote"].balance_after == 9_500_000
    empty = signed_in.post(reverse("order_quote"), {"service": service.pk, "quantity": "abc"})
    assert empty.status_code == 200


def test_comment_service_when_ordered_then_charged_by_line(signed_in, customer, provider):
    service = make.service(provider, external_id="2", type="custom_comments", rate="20", low=1, high=50)
    fields = signed_in.post(reverse("order_fields"), {"service": service.pk, "link": "https://example.com/kept"})
    text = fields.content.decode()
    assert 'name="comments"' in text and 'name="quantity"' not in text and "https://example.com/kept" in text
    post_order(signed_in, service, quantity=None, comments="one\ntwo\n", seen_charge=50_000)
    order = Order.objects.get()
    assert (order.quantity, order.charge, order.params) == (2, 50_000, {"comments": "one\ntwo"})


def test_cancel_when_not_sent_then_refunded_in_full(signed_in, customer, service):
    post_order(signed_in, service)
    order = Order.objects.get()
    signed_in.post(reverse("order_cancel", args=[order.pk]))
    order.refresh_from_db()
    assert (order.submission, order.status, order.refunded) == (Submission.WITHDRAWN, Status.CANCELED, 2_500_000)
    assert make.wallet(customer).balance == 10_000_000


def test_cancel_when_being_submitted_then_refused_and_nothing_moves(signed_in, customer, service, provider):
    post_order(signed_in, service)
    order = Order.objects.get()
    assert claim_next(provider_id=provider.pk) is not None
    response = signed_in.post(reverse("order_cancel", args=[order.pk]))
    assert "It is being sent to the provider right now" in str(list(get_messages(response.wsgi_request))[-1])
    order.refresh_from_db()
    assert (order.submission, order.refunded) == (Submission.SUBMITTING, 0)
    assert make.wallet(customer).balance == 7_500_000


@pytest.mark.parametrize("name", ["order_detail", "order_live", "order_cancel"])
def test_order_page_when_it_is_another_customers_then_404(name, signed_in, other, service):
    order = make.order(other, service)
    address = reverse(name, args=[order.pk])
    response = signed_in.post(address) if name == "order_cancel" else signed_in.get(address)
    assert response.status_code == 404
    order.refresh_from_db()
    assert (order.submission, order.refunded) == (Submission.QUEUED, 0)


def test_order_page_when_opened_then_status_counts_money_timeline(signed_in, customer, service):
    order = make.accepted_order(customer, service, quantity=1_000)
    Order.objects.filter(pk=order.pk).update(status=Status.IN_PROGRESS, remains=157, start_count=40)
    text = signed_in.get(reverse("order_detail", args=[order.pk])).content.decode()
    for words in ("In progress", "843", "157", "40", "$2.50", "Order received"):
        assert words in text


def test_live_part_when_open_then_polls_until_the_end(signed_in, customer, service):
    order = make.accepted_order(customer, service)
    address = reverse("order_live", args=[order.pk])
    assert b"hx-trigger" in signed_in.get(address).content
    Order.objects.filter(pk=order.pk).update(status=Status.COMPLETED)
    assert b"hx-trigger" not in signed_in.get(address).content


def test_pages_when_names_and_links_are_hostile_then_escaped(signed_in, customer, provider):
    evil = '<script>alert("x")</script>'
    service = make.service(provider, name=evil)
    Service.objects.filter(pk=service.pk).update(description=evil)
    UpstreamService.objects.update(name=evil, category=evil, description=evil)
    order = make.order(customer, service, link='https://example.com/"><script>alert(1)</script>')
    for address in (
        reverse("services"),
        reverse("order_new") + f"?service={service.pk}",
        reverse("order_list"),
        reverse("order_detail", args=[order.pk]),
        reverse("wallet"),
    ):
        text = signed_in.get(address).content.decode()
        assert "<script>alert" not in text, address
        assert "&lt;script&gt;" in text, address


@pytest.mark.parametrize("query", ["%00", "' OR 1=1", "9" * 50, "\u202e", "a " * 200, "１２"])
def test_search_when_the_text_is_odd_then_it_opens(signed_in, service, query):
    assert signed_in.get(reverse("services"), {"q": query}).status_code == 200


def test_search_when_name_category_or_number_then_found(signed_in, provider):
    found = make.service(provider, external_id="1", name="Blue likes")
    make.service(provider, external_id="2", name="Red views")
    for query in ("blue", "social blue", str(found.pk)):
        assert found.name in signed_in.get(reverse("services"), {"q": query}).content.decode()


@pytest.mark.parametrize("query", ["?page=0", "?page=99999", "?page=x", "?status=nonsense", "?sort=charge"])
def test_order_list_when_the_query_is_odd_then_it_opens(signed_in, customer, service, query):
    make.order(customer, service)
    assert signed_in.get(reverse("order_list") + query).status_code == 200


@pytest.mark.parametrize("name", ["services", "order_new", "order_list", "wallet", "account", "add_funds"])
def test_pages_when_rows_are_many_then_queries_stay_few(name, signed_in, customer, provider):
    counts = []
    for start in (0, 15):
        for number in range(start, start + 15):
            service = make.service(provider, external_id=str(number), rate="0.1")
            make.accepted_order(customer, service, upstream_id=f"u{number}")
        signed_in.get(reverse(name))  # What does not change is read once.
        with CaptureQueriesContext(connection) as queries:
            assert signed_in.get(reverse(name)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 14, counts
