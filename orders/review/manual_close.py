"""Manual close of an accepted order whose provider reports a wrong status, or none."""

from __future__ import annotations

from django.db import transaction

from orders.common.backoff import LATE_POLL
from orders.common.poll_queue import follow
from orders.common.transitions import NO_REVIEW, change_status
from orders.models import Order
from orders.refunds.posting import refund_up_to
from orders.requests.cancel import close_cancel_requests
from orders.review.decisions import ReviewError, closed_columns
from orders.states import FINAL, Status, Submission
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.money import refund_for
from panel.lib.own_account import refuse_own
from panel.staff.deeds import UNSTATED, Why, record_deed
from panel.staff.kinds import Kind


def may_end(order: Order) -> bool:
    """Return True if staff may close it: accepted, and still open or in review."""
    return (
        order.submission == Submission.ACCEPTED
        and order.status != Status.CANCELED
        and (order.status not in FINAL or bool(order.review_reason))
    )


def refund_at_end(order: Order, *, status: str, delivered: int | None) -> int:
    """Return the total refund in micro-units if the order ends so; never less than was refunded already.

    `delivered` counts for Partial alone. Raise ReviewError if it does not fit the order.
    """
    if status == Status.COMPLETED:
        return order.refunded
    if status == Status.CANCELED:
        return order.charge
    if status != Status.PARTIAL:
        raise ReviewError("An order ends as Completed, Partial or Canceled.")
    if delivered is None or not 0 < delivered < order.quantity:
        raise ReviewError(f"Partial means that 1 to {order.quantity - 1:,} were delivered. Say how many.")
    target = refund_for(order.charge, undelivered=order.quantity - delivered, quantity=order.quantity)
    return max(target, order.refunded)


def known_end(order: Order) -> tuple[Status, int | None] | None:
    """Return the status in which the order would end by what was delivered as far as is known, and for Partial how
    many; None if that is not known.
    """
    delivered = order.delivered
    if delivered is None or (order.status == Status.PENDING and delivered):
        return None  # Some providers report that nothing remains before they begin.
    if delivered >= order.quantity:
        return Status.COMPLETED, None
    return (Status.PARTIAL, delivered) if delivered else (Status.CANCELED, None)


def close_accepted(
    *,
    order: Order,
    status: str,
    delivered: int | None = None,
    note: str,
    actor: User | None,
    why: Why = UNSTATED,
) -> int:
    """Close the order with the status that staff found and refund the rest; return that refund in micro-units.

    Late changes are still followed: what the provider grants later is refunded too. `note` is for the customer, `why`
    for staff. Raise ReviewError, OrderMoved, AboveLimit, or OwnAccount for an order of the actor's own.
    """
    refuse_own(actor=actor, customer_id=order.customer_id)
    if not may_end(order):
        raise ReviewError("Only an order that is with the provider, and not canceled, can be ended by hand.")
    target = refund_at_end(order, status=status, delivered=delivered)
    remains = order.quantity - delivered if delivered is not None and status == Status.PARTIAL else order.remains
    now = clock.now()
    due_at = now + LATE_POLL
    with transaction.atomic():
        record_deed(
            actor=actor,
            kind=Kind.CLOSE,
            amount=target - order.refunded,
            about=order,
            customer_id=order.customer_id,
            why=why,
        )
        change_status(
            order=order,
            to=Status(status),
            text=note,
            actor=actor,
            values={
                "status_note": note[:300],
                "remains": remains,
                "finished_at": order.finished_at or now,
                "next_poll_at": due_at,
                **closed_columns(order),
                **NO_REVIEW,
            },
        )
        follow(order_id=order.pk, provider_id=order.provider_id, due_at=due_at)
        close_cancel_requests(order_ids=[order.pk])
        return refund_up_to(order=order, target=target, text=note, actor=actor)
