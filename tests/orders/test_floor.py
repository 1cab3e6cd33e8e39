"""The floor of prices in the life of orders: an exchange rate of nonsense sells nothing below its real cost.

Seen in a shop: a manager set the rate to 0.000001, and $115.63 of subscribers were sold for $0.0005, without an alert.
"""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from catalog.models import Provider, Service
from orders.checkout.bulk_orders import create_bulk
from orders.checkout.bulk_quotes import quote_bulk
from orders.checkout.create import OrderRefused, loss_note
from orders.models import Order
from orders.states import ReviewReason
from panel.accounts.models import User
from panel.accounts.roles import MANAGER, set_up_roles
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.lib.money import EXCHANGE_ONE
from tests import make
from tests.scenes import create_accepted, fresh, poll_now, submit_now

pytestmark = pytest.mark.django_db

NONSENSE = EXCHANGE_ONE // 1_000_000


@pytest.fixture
def manager(db):
    set_up_roles()
    user = make.customer("the-manager@example.org")
    user.groups.add(Group.objects.get(name=MANAGER))
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def subscribers(upstream, provider):
    """$92.50 for 1,000, confirmed at an exchange rate of 1."""
    upstream.set_service(1, rate="92.5", min=10, max=10_000, type="Default")
    service = make.service(provider, rate="92.5")
    Provider.objects.update(last_synced_at="2026-01-01T00:00Z", confirmed_exchange_rate=EXCHANGE_ONE)
    service.upstream.provider.refresh_from_db()
    return service


def spoil(provider):
    """Set the exchange rate past the services, as a script, an older release or a restored backup may."""
    Provider.objects.filter(pk=provider.pk).update(exchange_rate=NONSENSE)
    make.reprice(services=Service.objects.all())


def causes():
    return set(Alert.objects.filter(resolved_at=None).values_list("cause", flat=True))


def test_rate_when_a_manager_sets_nonsense_then_nothing_sells_below_cost(manager, customer, subscribers):
    """The attack as it was seen, through the pages."""
    provider = subscribers.upstream.provider
    page = reverse("admin:catalog_provider_change", args=[provider.pk])
    fields = {"name": provider.name, "is_active": "on", "on_rise": "reprice", "publish_new": "on"}
    answer = manager.post(page, {**fields, "exchange_rate": "0.000001", "currency": "USD"}, follow=True)
    if answer.context and "preview" in answer.context:
        preview = answer.redirect_chain[-1][0]
        manager.post(preview, {"seen": answer.context["preview"].fingerprint, "confirm": "yes"})
    try:
        order = make.order(customer, subscribers, quantity=100)
    except OrderRefused:
        return
    assert order.charge >= make.micros("9.25")


def test_order_when_the_rate_is_not_confirmed_then_refused_with_an_alert(customer, subscribers):
    spoil(subscribers.upstream.provider)
    with pytest.raises(OrderRefused):
        make.order(customer, subscribers, quantity=1_000)
    assert (Order.objects.count(), make.wallet(customer).balance) == (0, make.micros("10"))
    alert = Alert.objects.get()
    assert (alert.cause, alert.level) == (Cause.BELOW_FLOOR.of(subscribers.upstream.provider_id), "danger")
    assert "0.000001" in alert.text


def test_bulk_order_when_the_rate_is_not_confirmed_then_no_line_is_ready(customer, subscribers):
    spoil(subscribers.upstream.provider)
    text = f"{subscribers.pk} | https://example.com/a | 100"
    quote = quote_bulk(customer=customer, text=text)
    assert not quote.ready
    with pytest.raises(OrderRefused):
        create_bulk(customer=customer, text=text, request_key="k", seal=quote.seal)
    assert causes() == {Cause.BELOW_FLOOR.of(subscribers.upstream.provider_id)}


def test_queued_order_when_the_rate_is_spoiled_later_then_asked_not_sent(upstream, customer, subscribers):
    """It was sold in time, but another rate makes its cost look like nothing: by that, a lower price would pass too."""
    order = make.order(customer, subscribers, quantity=10)
    Order.objects.filter(pk=order.pk).update(charge=100)
    spoil(subscribers.upstream.provider)
    assert loss_note(fresh(order)) == "It would cost $0.925 now; the customer paid $0.0001."
    submit_now()
    assert fresh(order).review_reason == ReviewReason.WOULD_LOSE
    assert Cause.BELOW_FLOOR.of(subscribers.upstream.provider_id) in causes()


def test_order_when_the_rate_is_within_the_band_then_sold(customer, subscribers):
    Provider.objects.update(exchange_rate=EXCHANGE_ONE * 80 // 100)
    make.reprice(services=Service.objects.all())
    assert make.order(customer, subscribers, quantity=100).charge == make.micros("9.25")


def test_charge_when_sent_at_a_rate_nobody_confirmed_then_an_alert(upstream, customer, subscribers):
    """Frozen in the order, the nonsense makes the returned charge as small as what the customer paid."""
    (order,) = create_accepted(customer, subscribers, 1, quantity=50)
    tiny = {"charge": 500, "price": 10_000, "expected_cost": 5, "exchange_rate": NONSENSE, "currency": "USD"}
    Order.objects.filter(pk=order.pk).update(**tiny)
    upstream.set_order(int(order.upstream_id), status="Completed", remains=0, charge="4.625")
    poll_now()
    alert = Alert.objects.get(cause=Cause.OVERCHARGE.of(subscribers.pk))
    assert ("$4.625" in alert.text, alert.level) == (True, "danger")
