"""Cancels and refills of many orders, for customers and for staff, by the same rules as for a single order.

Each order has its own transaction: a refusal or a failure does not stop the others, and a second run skips what the
first one did.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from orders.models import CancelRequest, Order
from orders.requests import cancel
from orders.requests.cancel import CancelOutcome, TooLate, cancel_order, may_withdraw, why_not_asked
from orders.requests.refill import RefillRefused, request_refill
from orders.states import CancelState, Status, Submission
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.own_account import is_own
from panel.staff.deeds import UNSTATED, AboveLimit, Why

log = structlog.get_logger(__name__)

# Each order costs several statements, and the customer waits for the page.
MAX_ORDERS = 100
MAX_STAFF_ORDERS = 1_000
# Staff wait for the page; orders not reached by then are reported and left for another run.
MAX_SECONDS = 20.0
FAILED = gettext_noop("Something went wrong on our side. Please try again.")
ALREADY = gettext_noop("It is canceled already.")  # Most likely by the first half of a double click.


class StaffReason(StrEnum):
    """Reasons why a staff cancel leaves an order unchanged, worded for a list."""

    ENDED = "ended already"
    ASKED = "asked of the provider already"
    SUBMITTING = "being sent right now"
    IN_DOUBT = "in doubt, to be decided about one by one"
    IN_REVIEW = "in review, to be decided about one by one"
    OWN = "your own, for somebody else on the staff to cancel"
    ABOVE_LIMIT = "above your limit"
    MOVED = "changed meanwhile"
    NOT_REACHED = "not reached in time, select them again"


class TooMany(ValueError):
    """More orders than may be selected at once; nothing was changed. The message is for the user."""


@dataclass(frozen=True, slots=True)
class OrderResult:
    """Outcome for one order: `back` micro-units refunded at once, a request to the provider, or a `reason` why not."""

    order: Order
    back: int = 0
    reason: str = ""

    @property
    def is_asked(self) -> bool:
        return not self.back and not self.reason


@dataclass(frozen=True, slots=True)
class BulkResult:
    """Outcomes for all selected orders, planned or done."""

    results: Sequence[OrderResult]

    @property
    def able(self) -> list[OrderResult]:
        return [one for one in self.results if not one.reason]

    @property
    def withdrawn(self) -> int:
        return sum(one.back > 0 for one in self.results)

    @property
    def asked(self) -> int:
        return sum(one.is_asked for one in self.results)

    @property
    def refunded(self) -> int:
        """Return the micro-units refunded at once."""
        return sum(one.back for one in self.results)

    @property
    def asked_for(self) -> int:
        """Return the micro-units that come back if providers cancel all that they are asked to, in full."""
        return sum(one.order.net_charge for one in self.able if one.is_asked)

    @property
    def already(self) -> int:
        return sum(one.reason == ALREADY for one in self.results)

    @property
    def failed(self) -> list[int]:
        return [one.order.pk for one in self.results if one.reason == FAILED]

    @property
    def above_limit(self) -> list[Order]:
        return [one.order for one in self.results if one.reason == StaffReason.ABOVE_LIMIT]

    @property
    def left(self) -> dict[str, int]:
        """Return the number of unchanged orders by reason, the most common first."""
        reasons = Counter(one.reason for one in self.results if one.reason not in ("", ALREADY))
        return dict(reasons.most_common())


def _each(
    orders: Collection[Order], act: Callable[[Order], OrderResult], *, seconds: float | None = None
) -> BulkResult:
    stop_at = None if seconds is None else time.monotonic() + seconds
    results = []
    for order in orders:
        try:
            late = stop_at is not None and time.monotonic() >= stop_at
            results.append(OrderResult(order, reason=StaffReason.NOT_REACHED) if late else act(order))
        except (TooLate, RefillRefused) as error:
            results.append(OrderResult(order, reason=str(error)))
        except Exception:
            log.exception("order of a bulk action failed", order=order.pk)
            results.append(OrderResult(order, reason=FAILED))
    return BulkResult(results)


# -- for customers -----------------------------------------------------------------------------------


def plan_cancels(*, orders: Collection[Order]) -> BulkResult:
    """Return what `cancel_orders` would do now, in one statement. Raise TooMany.

    The orders must come with `service.upstream` loaded.
    """
    _check(orders)
    refused = CancelRequest.objects.filter(
        order__in=[order.pk for order in orders],
        state=CancelState.REFUSED,
        finished_at__gt=clock.now() - cancel.AFTER_REFUSAL,
    )
    refused_lately = set(refused.values_list("order_id", flat=True))
    return BulkResult([_plan_cancel(order, was_refused=order.pk in refused_lately) for order in orders])


def _plan_cancel(order: Order, *, was_refused: bool) -> OrderResult:
    if may_withdraw(order):
        return OrderResult(order, back=order.net_charge)
    reason = why_not_asked(order)
    if not reason and not order.service.upstream.cancel:
        reason = _("This service cannot be canceled once it was sent.")
    if not reason and was_refused:
        reason = _("The provider refused it within the last hour.")
    return OrderResult(order, reason=reason)


def cancel_orders(*, orders: Collection[Order], actor: User) -> BulkResult:
    """Cancel each order as `cancel_order` does. Raise TooMany."""

    def act(order: Order) -> OrderResult:
        try:
            outcome = cancel_order(order=order, actor=actor)
        except TooLate:
            order.refresh_from_db(fields=["status"])
            if order.status != Status.CANCELED:
                raise
            return OrderResult(order, reason=ALREADY)
        return OrderResult(order, back=order.net_charge if outcome is CancelOutcome.WITHDRAWN else 0)

    _check(orders)
    return _each(orders, act)


def refill_orders(*, orders: Collection[Order], actor: User) -> BulkResult:
    """Request a refill of each order as `request_refill` does. Raise TooMany."""

    def act(order: Order) -> OrderResult:
        request_refill(order=order, actor=actor)
        return OrderResult(order)

    _check(orders)
    return _each(orders, act)


def _check(orders: Collection[Order]) -> None:
    if len(orders) > MAX_ORDERS:
        raise TooMany(_("Choose at most %(most)s orders at a time.") % {"most": MAX_ORDERS})


# -- for staff ---------------------------------------------------------------------------------------


def plan_staff_cancels(*, orders: Collection[Order], actor: User | None) -> BulkResult:
    """Return what `cancel_as_staff` would do now, without changes. Raise TooMany."""
    _check_staff(orders)
    active = cancel.active_requests().filter(order__in=[order.pk for order in orders])
    requested = set(active.values_list("order_id", flat=True))

    def plan(order: Order) -> OrderResult:
        if reason := _why_left(order, actor):
            return OrderResult(order, reason=reason)
        if may_withdraw(order):
            return OrderResult(order, back=order.net_charge)
        return OrderResult(order, reason=StaffReason.ASKED if order.pk in requested else "")

    return BulkResult([plan(order) for order in orders])


def cancel_as_staff(*, orders: Collection[Order], actor: User, why: Why = UNSTATED) -> BulkResult:
    """Withdraw each order, or request its cancel even if the service has none; skip the actor's own, and what is above
    their limit. Raise TooMany.
    """

    def act(seen: Order) -> OrderResult:
        order = Order.objects.select_related("customer").get(pk=seen.pk)
        if reason := _why_left(order, actor):
            return OrderResult(order, reason=reason)
        back = order.net_charge if may_withdraw(order) else 0
        try:
            if back:
                cancel.withdraw_order(order=order, actor=actor, why=why)
            elif not cancel.request_cancel(order=order, actor=actor, patient=False):
                return OrderResult(order, reason=StaffReason.ASKED)
        except TooLate:
            return OrderResult(order, reason=StaffReason.MOVED)
        except AboveLimit:
            return OrderResult(order, reason=StaffReason.ABOVE_LIMIT)
        return OrderResult(order, back=back)

    _check_staff(orders)
    # Unsent orders first: the worker may send them while we wait, but sent ones stay cancelable.
    unsent_first = sorted(orders, key=lambda order: order.submission != Submission.QUEUED)
    return _each(unsent_first, act, seconds=MAX_SECONDS)


def _why_left(order: Order, actor: User | None) -> str:
    if is_own(actor=actor, customer_id=order.customer_id):
        return StaffReason.OWN
    if order.is_final:
        return StaffReason.ENDED
    if may_withdraw(order) or order.submission == Submission.ACCEPTED:
        return ""
    reasons = {Submission.SUBMITTING: StaffReason.SUBMITTING, Submission.IN_DOUBT: StaffReason.IN_DOUBT}
    return reasons.get(Submission(order.submission), StaffReason.IN_REVIEW)


def _check_staff(orders: Collection[Order]) -> None:
    if len(orders) > MAX_STAFF_ORDERS:
        raise TooMany(f"At most {MAX_STAFF_ORDERS:,} orders can be canceled in one go.")
