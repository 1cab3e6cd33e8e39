"""What the tests of orders share: rounds of work, threads that start at once, and "nothing changed"."""

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
from orders.dispatch.submit import submit_due_orders
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
    """The process died here: nothing may catch it."""


def money_of(user: Any) -> tuple[int, list[tuple[str, int]]]:
    """The balance, and the entries as (kind, amount), oldest first."""
    entries = Entry.objects.filter(wallet__customer=user).order_by("seq").values_list("kind", "amount")
    return Wallet.objects.get(customer=user).balance, list(entries)


def refunds_of(order: Order) -> list[int]:
    return list(Entry.objects.filter(order_ref=order.pk, kind="refund").order_by("pk").values_list("amount", flat=True))


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def polls_of(orders: list[Order]) -> list[OrderPoll]:
    """The polls of these orders, as a claim returns them."""
    polls = OrderPoll.objects.select_related("order").in_bulk([one.pk for one in orders])
    return [polls[one.pk] for one in orders]


@contextmanager
def nothing_changes() -> Iterator[None]:
    """No order, no timeline, no entry and no balance differs afterwards."""
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


def due_now() -> None:
    """Every wait is over: of orders in the queue, of paused providers."""
    Order.objects.filter(submission="queued").update(next_action_at=timezone.now() - timedelta(seconds=1))
    Provider.objects.exclude(paused_until=None).update(paused_until=timezone.now() - timedelta(seconds=1))


def submit_now() -> int:
    due_now()
    return submit_due_orders()


def reconcile_now() -> int:
    """One search for every order in doubt, however lately it was searched for."""
    Order.objects.filter(submission="in_doubt").update(next_action_at=timezone.now() - timedelta(seconds=1))
    return reconcile_due_orders()


def poll_now() -> int:
    Provider.objects.update(polling_until=None)
    OrderPoll.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    return poll_due_orders()


def create_accepted(user: Any, service: Any, count: int = 1, *, quantity: int = 100) -> list[Order]:
    """Orders that the sandbox really has: 100 for $0.25 each, unless told otherwise."""
    made = [make.order(user, service, quantity=quantity) for _ in range(count)]
    submit_now()
    return [fresh(one) for one in made]


def set_and_poll(upstream: SandboxServer, order: Order, **values: Any) -> Order:
    """The provider says this of the order, and the panel asks."""
    upstream.set_order(int(order.upstream_id or 0), **values)
    poll_now()
    return fresh(order)


def break_status_calls(upstream: SandboxServer, orders: list[Order], answer: Any, monkeypatch: Any) -> None:
    """The provider stumbles over every status call that names one of these orders."""
    speaks, ids = upstream.api.answer, {one.upstream_id for one in orders}

    def stumbles(params: Any) -> Any:
        named = set((params.get("orders") or params.get("order") or "").split(","))
        return answer if params.get("action") == "status" and named & ids else speaks(params)

    monkeypatch.setattr(upstream.api, "answer", stumbles)


def known_orders(upstream: SandboxServer, customer: Any, service: Any) -> list[Order]:
    """Three orders of other sizes, placed and known, with other people's in between: what a look compares with."""
    made = []
    for quantity in (40, 50, 60):
        made.append(make.order(customer, service, quantity=quantity))
        submit_now()
        upstream.skip_order_ids(3)
    assert {fresh(one).submission for one in made} == {Submission.ACCEPTED}
    return made


def create_in_doubt(
    upstream: SandboxServer, customer: Any, service: Any, *, quantity: int = 100, taken: bool = True
) -> Order:
    """An order whose answer was lost, after the provider took it or before."""
    order = make.order(customer, service, quantity=quantity)
    upstream.inject(faults.drop_after("add") if taken else faults.drop_before("add"))
    submit_now()
    assert fresh(order).submission == Submission.IN_DOUBT
    return fresh(order)


def count_adds(upstream: SandboxServer) -> int:
    return len(upstream.requests_of("add"))


def true_id(upstream: SandboxServer, order: Order) -> str:
    """The id under which the provider really has the order."""
    [there] = [one for one in upstream.orders() if one.quantity == order.quantity]
    return str(there.id)


def pass_deadlines() -> None:
    """Every doubt is past its deadline, and staff have been asked."""
    Order.objects.filter(submission="in_doubt").update(doubt_until=timezone.now() - timedelta(seconds=1))
    meet_deadlines()


def end_lease(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def use_short_timeouts(monkeypatch: Any, *, seconds: float = 0.3) -> None:
    """Makes the panel give up on its providers after `seconds` instead of a minute."""
    original = UpstreamClient.__init__

    def init(self: UpstreamClient, **values: Any) -> None:
        original(self, **{**values, "add_timeout": seconds, "read_timeout": seconds})

    monkeypatch.setattr(UpstreamClient, "__init__", init)


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """`work(0)` … `work(count - 1)` in threads that start together; results, or what was raised, in order."""
    return in_threads(*(partial(work, number) for number in range(count)))


def most_in_flight(requests: list[Any]) -> int:
    """The largest number of requests that the provider had at the same time."""
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
    """The SQL of the block, without what only opens and closes transactions."""
    found: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    words = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "ROLLBACK")
    found.extend(query["sql"] for query in captured.captured_queries if not query["sql"].startswith(words))


def killed_everywhere(work: Callable[[], Any], check: Callable[[], None]) -> int:
    """Runs `work`, which dies at its first statement, then at its second, …, until it lives; `check` looks at what
    each death left. Returns how many there were."""
    for deaths in count():
        waits = [deaths]

        def dies(execute: Any, sql: str, *args: Any, waits: list[int] = waits) -> Any:
            # What opens and closes transactions is the test's own: a dead process sends no more of it.
            if not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
                waits[0] -= 1
                if waits[0] == -1:
                    raise Killed
            return execute(sql, *args)

        try:
            with connection.execute_wrapper(dies):
                work()
        except Killed:
            check()
        else:
            return deaths
    raise AssertionError("unreachable")
