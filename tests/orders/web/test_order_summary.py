"""The summary of the order form: what the main button says, the charge that is shown, and the last orders."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from catalog.models import Service
from orders.models import Order
from tests import make
from tests.orders.web.test_order_form import LINK, sell, typed_for
from tests.scenes import statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold"), pytest.mark.once]


def summary_of(client: Any, **typed: Any) -> Any:
    return client.post(reverse("order_quote"), typed, headers={"HX-Request": "true"}).context["summary"]


def step_of(client: Any, **typed: Any) -> Any:
    step = summary_of(client, **typed).step
    return (step.label, step.field) if step else None


def test_button_when_something_is_missing_then_leads_to_it(signed_in, service):
    steps: list[tuple[dict[str, Any], Any]] = [
        ({}, ("Choose a service", "id_find")),
        ({"service": service.pk}, ("Paste the link", "id_link")),
        ({"link": LINK}, ("Type a quantity", "id_quantity")),
        ({"quantity": "5"}, ("Change the quantity", "id_quantity")),
        ({"quantity": "many"}, ("Change the quantity", "id_quantity")),
        ({"quantity": "100"}, None),
        ({"runs": "3"}, ("Fill in the runs", "id_interval")),
        ({"runs": "", "interval": "60"}, ("Fill in the runs", "id_runs")),
    ]
    typed: dict[str, Any] = {}
    for more, expected in steps:
        typed |= more
        assert step_of(signed_in, **typed) == expected, typed


def test_button_when_the_type_has_fields_then_leads_to_the_first_empty_one(signed_in, upstream, provider):
    service = sell(upstream, provider, "web_traffic")
    typed = {"service": service.pk, "link": LINK, **typed_for(service), "google_keyword": " "}
    assert step_of(signed_in, **typed) == ("Fill in “Keyword of the search”", "id_google_keyword")
    assert step_of(signed_in, **{**typed, "type_of_traffic": "3"}) is None


def test_button_when_the_service_takes_a_name_then_asks_for_it(signed_in, service):
    Service.objects.filter(pk=service.pk).update(link_kind="username")
    assert step_of(signed_in, service=service.pk) == ("Type the username", "id_link")


def test_form_when_refused_then_the_browser_begins_at_the_first_mistake(signed_in, service):
    typed = {"service": service.pk, "link": "nonsense here", "quantity": "x", "request_key": "a" * 32}
    form = signed_in.post(reverse("order_new"), typed).context["form"]
    assert "autofocus" in str(form["link"]) and "autofocus" not in str(form["quantity"])


def test_summary_when_empty_then_no_dash_and_no_hint_of_a_charge(signed_in, service):
    text = signed_in.get(reverse("order_new")).content.decode()
    summary = text[text.index('id="summary"') : text.index('id="last-orders"')]
    assert "—" not in summary
    assert "Choose a service" in summary
    assert "Balance" in summary


def test_summary_when_complete_then_each_fact_once(signed_in, service):
    typed = {"service": service.pk, "link": LINK, "quantity": "1000"}
    text = signed_in.get(reverse("order_new"), typed).content.decode()
    summary = text[text.index('<dl class="sum">') : text.index('id="order-submit"')]
    for fact in ("$2.50</", "Balance after", "$7.50"):
        assert fact in summary
    for elsewhere in ("Refill", "Usually", "Not enough data"):
        assert elsewhere not in summary


def test_charge_when_not_of_whole_cents_then_never_shown_below_it(signed_in, service):
    Service.objects.filter(pk=service.pk).update(price=1_231_000)
    text = signed_in.post(
        reverse("order_quote"), {"service": service.pk, "link": LINK, "quantity": "1000"}, HTTP_HX_REQUEST="true"
    ).content.decode()
    assert 'value="1231000"' in text
    assert "Order for $1.24" in text
    assert '<dd><bdi class="money" title="$1.231">$1.24</bdi></dd>' in text


# -- the last orders -------------------------------------------------------------------------------------


def test_last_orders_when_there_are_more_then_the_three_newest(signed_in, customer, other, service):
    orders = [make.order(customer, service, quantity=10 + number) for number in range(5)]
    make.order(other, service)
    shown = signed_in.get(reverse("order_new")).context["last_orders"]
    assert shown == orders[:1:-1]


def test_last_orders_when_nothing_changed_then_204_else_all_three(signed_in, customer, service):
    order = make.order(customer, service, link=LINK)
    page = signed_in.get(reverse("order_new")).content.decode()
    address = f"{reverse('orders_last')}?shown={signed_in.get(reverse('order_new')).context['last_shown']}"
    assert address in page
    assert signed_in.get(address).status_code == 204
    Order.objects.filter(pk=order.pk).update(status="in_progress", remains=40)
    text = signed_in.get(address).content.decode()
    assert "60 of 100" in text
    Order.objects.filter(pk=order.pk).update(status="completed", remains=0)
    assert "hx-get" not in signed_in.get(address).content.decode()  # Nothing will change by itself.


def test_last_orders_when_read_then_one_statement(signed_in, customer, service):
    for _number in range(3):
        make.order(customer, service)
    with statements() as found:
        signed_in.get(reverse("orders_last"))
    assert sum("orders_order" in one for one in map(str, found)) == 1
