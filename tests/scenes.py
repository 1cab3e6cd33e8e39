"""Helpers for tests of orders: rounds of tasks, threads that start together, and checks that nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import Entry, Wallet
from catalog.models import Provider
from catalog.upstream.client import UpstreamClient
from orders.dispatch.submit import submit_due_orders, submit_for_provider
from orders.dispatch.timeouts import meet_deadlines
from orders.models import Order, OrderEvent, OrderPoll
from orders.reconcile.worker import reconcile_due_orders
from orders.states import Submission
from orders.tracking.poll import poll_due_orders
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.threads import in_threads


class Killed(BaseException):
    """The process was killed here. It derives from BaseException, so that no handler catches it."""


def money_of(user: Any) -> tuple[int, list[tuple[str, int]]]:
    """Return the balance and the entries as (kind, amount), oldest first, in micro-units."""
    entries = Entry.objects.filter(wallet__customer=user).order_by("seq").values_list("kind", "amount")
    return Wallet.objects.get(customer=user).balance, list(entries)


def refunds_of(order: Order) -> list[int]:
    """Return the refunds posted for the order, oldest first, in micro-units."""
    return list(Entry.objects.filter(order_ref=order.pk, kind="refund").order_by("pk").values_list("amount", flat=True))


def fresh(order: Order) -> Order:
    """Return the order as the database has it now."""
    return Order.objects.get(pk=order.pk)


def polls_of(orders: list[Order]) -> list[OrderPoll]:
    """The polls of these orders, as a claim returns them."""
    polls = OrderPoll.objects.select_related("order").in_bulk([one.pk for one in orders])
    return [polls[one.pk] for one in orders]


@contextmanager
def nothing_changes() -> Iterator[None]:
    """Check that the block changes no order, entry or wallet, and adds no event."""
    before = _everything()
    yield
    assert _everything() == before


def _everything() -> list[Any]:
    return [
        list(Order.objects.order_by("pk").values()),
        list(Entry.objects.order_by("pk").values()),
        list(Wallet.objects.order_by("pk").values()),
        OrderEvent.objects.count(),
    ]


def make_all_due() -> None:
    """End every wait of queued orders and of paused providers."""
    Order.objects.filter(submission="queued").update(next_action_at=timezone.now() - timedelta(seconds=1))
    Provider.objects.exclude(paused_until=None).update(paused_until=timezone.now() - timedelta(seconds=1))


def submit_now() -> int:
    """Make every queued order due and run one round of submission; return how many were sent."""
    make_all_due()
    return submit_due_orders()


def reconcile_now() -> int:
    """Make every order in doubt due and run one round of reconciliation; return how many were resolved."""
    Order.objects.filter(submission="in_doubt").update(next_action_at=timezone.now() - timedelta(seconds=1))
    return reconcile_due_orders()


def poll_now() -> int:
    """Make every accepted order due and run one round of polling; return how many were polled."""
    Provider.objects.update(polling_until=None)
    OrderPoll.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    return poll_due_orders()


def create_accepted(user: Any, service: Any, count: int = 1, *, quantity: int = 100) -> list[Order]:
    """Create orders and submit them to the sandbox; by default 100 for $0.25 each."""
    made = [make.order(user, service, quantity=quantity) for _ in range(count)]
    submit_now()
    return [fresh(one) for one in made]


def set_and_poll(upstream: SandboxServer, order: Order, **values: Any) -> Order:
    """Set the order's values at the provider, poll, and return the order reloaded."""
    upstream.set_order(int(order.upstream_id or 0), **values)
    poll_now()
    return fresh(order)


def break_status_calls(upstream: SandboxServer, orders: list[Order], answer: Any, monkeypatch: Any) -> None:
    """Make the provider return `answer` for every status call that names one of these orders."""
    original, ids = upstream.api.answer, {one.upstream_id for one in orders}

    def answer_or_fail(params: Any) -> Any:
        named = set((params.get("orders") or params.get("order") or "").split(","))
        return answer if params.get("action") == "status" and named & ids else original(params)

    monkeypatch.setattr(upstream.api, "answer", answer_or_fail)


def create_known_orders(upstream: SandboxServer, customer: Any, service: Any) -> list[Order]:
    """Create three accepted orders of other quantities, with gaps between their ids: a search needs known ids."""
    made = []
    for quantity in (40, 50, 60):
        made.append(make.order(customer, service, quantity=quantity))
        submit_for_provider(provider=made[0].provider)
        upstream.skip_order_ids(3)
    assert {fresh(one).submission for one in made} == {Submission.ACCEPTED}
    return made


def create_in_doubt(
    upstream: SandboxServer, customer: Any, service: Any, *, quantity: int = 100, accepted: bool = True
) -> Order:
    """Create an order in doubt: its answer was lost, after the provider accepted it or before it did."""
    order = make.order(customer, service, quantity=quantity)
    upstream.inject(faults.drop_after("add") if accepted else faults.drop_before("add"))
    submit_now()
    assert fresh(order).submission == Submission.IN_DOUBT
    return fresh(order)


def count_adds(upstream: SandboxServer) -> int:
    """Return how many `add` requests the provider received."""
    return len(upstream.requests_of("add"))


def true_id(upstream: SandboxServer, order: Order) -> str:
    """Return the id that the provider gave the only order of this quantity."""
    [upstream_order] = [one for one in upstream.orders() if one.quantity == order.quantity]
    return str(upstream_order.id)


def pass_deadlines() -> None:
    """End the deadline of every order in doubt and put these orders in review."""
    Order.objects.filter(submission="in_doubt").update(doubt_until=timezone.now() - timedelta(seconds=1))
    meet_deadlines()


def end_lease(order: Order) -> None:
    """Let the lease of the order run out, as if its worker had died."""
    Order.objects.filter(pk=order.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def use_short_timeouts(monkeypatch: Any, *, seconds: float = 0.3) -> None:
    """Set the timeouts of requests to providers to `seconds`, instead of up to a minute."""
    original = UpstreamClient.__init__

    def init(self: UpstreamClient, **values: Any) -> None:
        original(self, **{**values, "add_timeout": seconds, "read_timeout": seconds, "act_timeout": seconds})

    monkeypatch.setattr(UpstreamClient, "__init__", init)


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work(0)` … `work(count - 1)` in threads that start together; return results or exceptions, in order."""
    return in_threads(*(partial(work, number) for number in range(count)))


def most_in_flight(requests: list[Any]) -> int:
    """Return the largest number of requests that the provider worked on at the same time."""
    moments = sorted(
        moment for one in requests for moment in ((one.received_at, 1), (one.answered_at or one.received_at, -1))
    )
    now = most = 0
    for _, step in moments:
        now += step
        most = max(most, now)
    return most


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the SQL of the block, without the statements that open and close transactions."""
    found: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    words = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "ROLLBACK")
    found.extend(query["sql"] for query in captured.captured_queries if not query["sql"].startswith(words))


def kill_at_each_statement(work: Callable[[], Any], check: Callable[[], None]) -> int:
    """Run `work` again and again, killed at its first statement, then at its second, …, until it completes.

    Call `check` after each kill. Return how many kills there were.
    """
    for kills in count():
        remaining = [kills]

        def kill_at(execute: Any, sql: str, *args: Any, remaining: list[int] = remaining) -> Any:
            # These always run: within the test's transaction they undo what a killed process leaves uncommitted.
            if not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
                remaining[0] -= 1
                if remaining[0] == -1:
                    raise Killed
            return execute(sql, *args)

        try:
            with connection.execute_wrapper(kill_at):
                work()
        except Killed:
            check()
        else:
            return kills
    raise AssertionError("unreachable")
