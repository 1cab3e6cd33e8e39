"""The round of requests: what waits while a restored database waits for staff."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Provider
from catalog.pace import take_permit
from orders.common.stops import open_stops, resume_sending, stop_sending
from orders.models import CancelRequest, Refill
from orders.requests.cancel import request_cancel
from orders.requests.refill import request_refill
from orders.requests.send import providers_with_due_requests, send_due_requests, send_to_provider
from orders.states import RESTORE_STOPS, Status, StopReason
from panel.alerts.models import Alert
from tests.scenes import create_accepted, set_and_poll

pytestmark = pytest.mark.django_db


@pytest.fixture
def requests(customer: Any, service: Any, upstream: Any) -> None:
    """A cancel request and a refill, both to be sent."""
    first, second = create_accepted(customer, service, 2)
    done = set_and_poll(upstream, second, status="Completed", remains=0)
    assert done.status == Status.COMPLETED
    request_cancel(order=first, actor=customer)
    request_refill(order=done, actor=customer)


def asked(upstream: Any) -> tuple[int, int]:
    return len(upstream.requests_of("cancel")), len(upstream.requests_of("refill"))


@pytest.mark.parametrize("reason", RESTORE_STOPS)
def test_requests_when_a_restore_is_open_then_wait_until_resumed(requests, upstream, provider, staff, reason):
    stop_sending(reason=reason, text="A backup was restored.")
    assert providers_with_due_requests() == []
    assert send_due_requests() == 0
    assert send_to_provider(provider=provider) == 0  # A message that was sent before the stop.
    assert asked(upstream) == (0, 0)
    assert set(CancelRequest.objects.values_list("state", "attempts")) == {("waiting", 0)}
    assert set(Refill.objects.values_list("state", "attempts")) == {("waiting", 0)}
    resume_sending(stop=open_stops().get(), actor=staff)
    assert send_due_requests() == 2
    assert asked(upstream) == (1, 1)


@pytest.mark.parametrize("whole_panel", [True, False])
def test_requests_when_staff_stopped_sending_then_sent_all_the_same(requests, upstream, provider, staff, whole_panel):
    provider_id = None if whole_panel else provider.pk
    stop_sending(reason=StopReason.STAFF, text="Something is odd.", provider_id=provider_id, actor=staff)
    assert send_due_requests() == 2
    assert asked(upstream) == (1, 1)


def test_requests_when_our_own_limit_is_used_up_then_put_back(requests, upstream, provider):
    """They were never sent: no attempt is counted, nobody is told that the provider did not answer."""
    Provider.objects.update(dialect={"requests_a_minute": 1})
    provider.refresh_from_db()
    assert take_permit(provider_id=provider.pk, limit=1, for_order=True) == 0
    for _ in range(10):
        CancelRequest.objects.update(next_action_at=timezone.now())
        Refill.objects.update(next_action_at=timezone.now())
        send_to_provider(provider=provider)
    assert asked(upstream) == (0, 0)
    assert set(CancelRequest.objects.values_list("state", "attempts")) == {("waiting", 0)}
    assert set(Refill.objects.values_list("state", "attempts")) == {("waiting", 0)}
    assert not Alert.objects.exists()
