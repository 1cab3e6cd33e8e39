"""What is kept of a sending: what the provider got, in its own names and without the key."""

from __future__ import annotations

import pytest

from catalog.models import Provider
from orders.dispatch.sent_forms import MAX_SHOWN, shown_form
from orders.dispatch.submit import submit_for_provider
from orders.models import Order, PlacementAttempt
from tests import make

pytestmark = pytest.mark.django_db

LINK = "https://example.org/page?a=b&c=d"


def test_attempt_when_sent_then_keeps_what_the_provider_got(upstream, customer, provider):
    Provider.objects.filter(pk=provider.pk).update(dialect={"names": {"link": "url"}}, request_id_parameter="uuid")
    provider.refresh_from_db()
    order = make.order(customer, make.service(provider), quantity=100, link=LINK)
    submit_for_provider(provider=provider)
    [attempt] = PlacementAttempt.objects.filter(order=order)
    assert attempt.sent["fields"] == [
        ["key", "[key]"],
        ["action", "add"],
        ["service", order.upstream_service_id],
        ["url", LINK],
        ["quantity", "100"],
        ["uuid", attempt.token],
    ]
    assert attempt.sent["host"] in provider.api_url
    assert upstream.key not in str(attempt.sent)


def test_shown_form_when_a_value_is_long_then_cut_and_its_length_told(provider):
    order = Order(service_type="default", link="x" * 2_000, quantity=1, upstream_service_id="7")
    fields = dict(shown_form(order=order, provider=provider, request_id="")["fields"])
    assert fields["link"] == "x" * MAX_SHOWN + "… (2,000 characters)"


@pytest.mark.parametrize(
    ("service_type", "values"),
    [
        ("No such type", {}),
        ("default", {"request_id_parameter": "link"}),
        ("default", {"dialect": {"names": {"link": "quantity"}}}),
        ("default", {"dialect": {"from a later version": 1}}),
    ],
)
def test_shown_form_when_it_cannot_be_sent_then_none(service_type, values, provider):
    for name, value in values.items():
        setattr(provider, name, value)
    order = Order(service_type=service_type, link="x", quantity=1, upstream_service_id="7")
    assert shown_form(order=order, provider=provider, request_id="1") is None
