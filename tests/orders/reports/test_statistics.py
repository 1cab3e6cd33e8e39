"""The figures of services and providers: what they count, and that they are stored as counted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from catalog.models import Provider, ProviderFigures, Service, ServiceFigures
from catalog.provider_health import runway_days
from orders.common.timeline import write_event
from orders.models import Order, OrderEvent
from orders.reports import statistics
from orders.reports.profit import profit_by_service, profit_figures
from orders.reports.statistics import count_changed_figures, count_figures
from orders.states import EventKind, Status
from orders.tasks import count_figures as count_figures_task
from panel.alerts.models import Heartbeat
from panel.lib.money import EXCHANGE_ONE
from tests import make
from tests.scenes import at_once, statements

pytestmark = pytest.mark.django_db

CENT = 10_000


def ordered(user: Any, of: Service, *, days_ago: float = 1, took: float | None = None, **values: Any) -> Order:
    """Return an order of 100 for $0.25, expected cost $0.20, sent `days_ago`; it `took` so many seconds to end."""
    number = Order.objects.count() + 1
    order = make.accepted_order(user, of, upstream_id=str(number))
    at = timezone.now() - timedelta(days=days_ago)
    ended = {} if took is None else {"finished_at": at + timedelta(seconds=took)}
    Order.objects.filter(pk=order.pk).update(**{"created_at": at, "accepted_at": at, **ended, **values})
    order.refresh_from_db()
    return order


def of_service(service: Service) -> tuple[Any, ...]:
    found = ServiceFigures.objects.get(service=service)
    return found.orders, found.ended, found.completed, found.profit, found.seconds


def of_provider(provider: Provider) -> tuple[int, ...]:
    found = ProviderFigures.objects.get(provider=provider)
    return found.orders, found.spent, found.ended, found.completed


def counted_at() -> list[datetime]:
    return [
        *ServiceFigures.objects.order_by("pk").values_list("counted_at", flat=True),
        *ProviderFigures.objects.order_by("pk").values_list("counted_at", flat=True),
    ]


def test_figures_when_orders_have_all_states_then_counted_separately(customer, service):
    ordered(customer, service, status=Status.COMPLETED, took=100, upstream_charge=15 * CENT)  # earns 10 cents
    ordered(customer, service, status=Status.COMPLETED, took=301, upstream_charge=None)  # earns 5 cents
    ordered(customer, service, status=Status.PARTIAL, took=9, refunded=10 * CENT, upstream_charge=12 * CENT)  # 3 cents
    ordered(customer, service, status=Status.CANCELED, took=9, refunded=25 * CENT, upstream_charge=None)  # nothing
    ordered(customer, service, status=Status.IN_PROGRESS)
    count_figures()
    assert of_service(service) == (5, 4, 2, 18 * CENT, 200)
    assert (
        of_service(service)[3]
        == profit_by_service(profit_figures(since=timezone.now() - timedelta(days=30)))[service.pk].profit
    )


def test_figures_when_services_lose_money_then_profit_is_negative(customer, service):
    ordered(customer, service, status=Status.COMPLETED, took=5, upstream_charge=40 * CENT)
    count_figures()
    assert of_service(service)[3] == -15 * CENT


def test_figures_when_order_is_older_than_window_then_not_counted(customer, service):
    order = ordered(customer, service, days_ago=29.9, status=Status.COMPLETED, took=5)
    count_figures()
    assert of_service(service)[0] == 1
    Order.objects.filter(pk=order.pk).update(created_at=timezone.now() - timedelta(days=30, seconds=1))
    count_figures()
    assert of_service(service) == (0, 0, 0, 0, None)


def test_figures_when_a_service_was_never_ordered_then_zero(service):
    count_figures()
    assert of_service(service) == (0, 0, 0, 0, None)
    assert of_provider(service.upstream.provider) == (0, 0, 0, 0)


def test_figures_when_a_clock_ran_backwards_then_the_time_is_zero(customer, service):
    ordered(customer, service, status=Status.COMPLETED, took=-5)
    count_figures()
    assert of_service(service)[4] == 0


def test_figures_when_two_services_sell_then_each_has_its_own(customer, provider, service):
    dear = make.service(provider, external_id="2", rate="4")
    ordered(customer, service, status=Status.COMPLETED, took=10, upstream_charge=20 * CENT)
    ordered(customer, dear, status=Status.COMPLETED, took=20, upstream_charge=40 * CENT)
    ordered(customer, dear)
    count_figures()
    assert of_service(service) == (1, 1, 1, 5 * CENT, 10)
    assert of_service(dear) == (2, 1, 1, 10 * CENT, 20)
    assert of_provider(provider) == (3, 100 * CENT, 2, 2)


def test_spent_when_billed_in_another_currency_then_in_that_currency(customer):
    """0.8 of the panel's currency per unit of the provider's: a cost of $0.20 took 0.25 of its balance."""
    provider = make.provider(currency="EUR", exchange_rate=EXCHANGE_ONE * 8 // 10)
    service = make.service(provider, rate="2")
    ordered(customer, service, exchange_rate=EXCHANGE_ONE * 8 // 10, currency="EUR", expected_cost=20 * CENT)
    ordered(customer, service, exchange_rate=EXCHANGE_ONE // 2, currency="EUR", upstream_charge=30 * CENT)
    count_figures()
    assert of_provider(provider) == (2, 25 * CENT + 60 * CENT, 0, 0)


def test_spent_when_currency_changed_then_older_orders_not_counted(customer, service):
    ordered(customer, service, currency="INR")
    ordered(customer, service, currency="USD")
    count_figures()
    assert of_provider(service.upstream.provider) == (2, 20 * CENT, 0, 0)


def test_spent_when_not_sent_in_the_last_week_then_not_counted(customer, service):
    ordered(customer, service, days_ago=7.1)
    ordered(customer, service, accepted_at=None, submission="queued", upstream_id=None)
    ordered(customer, service, days_ago=9, accepted_at=timezone.now())  # it waited for two days
    count_figures()
    assert of_provider(service.upstream.provider) == (1, 20 * CENT, 0, 0)
    assert of_service(service)[0] == 3


def test_spent_when_canceled_without_a_returned_charge_then_zero(customer, service):
    ordered(customer, service, status=Status.CANCELED, refunded=25 * CENT, took=5)
    count_figures()
    assert of_provider(service.upstream.provider) == (1, 0, 1, 0)


def test_figures_when_a_rate_is_absurd_then_the_others_are_stored(customer, service):
    """A sum that no column can hold must not keep the others from being stored."""
    odd = make.service(make.provider(name="Odd"), external_id="9")
    ordered(customer, odd, exchange_rate=1, expected_cost=10**15)
    ordered(customer, service)
    count_figures()
    assert of_provider(odd.upstream.provider)[1] == 2**63 - 1
    assert of_provider(service.upstream.provider)[1] == 20 * CENT


def test_counting_when_nothing_changed_then_nothing_is_written(customer, service):
    ordered(customer, service)
    count_figures()
    before = counted_at()
    with statements() as found:
        count_figures()
    assert counted_at() == before
    assert not [sql for sql in found if sql.startswith(("INSERT", "UPDATE"))]


def test_counting_when_one_service_changed_then_one_row_written(customer, provider, service):
    still = make.service(provider, external_id="2")
    count_figures()
    before = ServiceFigures.objects.get(service=still).counted_at
    ordered(customer, service)
    count_figures()
    assert of_service(service)[0] == 1
    assert ServiceFigures.objects.get(service=still).counted_at == before


def test_counting_when_data_grows_then_statement_count_unchanged(customer, provider, service):
    counts = []
    for number in range(3):
        make.service(provider, external_id=f"more-{number}")
        for one in Service.objects.all():
            ordered(customer, one)
        with statements() as found:
            count_figures()
        counts.append(len(found))
    # Earlier rounds insert and update nothing; the later ones do both.
    assert counts[1] == counts[2] <= 13


@pytest.mark.django_db(transaction=True)
def test_counting_when_rounds_overlap_then_the_figures_are_right(customer, service):
    ordered(customer, service)
    assert at_once(4, lambda number: count_figures()) == [None] * 4
    assert of_service(service)[0] == 1
    ordered(customer, service)
    assert at_once(4, lambda number: count_figures()) == [None] * 4
    assert of_service(service)[0] == 2


@pytest.mark.django_db(transaction=True)
def test_counting_when_another_round_inserts_rows_then_unchanged(service, monkeypatch):
    insert = statistics.insert_rows

    def late(**values: Any) -> None:
        rows = list(values["rows"])
        insert(**{**values, "rows": rows})
        insert(**{**values, "rows": rows})  # committed by the other round in between

    with monkeypatch.context() as patch:
        patch.setattr(statistics, "insert_rows", late)
        count_figures()
    assert ServiceFigures.objects.count() == 0
    count_figures()
    assert of_service(service) == (0, 0, 0, 0, None)


def test_task_and_command_when_run_then_count_and_record_heartbeat(customer, service, capsys):
    ordered(customer, service)
    call_command("count_figures")
    assert "counted" in capsys.readouterr().out
    assert of_service(service)[0] == 1
    ordered(customer, service)
    count_figures_task()
    assert of_service(service)[0] == 2
    assert Heartbeat.objects.filter(task="count_figures").exists()


@pytest.mark.parametrize(
    ("balance", "spent", "days"),
    [
        (70_000_000, 7_000_000, 70),
        (6_900_000, 7_000_000, 6),
        (999_999, 7_000_000, 0),
        (0, 7_000_000, 0),
        (-5_000_000, 7_000_000, 0),
        (70_000_000, 0, None),
        (None, 7_000_000, None),
    ],
)
def test_runway_when_a_week_was_spent_then_days_the_balance_lasts(balance, spent, days):
    provider = Provider(pk=1, balance=balance, created_at=timezone.now() - timedelta(days=30))
    provider.figures = ProviderFigures(provider=provider, spent=spent)
    with statements() as found:
        assert runway_days(provider) == days
    assert found == []


def test_runway_when_nothing_was_counted_then_unknown(provider):
    assert runway_days(provider) is None


@pytest.fixture
def two(customer, provider, service, monkeypatch) -> tuple[Order, Order]:
    """Return an open order of each of two services, all counted, at noon of a day on which nothing was ordered.

    The last noon: default values of columns come from the real clock, which must not be behind.
    """
    noon = (timezone.localtime() - timedelta(hours=12)).replace(hour=12, minute=0)
    monkeypatch.setattr(timezone, "now", lambda: noon)
    other = make.service(provider, external_id="2")
    orders = ordered(customer, service), ordered(customer, other)
    OrderEvent.objects.update(created_at=noon - timedelta(days=1))
    count_figures()
    return orders


def complete(order: Order, *, tell: bool = True) -> None:
    Order.objects.filter(pk=order.pk).update(status=Status.COMPLETED, finished_at=timezone.now())
    if tell:
        write_event(order_id=order.pk, kind=EventKind.STATUS, old=Status.PENDING, new=Status.COMPLETED)


def completed_of(*orders: Order) -> list[int]:
    return [of_service(order.service)[2] for order in orders]


def a_minute_ago() -> datetime:
    return timezone.now() - timedelta(minutes=1)


def test_changed_figures_when_order_ended_then_its_service_counted(two):
    complete(two[0])
    complete(two[1], tell=False)
    with statements() as found:
        count_changed_figures(counted_at=a_minute_ago())
    assert completed_of(*two) == [1, 0]
    assert not any(f"IN ({two[0].service_id}, {two[1].service_id})" in one for one in found)
    count_figures()
    assert completed_of(*two) == [1, 1]


def test_changed_figures_when_an_order_is_new_then_counted(two, customer):
    make.order(customer, two[0].service)
    OrderEvent.objects.update(created_at=timezone.now() - timedelta(days=1))
    count_changed_figures(counted_at=a_minute_ago())
    assert [of_service(order.service)[0] for order in two] == [2, 1]


def test_changed_figures_when_order_leaves_window_then_not_counted(two):
    left = timezone.now() - timedelta(days=30, seconds=1)
    Order.objects.filter(pk=two[0].pk).update(created_at=left)
    count_changed_figures(counted_at=a_minute_ago())
    assert [of_service(order.service)[0] for order in two] == [0, 1]


def test_changed_figures_when_a_service_is_new_then_it_has_figures(two, provider):
    new = make.service(provider, external_id="3")
    count_changed_figures(counted_at=a_minute_ago())
    assert of_service(new) == (0, 0, 0, 0, None)


@pytest.mark.parametrize(
    "counted_at",
    [None, timedelta(hours=-13), timedelta(hours=1)],
    ids=["never counted", "counted yesterday", "counted in the future"],
)
def test_changed_figures_when_last_round_unusable_then_all_counted(two, counted_at):
    complete(two[1], tell=False)
    count_changed_figures(counted_at=None if counted_at is None else timezone.now() + counted_at)
    assert completed_of(*two) == [0, 1]


@pytest.mark.parametrize(("limit", "most"), [("MAX_EVENTS", 1), ("MAX_SERVICES", 0)])
def test_changed_figures_when_too_much_changed_then_all_are_counted(two, monkeypatch, limit, most):
    monkeypatch.setattr(statistics, limit, most)
    for _ in range(3):
        complete(two[0])
    complete(two[1], tell=False)
    count_changed_figures(counted_at=a_minute_ago())
    assert completed_of(*two) == [1, 1]


def test_changed_figures_when_last_round_slow_then_nothing_missed(two):
    complete(two[0])
    OrderEvent.objects.filter(order=two[0]).update(created_at=timezone.now() - timedelta(minutes=10))
    count_changed_figures(counted_at=a_minute_ago())
    assert completed_of(*two) == [1, 0]


def test_figures_task_when_run_spans_midnight_then_next_counts_all(two, monkeypatch):
    """It ended on the new day, so no round of that day counted a charge that was corrected late."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    moments = iter([midnight - timedelta(seconds=2), midnight - timedelta(seconds=2)])
    monkeypatch.setattr(timezone, "now", lambda: next(moments, midnight + timedelta(seconds=1)))
    count_figures_task()
    complete(two[1], tell=False)
    monkeypatch.setattr(timezone, "now", lambda: midnight + timedelta(minutes=5))
    count_figures_task()
    assert completed_of(*two) == [0, 1]


def test_changed_figures_when_task_runs_again_then_changes_counted(two):
    count_figures_task()
    complete(two[0])
    complete(two[1], tell=False)
    count_figures_task()
    assert completed_of(*two) == [1, 0]
