"""The balance as a witness before the first order after a start: a machine that was rolled back as a whole."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Provider
from catalog.provider_accounts import check_balance
from orders.common.stops import open_stops, resume_sending
from orders.dispatch import submit
from orders.dispatch.submit import submit_due_orders
from orders.dispatch.timeouts import end_held_orders
from orders.marks import storage
from orders.models import Order, SendingStop
from orders.reckoning import witness
from orders.reckoning.reckon import reckon_provider
from orders.recovery.after_restore import begin_after_restore
from orders.requests.cancel import TooLate, withdraw_order
from orders.states import StopReason, Submission
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.orders.conftest import rolled_back
from tests.scenes import count_adds, create_accepted, fresh, nothing_changes, poll_now, submit_now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture(autouse=True)
def just_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process be one that has asked no provider yet."""
    monkeypatch.setattr(submit, "is_explained", witness.is_explained)
    monkeypatch.setattr(witness, "_asked_at", {})


def reckoned(provider: Provider) -> None:
    """Read the balance, and make it the base."""
    check_balance(provider=provider)
    provider.refresh_from_db()
    assert reckon_provider(provider=provider) is not None


def restart() -> None:
    witness._asked_at.clear()


def test_host_when_rolled_back_as_a_whole_then_provider_stopped(
    upstream: SandboxServer, customer: Any, service: Any, provider: Any
) -> None:
    upstream.set_balance(100)
    reckoned(provider)
    orders = [make.order(customer, service, quantity=1_000 + number) for number in range(3)]
    with rolled_back():
        submit_now()
    storage._path().unlink()
    storage._with_cache(lambda: storage.cache.clear())
    restart()
    adds = count_adds(upstream)
    assert submit_due_orders() == 0
    assert count_adds(upstream) == adds
    stop = open_stops().get()
    assert (stop.provider, stop.reason) == (provider, StopReason.BALANCE)
    assert "the least that our orders explain" in stop.text
    assert Alert.objects.get(cause=f"provider:{provider.pk}:sending").level == "danger"
    assert {fresh(order).submission for order in orders} == {Submission.QUEUED}


def test_restart_when_orders_before_the_base_cost_less_then_sends(
    upstream: SandboxServer, customer: Any, service: Any, provider: Any
) -> None:
    """The first balance has what they really cost; that it was less is only learned from the answers after it."""
    upstream.set_service(1, rate="1")
    create_accepted(customer, service, 3, quantity=1_000)
    reckoned(provider)
    poll_now()
    restart()
    make.order(customer, service)
    assert submit_now() == 1
    assert not open_stops().exists()


def test_restart_when_all_spending_is_ours_then_sends(
    upstream: SandboxServer, customer: Any, service: Any, provider: Any
) -> None:
    reckoned(provider)
    for number in range(3):
        make.order(customer, service, quantity=1_000 + number)
    submit_now()
    restart()
    order = make.order(customer, service, quantity=500)
    assert submit_due_orders() == 1
    assert fresh(order).submission == Submission.ACCEPTED


def test_balance_when_asked_once_then_not_before_each_order(
    upstream: SandboxServer, customer: Any, service: Any, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reckoned(provider)
    asked = len(upstream.requests_of("balance"))
    for number in range(3):
        make.order(customer, service, quantity=1_000 + number)
        submit_due_orders()
    assert len(upstream.requests_of("balance")) == asked + 1
    later = timezone.now() + witness.ASK_AGAIN
    monkeypatch.setattr(timezone, "now", lambda: later)
    witness.is_explained(provider=provider)
    assert len(upstream.requests_of("balance")) == asked + 2


def test_provider_when_resumed_by_a_person_then_not_stopped_again(
    upstream: SandboxServer, customer: Any, service: Any, provider: Any, staff: Any
) -> None:
    upstream.set_balance(100)
    reckoned(provider)
    upstream.set_balance(50)
    make.order(customer, service)
    assert submit_due_orders() == 0
    resume_sending(stop=open_stops().get(), actor=staff)
    assert submit_due_orders() == 1
    restart()
    make.order(customer, service, quantity=200)
    assert submit_due_orders() == 1


def test_provider_when_it_does_not_answer_then_no_order_is_sent(
    upstream: SandboxServer, customer: Any, service: Any, provider: Any
) -> None:
    reckoned(provider)
    make.order(customer, service)
    for _ in range(3):  # The client asks again.
        upstream.inject(faults.drop_before("balance"))
    assert submit_due_orders() == 0
    assert not SendingStop.objects.exists()
    waiting = Alert.objects.get(cause=Cause.UNREACHABLE.of(provider.pk))
    assert "so its orders wait" in waiting.text
    upstream.clear_faults()
    assert submit_due_orders() == 1
    waiting.refresh_from_db()
    assert waiting.resolved_at


def test_provider_when_it_has_no_balance_action_then_sends(
    upstream: SandboxServer, customer: Any, service: Any, provider: Any
) -> None:
    reckoned(provider)
    make.order(customer, service)
    upstream.inject(faults.reply(body=b'{"error": "Incorrect request"}', action="balance"))
    assert submit_due_orders() == 1


def test_provider_when_never_reckoned_then_sends_without_asking(
    upstream: SandboxServer, customer: Any, service: Any, provider: Any
) -> None:
    make.order(customer, service)
    assert submit_due_orders() == 1
    assert upstream.requests_of("balance") == []


def test_clock_when_set_back_then_asked_again(
    upstream: SandboxServer, customer: Any, service: Any, provider: Any
) -> None:
    reckoned(provider)
    witness._asked_at[provider.pk] = timezone.now() + timedelta(hours=1)
    asked = len(upstream.requests_of("balance"))
    assert witness.is_explained(provider=provider)
    assert len(upstream.requests_of("balance")) == asked + 1
    assert Order.objects.count() == 0


def test_queue_when_the_balance_lacks_money_then_kept_until_walked_through(
    upstream: SandboxServer, customer: Any, service: Any, provider: Any, staff: Any
) -> None:
    upstream.set_balance(100)
    reckoned(provider)
    order = make.order(customer, service)
    upstream.set_balance(50)
    assert submit_due_orders() == 0
    Order.objects.update(queued_at=timezone.now() - timedelta(days=9))
    with nothing_changes(), pytest.raises(TooLate):
        withdraw_order(order=fresh(order), actor=customer)
    assert end_held_orders() == 0
    done = begin_after_restore(actor=staff)
    assert done.doubts == 1
    assert fresh(order).submission == Submission.IN_DOUBT
    assert [stop.reason for stop in open_stops()] == [StopReason.RESTORED]
