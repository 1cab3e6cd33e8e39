"""Stops of sending: what is claimed while one is open, and how it ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Provider
from orders.common.stops import open_stops, resume_sending, stop_sending
from orders.dispatch.submit import claim_repetition, submit_due_orders, submit_for_provider
from orders.models import SendingStop
from orders.states import StopReason, Submission
from panel.alerts.models import Alert
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import create_in_doubt, fresh

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(customer: Any, service: Any) -> Any:
    return make.order(customer, service)


def stopped(provider: Any | None, **kwargs: Any) -> SendingStop:
    provider_id = provider.pk if provider else None
    assert stop_sending(reason=StopReason.BALANCE, text="It is $5 too low.", provider_id=provider_id, **kwargs)
    return SendingStop.objects.get(ended_at=None)


@pytest.mark.parametrize("whole_panel", [True, False])
def test_sending_when_stopped_then_nothing_is_sent_until_resumed(
    order: Any, provider: Any, upstream: SandboxServer, staff: Any, whole_panel: bool
) -> None:
    stop = stopped(None if whole_panel else provider)
    assert submit_due_orders() == 0
    assert submit_for_provider(provider=provider) == 0
    assert fresh(order).submission == Submission.QUEUED
    assert upstream.orders() == []
    assert resume_sending(stop=stop, actor=staff)
    assert submit_due_orders() == 1
    assert fresh(order).submission == Submission.ACCEPTED


def test_sending_when_another_provider_is_stopped_then_goes_on(order: Any, upstream: SandboxServer) -> None:
    stopped(make.provider(url=upstream.url, api_key="other", name="Other"))
    assert submit_due_orders() == 1


def test_stop_when_its_time_is_over_then_sending_goes_on(order: Any, provider: Any) -> None:
    stopped(provider, until=timezone.now() - timedelta(seconds=1))
    assert submit_due_orders() == 1
    assert not open_stops().exists()


def test_stop_when_one_ended_by_itself_then_another_opens(provider: Any) -> None:
    past = timezone.now() - timedelta(seconds=1)
    stopped(provider, until=past)
    assert stop_sending(reason=StopReason.BALANCE, text="Again.", provider_id=provider.pk)
    assert [stop.text for stop in open_stops()] == ["Again."]


@pytest.mark.parametrize("whole_panel", [True, False])
def test_stop_when_open_for_the_same_reason_then_not_doubled(provider: Any, whole_panel: bool) -> None:
    stopped(None if whole_panel else provider)
    provider_id = None if whole_panel else provider.pk
    assert not stop_sending(reason=StopReason.BALANCE, text="Again.", provider_id=provider_id)
    assert open_stops().count() == 1


def test_alert_when_one_of_two_stops_ends_then_stays_open(provider: Any, staff: Any) -> None:
    first = stopped(provider)
    stop_sending(reason=StopReason.CURRENCY, text="It bills in EUR.", provider_id=provider.pk)
    assert resume_sending(stop=first, actor=staff)
    assert not resume_sending(stop=first, actor=staff)
    alerts = Alert.objects.filter(cause=f"provider:{provider.pk}:sending")
    assert alerts.get().resolved_at is None
    assert resume_sending(stop=open_stops().get(), actor=staff)
    assert alerts.get().resolved_at is not None


def test_stop_when_staff_did_it_then_no_alert(provider: Any, staff: Any) -> None:
    stopped(provider, actor=staff)
    assert not Alert.objects.exists()


def test_repetition_when_stopped_then_not_claimed(
    upstream: SandboxServer, customer: Any, service: Any, provider: Any, staff: Any
) -> None:
    Provider.objects.update(request_id_parameter="request_id")
    order = create_in_doubt(upstream, customer, service)
    stop = stopped(provider)
    assert claim_repetition(order=order) is None
    resume_sending(stop=stop, actor=staff)
    assert claim_repetition(order=order) is not None
