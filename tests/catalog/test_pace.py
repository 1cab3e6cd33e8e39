"""A provider's limit of requests: shared by all processes, never passed, and nothing is lost to it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from catalog import pace
from catalog.models import Provider, ProviderPace
from catalog.pace import is_permit_free, permits_of, take_permit
from catalog.provider_accounts import client_for, has_permit
from orders.dispatch.submit import submit_for_provider
from orders.models import PlacementAttempt
from orders.states import AttemptOutcome, Submission
from panel.alerts.models import Alert
from panel.lib import clock
from tests import make
from tests.scenes import fresh
from tests.threads import in_threads

pytestmark = pytest.mark.django_db


class Clock:
    """A clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = timezone.now()
        monkeypatch.setattr(clock, "now", lambda: self.now)

    def move(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture
def moment(monkeypatch) -> Clock:
    return Clock(monkeypatch)


@pytest.mark.once
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 8, 60, 200])
def test_turns_when_taken_for_an_hour_then_no_minute_has_more(provider, moment, limit):
    """Whoever asks waits exactly as long as it is told, so that permits are taken as early as they can be."""
    taken: list[float] = []
    start = moment.now
    while len(taken) < 3 * limit + 3:
        wait = take_permit(provider_id=provider.pk, limit=limit, for_order=True)
        if wait:
            moment.move(wait)
        else:
            taken.append((moment.now - start).total_seconds())
    for place in range(len(taken) - limit):
        assert taken[place + limit] - taken[place] >= 59.999, (place, taken)
    # Not much slower than the limit either: a quarter of it at once, the rest within the minute.
    assert taken[2 * limit] <= 60 * 2 * limit / max(1, limit - limit // 4)


@pytest.mark.once
def test_turn_when_the_last_of_several_then_kept_for_an_order(provider, moment):
    reads = [take_permit(provider_id=provider.pk, limit=12, for_order=False) for _ in range(3)]
    assert reads[:2] == [0, 0]
    assert reads[2] > 0
    assert is_permit_free(provider_id=provider.pk, limit=12)
    assert take_permit(provider_id=provider.pk, limit=12, for_order=True) == 0
    assert not is_permit_free(provider_id=provider.pk, limit=12)


@pytest.mark.parametrize("limit", [1, *(pytest.param(limit, marks=pytest.mark.once) for limit in (2, 4)), 7])
def test_turn_when_only_one_at_once_then_readers_leave_some_free(provider, moment, limit):
    """A reader that asks each second for a while, as polling does, leaves every other permit to an order."""
    free = reads = 0
    for _ in range(600):
        reads += not take_permit(provider_id=provider.pk, limit=limit, for_order=False)
        free += is_permit_free(provider_id=provider.pk, limit=limit)
        moment.move(1)
    assert reads >= 600 * limit // 150
    assert free >= 200


@pytest.mark.once
def test_turn_when_clock_was_set_back_then_not_blocked(provider, moment):
    take_permit(provider_id=provider.pk, limit=1, for_order=True)
    moment.move(-86_400)
    assert is_permit_free(provider_id=provider.pk, limit=1)
    assert take_permit(provider_id=provider.pk, limit=1, for_order=True) == 0
    assert take_permit(provider_id=provider.pk, limit=1, for_order=True) > 50


@pytest.mark.once
def test_turn_when_database_fails_then_request_is_sent(provider, monkeypatch):
    def fail(**values: object) -> float:
        raise OperationalError("away")

    monkeypatch.setattr(pace, "take_permit", fail)
    take = permits_of(provider_id=provider.pk, limit=1)
    assert take is not None
    assert take(True) == 0


@pytest.mark.django_db(transaction=True)
def test_turns_when_taken_by_many_at_once_then_never_too_many(provider, moment):
    def take() -> int:
        return sum(not take_permit(provider_id=provider.pk, limit=20, for_order=True) for _ in range(6))

    results = in_threads(*[take] * 6)
    assert sum(results) == 5  # A quarter at once.
    assert ProviderPace.objects.count() == 1


@pytest.mark.once
def test_turns_when_without_a_limit_then_nothing_is_counted(provider, upstream):
    client_for(provider).balance()
    assert has_permit(provider)
    assert not ProviderPace.objects.exists()


# -- orders --------------------------------------------------------------------------------------------


@pytest.fixture
def limited(provider, service) -> Provider:
    """A provider that takes four requests a minute, one of them at once."""
    Provider.objects.update(dialect={"requests_a_minute": 4})
    provider.refresh_from_db()
    return provider


def test_orders_when_limited_then_wait_and_each_is_sent_once(limited, service, customer, upstream, moment):
    made = [make.order(customer, service, link=f"https://example.com/{number}") for number in range(4)]
    moment.move(600)
    sent = []
    for _ in range(8):
        sent.append(submit_for_provider(provider=limited))
        moment.move(15)
    assert sent == [1, 1, 1, 1, 0, 0, 0, 0]
    assert {fresh(order).submission for order in made} == {Submission.ACCEPTED}
    assert len(upstream.orders()) == len(upstream.requests_of("add")) == 4
    assert PlacementAttempt.objects.count() == 4
    assert not Alert.objects.exists()


def test_order_when_its_turn_is_taken_meanwhile_then_queued(limited, service, customer, upstream, moment, monkeypatch):
    """Another process took the permit between the look and the sending: nothing failed, nothing is paused."""
    order = make.order(customer, service)
    moment.move(600)
    monkeypatch.setattr("orders.dispatch.submit.has_permit", lambda provider: True)
    assert take_permit(provider_id=limited.pk, limit=4, for_order=True) == 0
    assert submit_for_provider(provider=limited) == 1
    assert fresh(order).submission == Submission.QUEUED
    assert PlacementAttempt.objects.get().outcome == AttemptOutcome.NOT_SENT
    limited.refresh_from_db()
    assert (limited.pause_count, limited.failures_in_row, Alert.objects.count()) == (0, 0, 0)
    moment.move(15)
    assert submit_for_provider(provider=limited) == 1
    assert fresh(order).submission == Submission.ACCEPTED
    assert len(upstream.requests_of("add")) == 1
