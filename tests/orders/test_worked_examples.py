"""Whole stories with the numbers in the open, over real HTTP to a provider on loopback."""

from __future__ import annotations

import pytest
from django.utils import timezone

from billing.models import Entry
from catalog.imports.run import import_services
from catalog.models import Service
from orders.dispatch.submit import submit_due_orders
from orders.models import OrderPoll
from orders.states import Status, Submission
from orders.tracking.poll import poll_due_orders
from panel.ops.invariants import find_breaches
from panel.sandbox.http import faults
from tests import make

pytestmark = pytest.mark.django_db


def poll_now() -> None:
    OrderPoll.objects.update(due_at=timezone.now())
    poll_due_orders()


def entries(user):
    return list(
        Entry.objects.filter(wallet__customer=user).order_by("seq").values_list("kind", "amount", "balance_after")
    )


def test_partial_order_from_import_to_refund(upstream, provider, customer):
    # The provider asks $2.00 for 1000; the panel's margin is 25%, so the price is $2.50.
    upstream.set_service(7001, name="Followers", rate="2.00", min=10, max=10_000, type="Default", category="Social")
    run = import_services(provider=provider)
    assert run.outcome == "applied"
    service = Service.objects.get(upstream__external_id="7001")
    assert (service.cost, service.price) == (2_000_000, 2_500_000)

    # 1,000 of them for $2.50, of a balance of $10.
    order = make.order(customer, service, quantity=1_000)
    assert order.charge == 2_500_000
    assert make.wallet(customer).balance == 7_500_000

    # Sent once.
    assert submit_due_orders() == 1
    order.refresh_from_db()
    assert order.submission == Submission.ACCEPTED
    [sent] = upstream.orders()
    assert (str(sent.id), sent.quantity, sent.link) == (order.upstream_id, 1_000, order.link)

    # In progress: 843 delivered so far, no money moves.
    upstream.set_order(sent.id, status="In progress", remains=157, start_count=40)
    poll_now()
    order.refresh_from_db()
    assert (order.status, order.delivered, order.start_count, order.refunded) == (Status.IN_PROGRESS, 843, 40, 0)

    # It ends Partial with 157 remaining; the provider charges $1.686 for the 843.
    upstream.set_order(sent.id, status="Partial", remains=157, charge="1.686")
    poll_now()
    order.refresh_from_db()
    # 157 of 1,000 of $2.50 is $0.3925, exact to the micro-unit.
    assert (order.status, order.refunded, order.upstream_charge) == (Status.PARTIAL, 392_500, 1_686_000)
    assert entries(customer) == [
        ("deposit", 10_000_000, 10_000_000),
        ("order", -2_500_000, 7_500_000),
        ("refund", 392_500, 7_892_500),
    ]

    # Hearing it again moves nothing.
    poll_now()
    assert len(entries(customer)) == 3
    assert find_breaches() == []


def test_canceled_order_gives_everything_back(upstream, provider, customer):
    upstream.set_service(7001, rate="0.90", min=10, max=5_000, type="Default", category="Social", name="Likes")
    import_services(provider=provider)
    service = Service.objects.get(upstream__external_id="7001")
    order = make.order(customer, service, quantity=333)
    # $0.90 and 25% make $1.125, which is a multiple of the price step: 333 cost ⌈$0.374625⌉.
    assert (service.price, order.charge) == (1_125_000, 374_625)
    submit_due_orders()
    upstream.set_order(upstream.orders()[0].id, status="Canceled", remains=333, charge="0")
    poll_now()
    order.refresh_from_db()
    assert (order.status, order.refunded) == (Status.CANCELED, 374_625)
    assert make.wallet(customer).balance == 10_000_000
    assert find_breaches() == []


def test_custom_comments_are_charged_by_the_line_and_sent_as_lines(upstream, provider, customer):
    upstream.set_service(7002, rate="20", min=2, max=100, type="Custom Comments", category="Social", name="Comments")
    import_services(provider=provider)
    service = Service.objects.get(upstream__external_id="7002")
    order = make.order(customer, service, quantity=None, comments="Nice!\n\n  Well done \r\nMore please\n")
    # Three lines at $25.00 for 1000.
    assert (order.quantity, order.charge) == (3, 75_000)
    submit_due_orders()
    [sent] = upstream.orders()
    assert sent.params["comments"] == "Nice!\nWell done\nMore please"
    assert find_breaches() == []


def test_package_has_one_price_whatever_its_size(upstream, provider, customer):
    upstream.set_service(7003, rate="3", min=1, max=1, type="Package", category="Social", name="Starter package")
    import_services(provider=provider)
    service = Service.objects.get(upstream__external_id="7003")
    order = make.order(customer, service, quantity=None)
    assert (order.quantity, order.charge) == (1, 3_750_000)
    submit_due_orders()
    assert len(upstream.orders()) == 1
    assert find_breaches() == []


def test_two_customers_and_a_provider_in_another_currency(upstream, provider, customer, other):
    # The provider bills in euros at $1.10; 50 of a rate of €0.07 cost us ⌈$0.077 × 50 / 1000⌉.
    provider.currency, provider.exchange_rate = "EUR", 1_100_000_000_000
    provider.save()
    upstream.inject(faults.reply(body=b'{"balance": "1000", "currency": "EUR"}', action="balance", times=None))
    upstream.set_service(7001, rate="0.07", min=10, max=10_000, type="Default", category="Social", name="Views")
    import_services(provider=provider)
    service = Service.objects.get(upstream__external_id="7001")
    assert service.cost == 77_000
    assert service.price == 96_300  # $0.09625, rounded up to the price step of $0.0001
    first, second = (make.order(user, service, quantity=50) for user in (customer, other))
    assert {first.charge, second.charge} == {4_815}
    assert first.expected_cost == 3_850
    submit_due_orders()
    one, two = upstream.orders()
    upstream.set_order(one.id, status="Completed", remains=0)
    upstream.set_order(two.id, status="Canceled", remains=50, charge="0")
    poll_now()
    assert make.wallet(customer).balance == 10_000_000 - 4_815
    assert make.wallet(other).balance == 10_000_000
    assert find_breaches() == []
