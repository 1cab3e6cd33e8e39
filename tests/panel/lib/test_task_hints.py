"""Hints to the task worker: they never fail, delay or outnumber the requests that send them."""

from __future__ import annotations

import threading

import pytest

from orders.models import Order
from panel.lib import task_hints
from tests import make

pytestmark = pytest.mark.django_db


SUBMIT = "orders.tasks.submit_orders"


@pytest.fixture
def sent(settings, monkeypatch):
    """Collect what is sent to a broker that hangs until `sent.goes_on` is set. No thread outlives the test."""
    settings.EMBEDDED_BROKER = False
    monkeypatch.setattr(task_hints, "PAUSE", 0)
    found = Sent()
    monkeypatch.setattr(task_hints, "_send", found.hang)
    yield found
    found.goes_on.set()
    found.wait_for_the_end()


class Sent:
    def __init__(self):
        self.tasks, self.hangs, self.goes_on = [], threading.Event(), threading.Event()

    def hang(self, task):
        self.tasks.append(task)
        self.hangs.set()
        assert self.goes_on.wait(timeout=120)

    def wait_for_the_end(self):
        if sender := task_hints._sender:
            sender.join(timeout=120)
        assert task_hints._sender is None


def test_order_when_the_broker_hangs_then_the_customer_does_not_wait(
    sent, provider, customer, django_capture_on_commit_callbacks
):
    """A broker that accepted and never answered delayed every order's page by five seconds."""
    service = make.service(provider)
    with django_capture_on_commit_callbacks(execute=True):
        make.order(customer, service)
    assert sent.hangs.wait(timeout=120)
    # The page returns while the broker still hangs, and so does the next one; threads do not pile up.
    threads = threading.active_count()
    with django_capture_on_commit_callbacks(execute=True):
        make.order(customer, service)
    assert Order.objects.count() == 2
    assert (sent.tasks, threading.active_count()) == ([SUBMIT], threads)


def test_hints_when_many_come_during_a_sending_then_one_more_is_sent(sent):
    """Dropping hints left an order waiting for the next tick; sending each would be hundreds a second."""
    task_hints._send_from_thread(SUBMIT)
    assert sent.hangs.wait(timeout=120)
    for _ in range(50):
        task_hints._send_from_thread(SUBMIT)
        task_hints._send_from_thread("orders.tasks.send_requests")
    sent.goes_on.set()
    sent.wait_for_the_end()
    assert sent.tasks == [SUBMIT, "orders.tasks.send_requests", SUBMIT]


def test_hint_when_the_one_before_is_done_then_it_is_sent(sent):
    sent.goes_on.set()
    for times in (1, 2):
        task_hints._send_from_thread(SUBMIT)
        sent.wait_for_the_end()
        assert sent.tasks == [SUBMIT] * times


def test_hint_when_fork_lost_sender_thread_then_new_one_sends(sent, monkeypatch):
    """The web server forks; a worker inherits only the names of its parent's threads."""
    gone = threading.Thread(target=lambda: None)
    gone.start()
    gone.join()
    monkeypatch.setattr(task_hints, "_sender", gone)
    sent.goes_on.set()
    task_hints._send_from_thread(SUBMIT)
    assert sent.hangs.wait(timeout=120)


def test_hint_when_the_broker_is_down_then_nothing_is_raised(monkeypatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise ConnectionError("refused")

    monkeypatch.setattr(task_hints.current_app, "send_task", refuse)
    task_hints._send("orders.tasks.submit_orders")
