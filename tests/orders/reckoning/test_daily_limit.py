"""The daily spending limit of a provider."""

from __future__ import annotations

from copy import copy
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Provider
from orders.common.stops import open_stops
from orders.dispatch import submit
from orders.dispatch.submit import claim_next, submit_due_orders, submit_for_provider
from orders.models import DailySpending
from orders.reckoning.daily_limit import resume_raised_limits, sent_on, take_from_limit
from orders.states import StopReason, Submission
from panel.alerts.models import Alert
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import at_once, create_in_doubt, end_lease, fresh, make_all_due, statements, submit_now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

# A hundred of the service, at $2 for 1,000.
COST = 200_000


def set_limit(amount: str | None) -> None:
    Provider.objects.update(daily_limit=None if amount is None else make.micros(amount))


def sent() -> int:
    return DailySpending.objects.get().sent


def test_limit_when_the_next_order_would_pass_it_then_it_waits(
    customer: Any, service: Any, provider: Any, upstream: SandboxServer
) -> None:
    set_limit("0.5")
    made = [make.order(customer, service) for _ in range(3)]
    submit_now()
    assert [fresh(one).submission for one in made] == [Submission.ACCEPTED, Submission.ACCEPTED, Submission.QUEUED]
    assert (len(upstream.orders()), sent()) == (2, 2 * COST)
    stop = open_stops().get()
    assert (stop.provider, stop.reason) == (provider, StopReason.SPENDING)
    assert stop.until is not None
    tomorrow = timezone.localdate() + timedelta(days=1)
    assert timezone.localtime(stop.until).replace(tzinfo=None).isoformat() == f"{tomorrow}T00:00:00"
    assert "limit is $0.50. Orders for $0.40 were sent today, and the next one costs $0.20" in stop.text
    assert submit_due_orders() == 0


def test_limit_when_it_is_just_reached_then_the_order_goes(customer: Any, service: Any) -> None:
    set_limit("0.2")
    order = make.order(customer, service)
    submit_now()
    assert fresh(order).submission == Submission.ACCEPTED


@pytest.mark.parametrize("raised", ["0.6", None])
def test_limit_when_raised_or_removed_then_sending_resumes(customer: Any, service: Any, raised: str | None) -> None:
    set_limit("0.5")
    orders = [make.order(customer, service) for _ in range(3)]
    submit_now()
    assert resume_raised_limits() == 0
    set_limit("0.3")
    assert resume_raised_limits() == 0
    set_limit(raised)
    assert resume_raised_limits() == 1
    assert submit_now() == 1
    assert {fresh(one).submission for one in orders} == {Submission.ACCEPTED}


def test_limit_when_the_next_day_begins_then_sending_goes_on(
    customer: Any, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_limit("0.2")
    orders = [make.order(customer, service) for _ in range(2)]
    submit_now()
    midnight = open_stops().get().until
    assert midnight is not None
    now = midnight + timedelta(seconds=1)
    monkeypatch.setattr(timezone, "now", lambda: now)
    assert resume_raised_limits() == 1
    assert not Alert.objects.filter(resolved_at=None).exists()
    assert submit_now() == 1
    assert {fresh(one).submission for one in orders} == {Submission.ACCEPTED}


def test_limit_when_set_after_orders_then_today_counts(customer: Any, service: Any, provider: Any) -> None:
    for _ in range(2):
        make.order(customer, service)
    submit_now()
    assert not DailySpending.objects.exists()
    set_limit("0.5")
    make.order(customer, service)
    assert submit_now() == 0
    assert sent() == 2 * COST == sent_on(provider=provider, day=timezone.localdate())


def test_limit_when_removed_for_a_while_then_counted_anew(customer: Any, service: Any) -> None:
    set_limit("5")
    make.order(customer, service)
    submit_now()
    set_limit(None)
    resume_raised_limits()
    make.order(customer, service)
    submit_now()
    set_limit("0.5")
    make.order(customer, service)
    assert submit_now() == 0
    assert sent() == 2 * COST


@pytest.mark.parametrize(
    "fault",
    [
        faults.Fault(action="add", processed=False, body=b'{"error": "Incorrect service ID"}'),
        faults.Fault(action="add", processed=False, body=b'{"error": "Not enough funds on balance"}'),
    ],
)
def test_limit_when_an_order_is_refused_then_given_back(
    customer: Any, service: Any, upstream: SandboxServer, fault: faults.Fault
) -> None:
    set_limit("5")
    make.order(customer, service)
    upstream.inject(fault)
    submit_now()
    assert sent() == 0


def test_limit_when_an_order_is_in_doubt_then_it_stays_counted(
    customer: Any, service: Any, upstream: SandboxServer
) -> None:
    set_limit("5")
    create_in_doubt(upstream, customer, service)
    assert sent() == COST


def test_limit_when_the_worker_dies_then_it_stays_counted(customer: Any, service: Any, provider: Any) -> None:
    set_limit("5")
    order = make.order(customer, service)
    make_all_due()
    assert claim_next(provider_id=provider.pk) is not None
    end_lease(order)
    submit_due_orders()
    assert fresh(order).submission == Submission.IN_DOUBT
    assert sent() == COST


def test_limit_when_none_is_set_then_no_statement_more(customer: Any, service: Any, provider: Any) -> None:
    def cost_of(count: int) -> int:
        for _ in range(count):
            make.order(customer, service)
        make_all_due()
        with statements() as found:
            assert submit_for_provider(provider=provider, seconds=60) == count
        return len(found)

    cost_of(1)
    without = cost_of(1)
    set_limit("9")
    cost_of(1)
    assert cost_of(1) == without + 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("service")
def test_limit_when_two_take_the_last_of_it_then_one_gets_it(provider: Any) -> None:
    set_limit("0.2")
    provider.refresh_from_db()
    DailySpending.objects.create(provider=provider, day=timezone.localdate())
    assert sorted(at_once(4, lambda _: take_from_limit(provider=provider, cost=COST))) == [False, False, False, True]
    assert sent() == COST
    assert open_stops().count() == 1


def test_refusal_when_recorded_twice_then_given_back_once(
    customer: Any, service: Any, provider: Any, upstream: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit whose answer was lost is recorded again."""
    set_limit("5")
    make.order(customer, service)
    submit_now()
    record = submit.record_outcome

    def twice(**values: Any) -> bool:
        record(**{**values, "order": copy(values["order"])})
        return record(**values)

    monkeypatch.setattr(submit, "record_outcome", twice)
    upstream.inject(faults.reply(body=b'{"error": "Bad link"}', action="add"))
    make.order(customer, service, link="https://example.com/2")
    submit_now()
    assert sent() == COST


def test_order_when_it_alone_passes_the_limit_then_only_it_waits(
    customer: Any, service: Any, provider: Any, upstream: SandboxServer
) -> None:
    set_limit("0.5")
    large = make.order(customer, service, quantity=1_000)
    small = make.order(customer, service, link="https://example.com/2")
    submit_now()
    assert fresh(small).submission == Submission.ACCEPTED
    assert (fresh(large).submission, fresh(large).review_reason) == (Submission.QUEUED, "over_limit")
    assert not open_stops().exists()
