"""Whose order is sent next: by turns of customers, within a customer the oldest first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st

import orders.checkout.create
from catalog.models import Provider
from orders.checkout.bulk_orders import create_bulk
from orders.checkout.bulk_quotes import quote_bulk
from orders.checkout.drip_feeds import begin_next_run
from orders.common.turns import MAX_LOOKED_AT, give_turns, next_turn, waiting_turn
from orders.dispatch import submit
from orders.dispatch.submit import claim_next, submit_due_orders
from orders.dispatch.timeouts import end_waits
from orders.marks.guard import may_send
from orders.models import DripFeed, Order
from orders.review.decisions import send_again
from orders.states import Submission
from panel.sandbox.http import faults
from tests import make
from tests.scenes import at_once, fresh, make_all_due, statements, submit_now

# -- the rule alone ------------------------------------------------------------------------------------


@dataclass
class Waiting:
    """An order of the model, with what was queued when it came, and what was sent since."""

    customer: str
    number: int
    turn: int = 0
    own_before: int = 0
    had_a_place: bool = False
    sent_since: Counter[str] = field(default_factory=Counter)


@dataclass
class Queue:
    """One provider's queue, with `next_turn` as its rule."""

    waiting: list[Waiting] = field(default_factory=list)
    aside: list[Waiting] = field(default_factory=list)
    orders: list[Waiting] = field(default_factory=list)
    sent: list[Waiting] = field(default_factory=list)

    def add(self, customer: str) -> None:
        one = Waiting(customer, len(self.orders) + 1)
        self._queue(one)
        self.orders.append(one)

    def _queue(self, one: Waiting) -> None:
        own = [other for other in self.waiting if other.customer == one.customer]
        had = [abs(other.turn) for other in self.orders if other.customer == one.customer][-MAX_LOOKED_AT:]
        one.turn = next_turn(
            current=min((other.turn for other in self.waiting), default=len(self.orders) + 1),
            queued=max((other.turn for other in own), default=None),
            taken=max(had, default=None),
        )
        one.own_before, one.sent_since = len(own), Counter()
        one.had_a_place = any(other.customer == one.customer for other in self.sent)
        self.waiting.append(one)

    def send(self) -> Waiting | None:
        if not self.waiting:
            return None
        one = min(self.waiting, key=lambda other: (other.turn, other.number))
        self.waiting.remove(one)
        self.check(one)
        for other in self.waiting:
            other.sent_since[one.customer] += 1
        self.sent.append(one)
        return one

    def refuse(self) -> None:
        """Send one whose link is busy."""
        if one := self.send():
            one.turn = waiting_turn(one.turn)
            self.aside.append(one)

    def end_wait(self) -> None:
        if self.aside:
            self._queue(self.aside.pop(0))

    def check(self, one: Waiting) -> None:
        """At most one order of each other customer goes before it, and before each own order that was there.

        One more if the customer may have had his place in the turn that was being sent.
        """
        allowed = one.own_before + (2 if one.had_a_place else 1)
        for customer, count in one.sent_since.items():
            assert customer == one.customer or count <= allowed, (one, customer)


CUSTOMERS = st.sampled_from(["a", "b", "c", "d"])
STEPS = st.one_of(
    st.tuples(st.just("add"), CUSTOMERS),
    st.tuples(st.just("add"), CUSTOMERS),
    st.tuples(st.sampled_from(["send", "send", "refuse", "end_wait"]), st.none()),
)


@given(st.lists(STEPS, max_size=80))
# Two customers who order one at a time, each before the other's is sent, keep a third waiting for ever.
@example(
    [("add", "a")] * 3
    + [("add", "b"), ("add", "c"), ("send", None)]
    + [("add", "b"), ("send", None), ("add", "c"), ("send", None)] * 6
)
# A mass order that is sent in part, and more orders of the same customer.
@example([("add", "a")] * 9 + [("send", None)] * 4 + [("add", "b")] * 3 + [("add", "a")] * 2 + [("send", None)] * 14)
def test_order_when_others_wait_then_one_of_each_goes_first(steps):
    queue = Queue()
    for step, customer in steps:
        getattr(queue, step)(*([customer] if customer else []))
    while queue.waiting or queue.aside:
        queue.send()
        queue.end_wait()
    assert {one.number for one in queue.sent} == {one.number for one in queue.orders}


@given(st.lists(st.one_of(st.tuples(st.just("add"), CUSTOMERS), st.tuples(st.just("send"), st.none())), max_size=80))
def test_orders_of_a_customer_when_sent_then_the_oldest_first(steps):
    queue = Queue()
    for step, customer in [*steps, *[("send", None)] * len(steps)]:
        getattr(queue, step)(*([customer] if customer else []))
    for customer in "abcd":
        numbers = [one.number for one in queue.sent if one.customer == customer]
        assert numbers == sorted(numbers)


def test_turn_when_the_queue_is_empty_then_the_current_one():
    assert next_turn(current=7, queued=None, taken=None) == 7
    assert next_turn(current=7, queued=None, taken=6) == 7
    assert next_turn(current=7, queued=None, taken=7) == 8
    assert next_turn(current=7, queued=None, taken=99) == 8  # He withdrew an order that was far behind.
    assert next_turn(current=7, queued=9, taken=12) == 10
    assert next_turn(current=7, queued=5, taken=5) == 7  # It is in review.


# -- the queue -----------------------------------------------------------------------------------------

queue_tests = pytest.mark.usefixtures("invariants_hold")


@pytest.fixture
def alice(db: Any) -> Any:
    return make.customer("alice@example.org", funds="1000")


@pytest.fixture
def bob(db: Any) -> Any:
    return make.customer("bob@example.org", funds="1000")


def mass_order(customer: Any, service: Any, count: int) -> list[Order]:
    """Create `count` orders at once, and return them."""
    before = Order.objects.count()
    text = "\n".join(f"{service.pk} | https://example.com/{customer.pk}/{line} | 100" for line in range(count))
    seal = quote_bulk(customer=customer, text=text).seal
    assert create_bulk(customer=customer, text=text, request_key=f"mass {before}", seal=seal).orders == count
    return list(Order.objects.order_by("pk")[before:])


def sent_quantities(upstream: Any) -> list[str]:
    return [request.params["quantity"] for request in upstream.requests_of("add")]


@queue_tests
def test_one_order_when_behind_a_mass_order_then_sent_second(upstream, service, alice, bob):
    """A single order waited for all lines of a mass order."""
    mass_order(alice, service, 5)
    make.order(bob, service, quantity=200)
    make.order(alice, service, quantity=300)
    make.order(bob, service, quantity=400)
    assert submit_due_orders() == 8
    assert sent_quantities(upstream) == ["100", "200", "100", "400", "100", "100", "100", "300"]


@queue_tests
def test_order_when_the_one_before_was_just_sent_then_next_turn(upstream, provider, service, alice, bob):
    """A customer who orders one at a time had a place in the same turn again and again."""
    mass_order(alice, service, 3)
    make.order(bob, service, quantity=200)
    carol = make.customer("carol@example.org", funds="1000")
    assert may_send()
    for _ in range(2):
        claim = claim_next(provider_id=provider.pk)
        assert claim
        submit.send_add(claim=claim)
    make.order(carol, service, quantity=300)  # In the second turn, which is being sent.
    make.order(bob, service, quantity=400)
    submit_due_orders()
    assert sent_quantities(upstream) == ["100", "200", "100", "300", "400", "100"]


@queue_tests
def test_order_when_requeued_after_an_outage_then_goes_first(upstream, provider, service, alice, bob):
    """After an outage the orders that had waited longest went last."""
    first = make.order(alice, service, quantity=100)
    upstream.inject(faults.reply(body=b'{"error": "Invalid API key"}', action="add"))
    submit_now()
    assert fresh(first).submission == Submission.QUEUED
    make.order(bob, service, quantity=200)
    make.order(alice, service, quantity=300)
    submit_now()
    assert sent_quantities(upstream) == ["100", "100", "200", "300"]


@queue_tests
def test_order_when_its_link_was_busy_then_after_the_others(upstream, service, alice, bob):
    """A thousand orders of one link, due again at once, would go before everybody else's."""
    mass_order(alice, service, 3)
    upstream.inject(faults.reply(body=b'{"error": "You have active order with this link"}', action="add"))
    assert claim_and_send(service) == "queued"
    busy = Order.objects.order_by("pk")[0]
    assert busy.turn < 0
    make_all_due()
    make.order(bob, service, quantity=200)
    assert end_waits() == 1
    assert fresh(busy).turn > Order.objects.exclude(pk=busy.pk).latest("turn").turn
    assert end_waits() == 0
    submit_due_orders()
    assert sent_quantities(upstream) == ["100", "100", "200", "100", "100"]
    assert Order.objects.order_by("accepted_at").last() == busy


def claim_and_send(service: Any) -> str:
    assert may_send()
    claim = claim_next(provider_id=service.upstream.provider_id)
    assert claim
    submit.send_add(claim=claim)
    return str(fresh(claim.order).submission)


@queue_tests
def test_order_when_staff_send_it_again_then_goes_first(upstream, service, alice, bob, staff):
    order = make.order(alice, service, quantity=100)
    upstream.inject(faults.reply(body=b'{"error": "The moon is in the wrong house"}', action="add"))
    submit_now()
    make.order(bob, service, quantity=200)
    assert fresh(order).turn == 0
    Order.objects.filter(pk=order.pk).update(turn=7)
    send_again(order=fresh(order), actor=staff)
    assert fresh(order).turn == 0
    assert submit_due_orders() == 2
    assert sent_quantities(upstream) == ["100", "100", "200"]


@queue_tests
def test_run_when_it_begins_then_queued_in_the_current_turn(upstream, service, alice, bob):
    drip = make.drip(bob, service, quantity=200, runs=2)
    submit_now()
    mass_order(alice, service, 2)
    DripFeed.objects.update(next_run_at=timezone.now() - timedelta(seconds=1))
    assert begin_next_run(pk=drip.pk)
    submit_due_orders()
    assert sent_quantities(upstream) == ["200", "100", "200", "100"]


@queue_tests
def test_orders_when_withdrawn_then_the_next_waits_one_turn(service, alice, bob):
    """It would have waited for as many turns as were withdrawn."""
    many = mass_order(alice, service, 30)
    make.order(bob, service)
    Order.objects.filter(customer=alice).update(submission="withdrawn", status="canceled", refunded=F("charge"))
    order = make.order(alice, service)
    assert order.turn == fresh(many[0]).turn
    Order.objects.filter(customer=alice, submission="withdrawn").update(
        submission="queued", status="pending", refunded=0
    )


@queue_tests
def test_turns_when_providers_differ_then_each_has_its_own(alice, bob):
    ours, theirs = make.provider(name="Ours"), make.provider(name="Theirs")
    here = make.service(ours)
    there = make.service(theirs, name="Likes")
    mass_order(alice, here, 3)
    first = make.order(alice, there)
    assert first.turn == Order.objects.filter(provider=theirs).get().turn
    again = make.order(bob, there)
    assert again.turn == first.turn
    assert list(Order.objects.filter(provider=ours).order_by("pk").values_list("turn", flat=True)) == [1, 2, 3]


@queue_tests
def test_order_when_of_the_release_before_then_goes_first(upstream, service, alice, bob):
    make.order(alice, service, quantity=100)
    old = make.order(bob, service, quantity=200)
    Order.objects.filter(pk=old.pk).update(turn=0)
    assert submit_due_orders() == 2
    assert sent_quantities(upstream) == ["200", "100"]


# -- what it costs -------------------------------------------------------------------------------------


@queue_tests
def test_turn_when_orders_are_created_then_one_query_for_all(service, alice):
    mass = mass_order(alice, service, 20)
    for orders_of_one in (mass[:1], mass):
        with statements() as found:
            give_turns(orders=orders_of_one)
        assert len(found) == 1


def plan_of(sql: str) -> str:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # The planner reads a table this small from its beginning, unless that is made costly.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
        word = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{word} {sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


@pytest.mark.django_db
def test_claim_when_planned_then_read_from_its_index_in_order(provider, service, alice):
    mass_order(alice, service, 3)
    with statements() as found:
        assert submit.next_due(Provider.objects.get(pk=provider.pk))
    plan = plan_of(found[-1])
    assert "order_next_turn" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


@pytest.mark.django_db
def test_turn_when_planned_then_read_from_indexes_alone(service, alice):
    mass_order(alice, service, 3)
    with statements() as found:
        give_turns(orders=[Order.objects.all()[0]])
    plan = plan_of(found[-1])
    assert "order_next_turn" in plan
    assert "order_turn_of_customer" in plan
    assert "SCAN orders_order\n" not in plan


# -- races ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_turns_when_ordered_at_once_then_each_is_another(provider, service, alice):
    """Otherwise a customer with many connections would have as many places in each turn."""
    at_once(8, lambda number: make.order(alice, service, link=f"https://example.com/{number}"))
    assert len(set(Order.objects.values_list("turn", flat=True))) == 8


@pytest.mark.postgresql  # SQLite has one writer.
@pytest.mark.django_db(transaction=True)
def test_turns_when_the_wallet_is_not_locked_then_one_is_given_twice(provider, service, alice, monkeypatch):
    """Shows that the test above can fail."""
    monkeypatch.setattr(orders.checkout.create, "_lock_and_find", lambda customer, request_key: None)
    at_once(8, lambda number: make.order(alice, service, link=f"https://example.com/{number}"))
    assert len(set(Order.objects.values_list("turn", flat=True))) < 8


# -- the migration -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_column_when_the_migration_was_interrupted_then_kept(service, alice):
    order = make.order(alice, service)
    import_module("orders.migrations.0026_turns").add_column(None, SimpleNamespace(connection=connection))
    assert fresh(order).turn == order.turn > 0
