"""Hints to the task worker: they never fail, delay or outnumber the requests that send them."""

from __future__ import annotations

import threading

import pytest

from orders.models import Order
from panel import hints
from tests import make

pytestmark = pytest.mark.django_db


def test_order_when_the_broker_hangs_then_the_customer_does_not_wait(
    settings, monkeypatch, provider, customer, django_capture_on_commit_callbacks
):
    """A broker that accepted and never answered held every order's page for five seconds."""
    settings.EMBEDDED_BROKER = False
    hanging, answered, sent = threading.Event(), threading.Event(), []

    def hang(task: str) -> None:
        sent.append(task)
        hanging.set()
        answered.wait(timeout=30)

    monkeypatch.setattr(hints, "_send", hang)
    service = make.service(provider)
    with django_capture_on_commit_callbacks(execute=True):
        make.order(customer, service)
    assert hanging.wait(timeout=30)
    # The page is back while the broker still hangs; the next order sends no second hint after it.
    assert not answered.is_set()
    with django_capture_on_commit_callbacks(execute=True):
        make.order(customer, service)
    assert Order.objects.count() == 2
    assert sent == ["orders.tasks.submit_orders"]
    answered.set()
    assert hints._sending.acquire(timeout=30)  # It is free again for the hints to come.
    hints._sending.release()


def test_hint_when_the_broker_is_down_then_nothing_is_raised(monkeypatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise ConnectionError("refused")

    monkeypatch.setattr(hints.current_app, "send_task", refuse)
    hints._send("orders.tasks.submit_orders")
