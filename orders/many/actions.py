"""The shape of an action on many orders: a plan that says what fits and what is left, and why; then each order alone.

Each order is a conditional change of its own, so whoever is stopped half way, or repeats it, does nothing twice. The
page that showed the plan sends back a key of what it showed of each order; an order with another key is left alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet

from orders.common.bulk_results import BulkResult, OrderResult, TooMany, for_each_order
from orders.common.transitions import OrderMoved
from orders.models import Order
from orders.reports.profit import with_profit
from orders.states import Submission
from panel.accounts.models import User
from panel.activity.record import Change, record
from panel.lib.own_account import OwnAccount, is_own
from panel.staff.deeds import AboveLimit

MAX_ORDERS = 1_000
# Staff wait for the page; orders not reached by then are reported and left for another run.
MAX_SECONDS = 20.0
_KEY_SIGNS = 8

Data = Mapping[str, Any]
NO_DATA: Data = {}


class StaffReason(StrEnum):
    """Reasons why staff's action leaves an order unchanged, worded for a list."""

    ENDED = "ended already"
    ASKED = "asked of the provider already"
    NOT_SENT = "not sent yet, or it is not known whether they were"
    SUBMITTING = "being sent right now"
    ACCEPTED = "with the provider already"
    IN_DOUBT = "in doubt, to be decided about one by one"
    IN_REVIEW = "in review, to be decided about one by one"
    OWN = "your own, for somebody else on the staff to do"
    ABOVE_LIMIT = "above your limit"
    CHANGED = "changed since you looked"


class BulkAction(ABC):
    """One thing that staff do to many orders.

    `done` completes "At most 1,000 orders can be …". If `is_together`, `act_all` does it to all that fit at once.
    """

    done: ClassVar[str]
    is_together: ClassVar[bool] = False
    # What the services raise for an order that cannot be changed now; the message is the reason.
    refusals: ClassVar[tuple[type[Exception], ...]] = ()

    @abstractmethod
    def plan(self, orders: Collection[Order], *, actor: User | None, data: Data) -> list[OrderResult]:
        """Return what would be done to each of the orders now, in a constant number of statements."""

    def act(self, planned: OrderResult, *, actor: User, data: Data) -> OrderResult:
        """Do to one order what was planned, conditional on the state that the plan read."""
        raise NotImplementedError

    def act_all(self, planned: Sequence[OrderResult]) -> None:
        """Do to all that fit what was planned."""
        raise NotImplementedError

    def logged(self, done: OrderResult) -> str:
        """Return what the activity says of the order."""
        raise NotImplementedError

    def seen(self, planned: OrderResult) -> tuple[object, ...]:
        """Return what must not change between the preview and the act."""
        order = planned.order
        return planned.reason, planned.way, planned.back, order.submission, order.claim_token, order.review_reason


def orders_with(pks: Iterable[int]) -> QuerySet[Order]:
    """Return the orders by number with all that plans read, in three statements."""
    orders: QuerySet[Order] = with_profit(Order.objects.filter(pk__in=list(pks)))
    return orders.select_related("customer", "provider", "service__upstream__provider").order_by("pk")


def plan_for(action: BulkAction, *, orders: Collection[Order], actor: User | None, data: Data = NO_DATA) -> BulkResult:
    """Return what `carry_out` would do now, without changes. Raise TooMany."""
    if len(orders) > MAX_ORDERS:
        raise TooMany(f"At most {MAX_ORDERS:,} orders can be {action.done} in one go.")
    return BulkResult(action.plan(orders, actor=actor, data=data))


def keys_of(action: BulkAction, plan: BulkResult) -> dict[int, str]:
    """Return a key of what the plan shows of each order, by number."""
    return {one.order.pk: _key(action, one) for one in plan.results}


def carry_out(
    action: BulkAction,
    *,
    orders: Collection[Order],
    actor: User,
    data: Data = NO_DATA,
    seen: Mapping[int, str] | None = None,
    is_logged: bool = True,
) -> BulkResult:
    """Do what is planned now to each order that fits, log it, and return what came of each. Raise TooMany.

    With the keys that a preview showed as `seen`, orders that are not as they were then are left alone. Without
    `is_logged`, the caller writes the activity.
    """
    plan = plan_for(action, orders=orders, actor=actor, data=data)
    due = {one.order.pk: _unless_changed(action, one, seen) for one in plan.results}
    if action.is_together:
        able = [one for one in due.values() if not one.reason]
        action.act_all(able)
        if able and is_logged:
            record(actor_id=actor.pk, objects=[one.order for one in able], message=action.logged(able[0]))
        return BulkResult(list(due.values()))

    def act(order: Order) -> OrderResult:
        planned = due[order.pk]
        if planned.reason:
            return planned
        try:
            # Both or neither: killed between them, money would have moved without a word of it.
            with transaction.atomic():
                result = action.act(planned, actor=actor, data=data)
                if is_logged and not result.reason:
                    changes = [Change("refunded", None, result.back)] if result.back else []
                    record(actor_id=actor.pk, objects=[order], message=action.logged(result), changes=changes)
        except OrderMoved:
            return OrderResult(order, reason=StaffReason.CHANGED)
        except OwnAccount:
            return OrderResult(order, reason=StaffReason.OWN)
        except AboveLimit:
            return OrderResult(order, reason=StaffReason.ABOVE_LIMIT)
        return result

    # Unsent orders first: the worker may send them while we wait, but sent ones can wait.
    unsent_first = sorted(orders, key=lambda order: order.submission != Submission.QUEUED)
    return for_each_order(unsent_first, act, refusals=action.refusals, seconds=MAX_SECONDS)


def own_or(order: Order, actor: User | None, reason: str) -> str:
    """Return the reason why the order is left: before all others, that it is the actor's own."""
    return StaffReason.OWN if is_own(actor=actor, customer_id=order.customer_id) else reason


def _unless_changed(action: BulkAction, planned: OrderResult, seen: Mapping[int, str] | None) -> OrderResult:
    if seen is None or seen.get(planned.order.pk) == _key(action, planned):
        return planned
    now = f", and now {planned.reason}" if planned.reason else ""
    return OrderResult(planned.order, reason=f"{StaffReason.CHANGED}{now}")


def _key(action: BulkAction, planned: OrderResult) -> str:
    return sha256(repr((planned.order.pk, *action.seen(planned))).encode()).hexdigest()[:_KEY_SIGNS]
