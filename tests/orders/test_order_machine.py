"""Orders under everything at once: customers, staff, two providers that say and do anything, and workers that die.

Hypothesis plays random stories against the real services, the real database and real provider servers, and after
each step every invariant of money and submission must hold. What may be given back is judged by a second, independent
reading of the provider's answers. `MACHINE_EXAMPLES=1000` plays more of them, and other ones each time.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from fractions import Fraction
from functools import partial
from typing import Any
from unittest import mock

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import orders.tracking.poll
from catalog.models import Provider, Service, UpstreamService
from catalog.upstream.results import OrderStatus, StatusRow
from orders.checkout.validation import OrderRefused
from orders.common.transitions import OrderMoved
from orders.dispatch.timeouts import meet_deadlines
from orders.models import CancelRequest, Order, OrderEvent, OrderPoll
from orders.requests.cancel import TooLate, cancel_order
from orders.requests.send import send_due_requests
from orders.review import decisions
from orders.review.manual_close import close_accepted
from orders.states import FINAL, Status, Submission
from orders.tracking.apply import apply_answers
from panel.lib.money import EXCHANGE_ONE
from panel.ops.invariants import find_breaches
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from panel.site import registry as site
from tests import make
from tests.make import reprice
from tests.scenes import Killed, poll_now, reconcile_now, submit_now

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "0"))
UNPLACED = (Submission.REFUSED, Submission.WITHDRAWN)

WORDS = ("Pending", "In progress", "Completed", "Partial", "Partial", "Canceled", "Refunded", "Fail", "Frozen")
# What a provider may do with an `add`.
TROUBLE: dict[str, Callable[[], faults.Fault]] = {
    "lost after": lambda: faults.drop_after("add"),
    "lost before": lambda: faults.drop_before("add"),
    "reset after": lambda: faults.reset_after("add"),
    "half an answer": lambda: faults.truncate("add"),
    "error page": lambda: faults.reply(status=502, body=b"<html>", action="add", processed=True),
    "no answer": lambda: faults.reply(status=503, body=b"", action="add"),
    "unreachable": lambda: faults.refuse(),
    "throttled": lambda: faults.reply(status=429, body=b"", action="add"),
    "no funds": lambda: faults.reply(body=b'{"error": "Not enough funds on balance"}', action="add"),
    "bad link": lambda: faults.reply(body=b'{"error": "Incorrect link"}', action="add"),
    "link busy": lambda: faults.reply(body=b'{"error": "You have active order with this link"}', action="add"),
    "new words": lambda: faults.reply(body=b'{"error": "The stars say no"}', action="add"),
}
GARBAGE = (5, None, [], "Incorrect order ID", {"error": "Incorrect order ID"}, {"charge": "0"}, {"status": 7})
quantities = st.sampled_from([10, 33, 100, 100, 250, 777])
deaths = st.one_of(st.none(), st.none(), st.integers(min_value=1, max_value=12))


@contextmanager
def dying_at(write: int | None) -> Iterator[list[bool]]:
    """The worker is killed just before its `write`-th statement that writes, wherever that is; tells whether it was.

    So between any two of them, in a transaction or after it was committed.
    """
    died: list[bool] = []
    left = write or 0

    def watch(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal left
        if sql.lstrip().startswith(("INSERT", "UPDATE")):
            left -= 1
            if left == 0:
                died.append(True)
                raise Killed
        return execute(sql, *rest)

    with connection.execute_wrapper(watch), suppress(Killed):
        yield died


def justified(order: Order, row: StatusRow) -> tuple[int, int]:
    """The least and the most that may have been given back of the order for what the provider says of it.

    Of what contradicts itself, now or before, the least is nothing: that is for staff.
    """
    is_clear = not is_contradicted(order) or None not in (row.charge, row.remains)
    if row.status is OrderStatus.CANCELED:
        return (order.charge if is_clear and not row.charge else 0), order.charge
    if row.status is OrderStatus.PARTIAL and order.service_type == "package":
        return 0, 0
    if row.status is OrderStatus.PARTIAL:
        if row.remains is None:
            return 0, order.charge
        missing = Fraction(min(max(row.remains, 0), order.quantity), order.quantity)
        share = int(order.charge * missing)
        return (share if is_clear and row.charge is None else 0), share
    return 0, (order.charge if row.status is None and row.charge == 0 else 0)


def is_contradicted(order: Order) -> bool:
    return "contradiction" in (order.review_reason, order.closed_review.partition(":")[0])


class Orders(RuleBasedStateMachine):
    @initialize()
    def open_shop(self) -> None:
        self.closing = ExitStack()
        atomic = transaction.atomic()
        atomic.__enter__()
        self.closing.callback(lambda: (transaction.set_rollback(True), atomic.__exit__(None, None, None)))
        self.upstreams: dict[int, SandboxServer] = {}
        self.services: list[Service] = []
        for name, knows_requests in (("One", False), ("Two", True)):
            server = self.closing.enter_context(
                SandboxServer(key=name * 4, speed=0, services=1, request_ids=knows_requests)
            )
            values = {"request_id_parameter": "request_id"} if knows_requests else {}
            provider = make.provider(url=server.url, api_key=server.key, name=name, **values)
            server.set_service(1, rate="2", min=10, max=10_000, type="Default")
            self.upstreams[provider.pk] = server
            self.services.append(make.service(provider))
        self.closing.enter_context(mock.patch.object(orders.tracking.poll, "apply_answers", self.hear))
        server.set_service(2, rate="0.3", min=1, max=1, type="Package")
        self.services.append(make.service(provider, external_id="2", rate="0.3", type="package", low=1, high=1))
        self.customers = [make.customer(f"{name}@example.org", funds="4") for name in ("alice", "bob")]
        self.staff = make.owner()
        self.orders: list[int] = []
        self.old_copies: dict[int, Order] = {}
        self.old_answers: list[tuple[Provider, list[Order], Any]] = []
        self.heard: list[tuple[Order, StatusRow]] = []
        self.refunded: Counter[int] = Counter()
        # Orders of which this step, the provider's answer or staff, may change what was refunded.
        self.told_to: set[int] = set()
        self.canceled: set[int] = set()
        self.sent_again: Counter[int] = Counter()
        self.by_staff: set[int] = set()
        # Something is under way already: some are placed, and one waits.
        for which in (0, 1, 2, 0):
            self.buy_one(which % 2, which, 100)
        submit_now()
        self.buy_one(0, 0, 250)

    def teardown(self) -> None:
        if hasattr(self, "closing"):
            try:
                self.all_ends_well()
            finally:
                self.closing.close()

    # -- customers -------------------------------------------------------------------------------

    @rule(wishes=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), quantities), min_size=1, max_size=3))
    def buy(self, wishes: list[tuple[int, int, int]]) -> None:
        for who, which, quantity in wishes:
            with suppress(OrderRefused):
                self.buy_one(who, which, quantity)

    @rule(data=st.data(), die=deaths)
    def cancel(self, data: Any, die: int | None) -> None:
        order = self.pick(data)
        with dying_at(die), suppress(TooLate):
            cancel_order(order=order, actor=order.customer)

    # -- workers ---------------------------------------------------------------------------------

    @rule(trouble=st.sampled_from([None, None, None, *TROUBLE]), die=deaths)
    def submit(self, trouble: str | None, die: int | None) -> None:
        if trouble:
            for server in self.upstreams.values():
                server.inject(TROUBLE[trouble]())
        with dying_at(die):
            submit_now()
        self.calm()

    @rule(die=deaths)
    def reconcile(self, die: int | None) -> None:
        with dying_at(die):
            reconcile_now()

    @rule(die=deaths)
    def send_requests(self, die: int | None) -> None:
        CancelRequest.objects.exclude(next_action_at=None).update(next_action_at=timezone.now() - timedelta(seconds=1))
        with dying_at(die):
            send_due_requests()

    @rule(data=st.data(), die=deaths)
    def poll(self, data: Any, die: int | None) -> None:
        self.ask_all(data, die)

    @rule(data=st.data(), die=deaths)
    def poll_twice(self, data: Any, die: int | None) -> None:
        """What happens most happens often here, too."""
        self.ask_all(data, die)
        self.ask_all(data, None)

    def ask_all(self, data: Any, die: int | None) -> None:
        """Each provider says anything of some of its orders, and nothing of the others."""
        answers: dict[int, dict[str, Any]] = {pk: {} for pk in self.upstreams}
        for order in Order.objects.filter(submission=Submission.ACCEPTED).order_by("pk"):
            if data.draw(st.integers(0, 3)):
                answers[order.provider_id][str(order.upstream_id)] = self.draw_row(data, order)
        for pk, server in self.upstreams.items():
            server.inject(faults.reply(body=json.dumps(answers[pk]).encode(), action="status"))
        with dying_at(die) as died:
            poll_now()
        self.calm()
        self.check_heard(died=bool(died))

    @precondition(lambda self: self.old_answers)
    @rule(data=st.data(), die=deaths)
    def hear_again(self, data: Any, die: int | None) -> None:
        """A worker that slept applies what it read long ago."""
        provider, batch, answers = data.draw(st.sampled_from(self.old_answers))
        with dying_at(die) as died:
            self.hear(provider=provider, batch=batch, answers=answers)
        self.check_heard(died=bool(died))

    # -- time, prices ----------------------------------------------------------------------------

    @rule(what=st.sampled_from(["lease", "lease", "doubt", "queue", "day"]), die=deaths, data=st.data())
    def time_passes(self, what: str, die: int | None, data: Any) -> None:
        past = timezone.now() - timedelta(seconds=1)
        if what == "lease":
            Order.objects.filter(submission=Submission.SUBMITTING).update(lease_until=past)
        elif what == "doubt":
            Order.objects.filter(submission=Submission.IN_DOUBT).update(doubt_until=past)
        elif what == "queue":
            limit = timedelta(hours=site.QUEUE_LIMIT_HOURS.value)
            Order.objects.filter(pk=data.draw(st.sampled_from(self.orders))).update(queued_at=past - limit)
        else:
            Order.objects.exclude(finished_at=None).update(finished_at=F("finished_at") - timedelta(days=1))
        with dying_at(die):
            meet_deadlines()

    @rule(which=st.integers(0, 2), rate=st.sampled_from(["0.3", "2", "2.4", "9"]), halves=st.integers(1, 5))
    def prices_move(self, which: int, rate: str, halves: int) -> None:
        """The rate of a service, and the exchange rate of its provider."""
        upstream = self.services[which].upstream
        UpstreamService.objects.filter(pk=upstream.pk).update(rate=make.micros(rate))
        Provider.objects.filter(pk=upstream.provider_id).update(exchange_rate=EXCHANGE_ONE * halves // 2)
        reprice(services=Service.objects.filter(upstream__provider=upstream.provider_id))

    # -- staff -----------------------------------------------------------------------------------

    @rule(
        data=st.data(),
        choice=st.sampled_from(["bind", "send_again", "refund", "refund_part", "dismiss", "end", "end"]),
        die=deaths,
    )
    def decide(self, data: Any, choice: str, die: int | None) -> None:
        order = self.pick(data)
        before = Order.objects.get(pk=order.pk).refunded
        decision, most = getattr(self, f"_{choice}")(data, order)
        with dying_at(die), suppress(decisions.ReviewError, OrderMoved):
            decision()
        self.told_to.add(order.pk)
        assert before <= Order.objects.get(pk=order.pk).refunded <= max(before, most)

    # Each returns what staff do, and the most that may have been refunded after it. What they do by hand may be
    # wrong about the provider, and is noted as theirs first: a worker may die just after it was committed.

    def _bind(self, data: Any, order: Order) -> tuple[Callable[[], Any], int]:
        there = [str(one.id) for server in self.upstreams.values() for one in server.orders()]
        upstream_id = data.draw(st.sampled_from([*self.truth(order), *there, "77", "no id"]))

        def bind() -> None:
            self.by_staff.add(order.pk)
            decisions.bind_upstream_id(order=order, upstream_id=upstream_id, actor=self.staff)

        return bind, 0

    def _send_again(self, data: Any, order: Order) -> tuple[Callable[[], Any], int]:
        def send_again() -> None:
            self.sent_again[order.pk] += 1
            self.by_staff.add(order.pk)
            decisions.send_again(order=order, actor=self.staff)

        return send_again, 0

    def _refund(self, data: Any, order: Order) -> tuple[Callable[[], Any], int]:
        def refund() -> None:
            self.by_staff.add(order.pk)
            decisions.refund_unaccepted(order=order, note="Sorry", actor=self.staff)

        return refund, order.charge

    def _refund_part(self, data: Any, order: Order) -> tuple[Callable[[], Any], int]:
        amount = data.draw(st.integers(-1, order.charge + 1))
        part = partial(decisions.refund_part, order=order, amount=amount, note="Sorry", actor=self.staff)
        return part, order.refunded + amount

    def _dismiss(self, data: Any, order: Order) -> tuple[Callable[[], Any], int]:
        return partial(decisions.dismiss_review, order=order, note="Fine", actor=self.staff), 0

    def _end(self, data: Any, order: Order) -> tuple[Callable[[], Any], int]:
        status = data.draw(st.sampled_from([Status.COMPLETED, Status.PARTIAL, Status.CANCELED, Status.PENDING]))
        delivered = data.draw(st.one_of(st.none(), st.integers(0, order.quantity)))
        end = partial(close_accepted, order=order, status=status, delivered=delivered, note="Ended", actor=self.staff)
        if status == Status.PARTIAL:
            return end, int(Fraction(order.charge * (order.quantity - (delivered or 0)), order.quantity))
        return end, order.charge if status == Status.CANCELED else 0

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def books_balance(self) -> None:
        if hasattr(self, "closing"):
            assert find_breaches() == []
            assert all(make.wallet(one).balance >= 0 for one in self.customers)

    @invariant()
    def every_order_is_sound(self) -> None:
        if not hasattr(self, "closing"):
            return
        told = Counter[int]()
        for order_id, amount in OrderEvent.objects.filter(kind="refund").values_list("order_id", "new"):
            told[order_id] += int(amount)
        taken = {pk: Counter(one.link for one in server.orders()) for pk, server in self.upstreams.items()}
        for order in Order.objects.all():
            self.check_money(order)
            self.check_queues(order)
            assert told[order.pk] == order.refunded, f"{order}: the timeline tells of other refunds"
            adds = taken[order.provider_id][order.link]
            assert adds <= 1 + self.sent_again[order.pk], f"{order} was placed {adds} times"
            if order.submission in UNPLACED and order.pk not in self.by_staff:
                assert adds == 0, f"{order} was refunded as not placed, and runs"
            if order.submission == Submission.ACCEPTED and order.pk not in self.by_staff:
                assert order.upstream_id in self.truth(order), f"{order} follows another one's fate"
        self.told_to.clear()

    def check_money(self, order: Order) -> None:
        assert self.refunded[order.pk] <= order.refunded <= order.charge, f"{order}: a refund was taken back"
        if order.refunded != self.refunded[order.pk] and order.pk not in self.told_to:
            # Nobody decided and nothing was heard of it: then only as a whole, for it was never placed.
            assert (order.submission in UNPLACED, order.refunded) == (True, order.charge)
        self.refunded[order.pk] = order.refunded
        if order.pk in self.canceled:
            assert order.status == Status.CANCELED, f"{order} left Canceled"
        elif order.status == Status.CANCELED:
            self.canceled.add(order.pk)

    def check_queues(self, order: Order) -> None:
        """Each order that has not ended waits for something; one that has, for late changes at most."""
        waits = {
            Submission.QUEUED: order.next_action_at,
            Submission.SUBMITTING: order.lease_until,
            Submission.IN_DOUBT: order.doubt_until and order.next_action_at,
            Submission.ACCEPTED: order.is_final or order.next_check_at,
        }
        assert waits.get(order.submission, True), f"{order} is lost"
        if order.submission not in (Submission.QUEUED, Submission.IN_DOUBT, Submission.SUBMITTING):
            assert (order.next_action_at, order.lease_until, order.doubt_until) == (None, None, None)
        if order.submission in UNPLACED:
            assert (order.next_check_at, order.review_reason) == (None, "")

    def check_heard(self, *, died: bool) -> None:
        for before, row in self.heard:
            after = Order.objects.get(pk=before.pk)
            least, most = justified(before, row)
            assert before.refunded <= after.refunded <= max(before.refunded, most), f"{before}: not justified by {row}"
            self.told_to.add(before.pk)
            if before.status == Status.CANCELED or row.status is None or Status(row.status.value) not in FINAL:
                continue
            if before.closed_review and after.status == before.status:
                continue  # Staff looked at it, and decided how it ended.
            if not died or after.status != before.status:
                # Status and money are one: whoever sees the new status sees the refund.
                assert (after.status, after.refunded >= least) == (row.status.value, True), f"{before}: {row}"
        self.heard.clear()

    def all_ends_well(self) -> None:
        """Nothing is stuck: once a provider says clearly that all is canceled, every customer has all of it back."""
        OrderPoll.objects.update(due_at=timezone.now())
        placed = Order.objects.filter(submission=Submission.ACCEPTED)
        canceled = {"status": "Canceled", "charge": "0"}
        for pk, server in self.upstreams.items():
            rows = {one.upstream_id: {**canceled, "remains": one.quantity} for one in placed.filter(provider=pk)}
            server.inject(faults.reply(body=json.dumps(rows).encode(), action="status"))
        poll_now()
        for order in placed:
            assert (order.status, order.refunded) == (Status.CANCELED, order.charge), f"{order} is stuck"
        assert find_breaches() == []

    # -- helpers ---------------------------------------------------------------------------------

    def buy_one(self, who: int, which: int, quantity: int) -> None:
        service = self.services[which]
        link = f"https://example.com/{len(self.orders)}"
        wanted = None if service.is_package else quantity
        self.orders.append(make.order(self.customers[who], service, quantity=wanted, link=link).pk)

    def pick(self, data: Any) -> Order:
        """An order as it is, or as somebody saw it who then went for lunch."""
        order = Order.objects.get(pk=data.draw(st.sampled_from(self.orders)))
        return self.old_copies.setdefault(order.pk, order) if data.draw(st.booleans()) else order

    def truth(self, order: Order) -> list[str]:
        """The ids under which its provider really has it."""
        return [str(one.id) for one in self.upstreams[order.provider_id].orders() if one.link == order.link]

    def hear(self, *, provider: Provider, batch: list[OrderPoll], answers: Any) -> None:
        """Stands before `apply_answers`: notes how the orders stood and what was said of them."""
        self.old_answers.append((provider, list(batch), answers))
        for order in Order.objects.filter(pk__in=[one.pk for one in batch], submission=Submission.ACCEPTED):
            row = answers.get(order.upstream_id)
            if isinstance(row, StatusRow):
                self.heard.append((order, row))
        apply_answers(provider=provider, batch=batch, answers=answers)

    def calm(self) -> None:
        for server in self.upstreams.values():
            server.clear_faults()

    def draw_row(self, data: Any, order: Order) -> Any:
        """What the provider says: often a consistent answer, else anything."""
        if data.draw(st.integers(0, 9)) == 0:
            return data.draw(st.sampled_from(GARBAGE))
        remains = data.draw(st.integers(-10, order.quantity + 10))
        delivered = Fraction(order.quantity - min(max(remains, 0), order.quantity), order.quantity)
        cost = Fraction(order.expected_cost * EXCHANGE_ONE, order.exchange_rate * 1_000_000)
        agreeing = f"{float(cost * delivered):.6f}"
        charge = data.draw(st.sampled_from([agreeing, agreeing, None, "0", f"{float(cost):.6f}", "", "?", "12,345.6"]))
        row = {"status": data.draw(st.sampled_from(WORDS)), "charge": charge}
        shown = data.draw(st.sampled_from([remains, str(remains), "Unknown", None, ...]))
        return row if shown is ... else {**row, "remains": shown}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "story",
    [
        0,
        *(pytest.param(more, marks=pytest.mark.proof) for more in range(1, 20)),
    ],
)
def test_orders_when_all_happens_at_once_then_invariants_hold(story):
    run_state_machine_as_test(
        # The gate plays the same stories each time; a longer run looks for new ones.
        Orders if EXAMPLES else seed(story)(Orders),
        settings=settings(
            max_examples=EXAMPLES or 5,
            stateful_step_count=30,
            # A red gate shows the story as it was played; the shortest one that fails takes minutes to find.
            phases=[Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate],
            report_multiple_bugs=False,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
