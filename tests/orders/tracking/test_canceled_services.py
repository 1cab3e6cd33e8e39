"""Services whose orders their provider cancels: which go off sale, and what staff are asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from catalog.imports.inbox import accept_changes
from catalog.models import CatalogChange, Service
from catalog.prices.changes import change_prices
from catalog.prices.edits import Edit
from orders.common.timeline import write_event
from orders.models import CancelRequest, Order
from orders.review.manual_close import close_accepted
from orders.states import EventKind, Status, Submission
from orders.tasks import watch_services as watch_task
from orders.tracking import canceled_services
from orders.tracking.canceled_services import watch_services
from panel.alerts.models import Alert
from tests import make
from tests.scenes import statements
from tests.threads import in_threads


@pytest.fixture(autouse=True)
def one_customer_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canceled_services, "MIN_CUSTOMERS", 1)


@pytest.mark.django_db
@pytest.mark.parametrize(("people", "held"), [(2, False), (3, True)])
def test_service_when_few_customers_were_canceled_then_stays(service, monkeypatch, people, held):
    monkeypatch.setattr(canceled_services, "MIN_CUSTOMERS", 3)
    users = [make.customer(f"{number}@example.org", funds="1000") for number in range(people)]
    for number in range(20):
        canceled(users[number % people], service, 1)
    assert watch_services() == held


@pytest.fixture
def rich(db: None) -> Any:
    return make.customer("rich@example.org", funds="1000")


def ended(user: Any, of: Service, count: int, status: str, **values: Any) -> list[Order]:
    """Create orders that the provider ended just now, each later than the ones before."""
    made = []
    for _ in range(count):
        number = Order.objects.count() + 1
        order = make.accepted_order(user, of, upstream_id=str(number))
        finished = {"status": status, "finished_at": timezone.now(), "next_poll_at": None}
        Order.objects.filter(pk=order.pk).update(**{**finished, **values})
        made.append(order)
    return made


def canceled(user: Any, of: Service, count: int, **values: Any) -> list[Order]:
    return ended(user, of, count, Status.CANCELED, **values)


def completed(user: Any, of: Service, count: int) -> list[Order]:
    return ended(user, of, count, Status.COMPLETED)


def is_on_sale(service: Service) -> bool:
    return Service.objects.get(pk=service.pk).is_on_sale


def put_on_sale(service: Service) -> None:
    edit = Edit("service", (service.pk,), {"is_on_sale": True})
    change_prices(edits=[edit], source="list", summary="Put on sale")


@pytest.mark.django_db
@pytest.mark.parametrize(("bad", "held"), [(17, True), (16, False)])
def test_service_when_canceled_past_the_limit_then_off_sale(rich, service, bad, held):
    completed(rich, service, 20 - bad)
    canceled(rich, service, bad)
    assert watch_services() == held
    assert is_on_sale(service) is not held


@pytest.mark.django_db
def test_service_when_taken_off_sale_then_staff_are_asked(rich, service, staff):
    canceled(rich, service, 20)
    watch_services()
    row = CatalogChange.objects.get()
    assert (row.topic, row.kind, row.action, row.is_urgent) == ("orders", "canceled", "off_sale", True)
    assert (row.service, row.provider, row.new) == (service, service.upstream.provider, {"canceled": 20, "ended": 20})
    alert = Alert.objects.get(cause=f"service:{service.pk}:canceled", resolved_at=None)
    assert (alert.level, alert.count) == ("danger", 1)
    assert f"Service {service.pk} went off sale: its provider canceled 20 of its last 20 orders." in alert.text
    accept_changes(changes=CatalogChange.objects.all(), actor=staff, put_on_sale=True)
    alert.refresh_from_db()
    assert alert.resolved_at is not None
    assert is_on_sale(service)


@pytest.mark.django_db
def test_service_when_fewer_than_twenty_ended_then_not_judged(rich, service):
    canceled(rich, service, 19)
    make.accepted_order(rich, service, upstream_id="open")
    assert watch_services() == 0


@pytest.mark.django_db
def test_service_when_older_orders_were_canceled_then_not_counted(rich, service):
    canceled(rich, service, 30)
    completed(rich, service, 4)
    assert watch_services() == 0


@pytest.mark.django_db
def test_service_when_the_limit_is_off_then_stays_on_sale(rich, service, settings):
    settings.CANCELED_SERVICE_PERCENT = 0
    canceled(rich, service, 20)
    assert watch_services() == 0


@pytest.mark.django_db
def test_service_when_partial_without_delivery_then_counts(rich, service):
    for order in ended(rich, service, 20, Status.PARTIAL):
        Order.objects.filter(pk=order.pk).update(refunded=order.charge)
    assert watch_services() == 1


@pytest.mark.django_db
def test_service_when_partial_with_delivery_then_not_canceled(rich, service):
    for order in ended(rich, service, 20, Status.PARTIAL):
        Order.objects.filter(pk=order.pk).update(refunded=order.charge - 1)
    assert watch_services() == 0


@pytest.mark.django_db
def test_service_when_customers_canceled_then_left_out(rich, service):
    for order in canceled(rich, service, 20):
        CancelRequest.objects.create(order=order, provider=order.provider, actor=rich)
    assert watch_services() == 0
    canceled(rich, service, 19)
    assert watch_services() == 0
    canceled(rich, service, 1)
    assert watch_services() == 1


@pytest.mark.django_db
def test_service_when_staff_ended_the_orders_then_left_out(rich, service, staff):
    for number in range(20):
        order = make.accepted_order(rich, service, upstream_id=f"s{number}")
        close_accepted(order=order, status=Status.CANCELED, note="Canceled", actor=staff)
    assert watch_services() == 0


@pytest.mark.django_db
def test_service_when_never_sent_orders_were_canceled_then_left_out(rich, service):
    for order in canceled(rich, service, 20):
        Order.objects.filter(pk=order.pk).update(submission=Submission.REFUSED, refunded=order.charge)
    assert watch_services() == 0


@pytest.mark.django_db
def test_service_when_a_customer_only_ordered_then_events_count_not(rich, service):
    for order in canceled(rich, service, 20):
        write_event(order_id=order.pk, kind=EventKind.ORDERED, text="Ordered", actor=rich)
    assert watch_services() == 1


@pytest.mark.django_db
def test_service_when_put_back_on_sale_then_judged_by_later_orders(rich, service):
    canceled(rich, service, 20)
    assert watch_services() == 1
    put_on_sale(service)
    canceled(rich, service, 19)
    assert watch_services() == 0
    canceled(rich, service, 1)
    assert watch_services() == 1
    # One open row, with the latest figures.
    assert CatalogChange.objects.filter(accepted_at=None).count() == 1


@pytest.mark.django_db
def test_service_when_others_are_fine_then_they_stay_on_sale(rich, service, provider):
    other = make.service(provider, external_id="2", name="Likes")
    canceled(rich, service, 20)
    canceled(rich, other, 3)
    completed(rich, other, 17)
    assert watch_services() == 1
    assert (is_on_sale(service), is_on_sale(other)) == (False, True)


@pytest.mark.django_db
def test_service_when_nothing_was_canceled_since_then_not_judged(rich, service, monkeypatch):
    watch_task()
    canceled(rich, service, 20, finished_at=timezone.now() - timedelta(hours=1))
    assert watch_services() == 0
    canceled(rich, service, 1)
    assert watch_services() == 1


@pytest.mark.django_db
def test_round_when_nothing_is_wrong_then_two_statements(rich, service):
    completed(rich, service, 20)
    with statements() as found:
        watch_services()
    assert len(found) == 2


@pytest.mark.django_db
def test_round_when_it_looks_again_then_later_orders_decide(rich, service, monkeypatch):
    """Staff put it on sale between the first look and the lock."""
    canceled(rich, service, 20)
    lock = canceled_services.lock_prices

    def put_on_sale_before_locking() -> Any:
        Service.objects.filter(pk=service.pk).update(is_on_sale=False)
        put_on_sale(service)
        return lock()

    monkeypatch.setattr(canceled_services, "lock_prices", put_on_sale_before_locking)
    assert watch_services() == 0
    assert is_on_sale(service)
    assert not CatalogChange.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_service_when_put_on_sale_during_rounds_then_that_counts(rich, service):
    """Whoever comes first: once staff have put it on sale, the orders before do not take it off."""
    canceled(rich, service, 20)
    assert watch_services() == 1
    results = in_threads(lambda: put_on_sale(service), watch_services, watch_services)
    assert results == [None, 0, 0]
    assert is_on_sale(service)


@pytest.mark.django_db(transaction=True)
def test_service_when_two_rounds_run_at_once_then_asked_once(rich, service):
    canceled(rich, service, 20)
    assert sorted(in_threads(watch_services, watch_services)) == [0, 1]
    assert CatalogChange.objects.count() == 1
    assert Alert.objects.get(cause__endswith=":canceled").count == 1
