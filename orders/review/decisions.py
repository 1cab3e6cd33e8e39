"""Review of orders: how one is opened, and the choices that staff have.

Each choice is a conditional update on what staff saw. If the order moved meanwhile, it raises OrderMoved and changes
nothing. An order of the actor's own raises OwnAccount.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from django.db import IntegrityError, transaction

from catalog.upstream.cleaning import parse_id
from orders.checkout.create import loss_note
from orders.common.backoff import first_poll_after
from orders.common.poll_queue import follow
from orders.common.timeline import write_event
from orders.common.transitions import OrderMoved, close_review, id_columns, move
from orders.models import Order
from orders.refunds.posting import cancel_unaccepted, refund_up_to
from orders.states import EventKind, ReviewReason, Submission
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.own_account import refuse_own
from panel.lib.task_hints import hint_after_commit
from panel.staff.deeds import UNSTATED, Why, record_deed
from panel.staff.kinds import Kind

MAX_CLOSED = 520
UNDECIDED = (Submission.IN_DOUBT, Submission.QUEUED)


class ReviewError(Exception):
    """The choice does not fit the order's present state. The message is for staff."""


class WouldLose(ReviewError):
    """The order would lose money. The message tells its cost."""


def ask_for_review(
    *, order: Order, reason: str, note: str = "", figures: Sequence[object] = (), replaces: bool = False
) -> None:
    """Open a review of the order unless it has one; joins a transaction.

    `note` tells staff what was found; the `figures` of an answer identify the finding when it recurs. With `replaces`,
    a review for another reason gives way. Do nothing if the order moved since it was read: the finding may no longer be
    true.
    """
    waiting = Order.objects.filter(pk=order.pk, submission=order.submission, claim_token=order.claim_token)
    waiting = waiting.exclude(review_reason=reason) if replaces else waiting.filter(review_reason="")
    opened = waiting.update(
        review_reason=reason,
        review_since=clock.now(),
        review_note=note[:500],
        review_finding=finding_of(reason, figures),
    )
    if opened:
        text = f"{ReviewReason(reason).label}. {note}".strip()
        write_event(order_id=order.pk, kind=EventKind.REVIEW, new=reason, text=text, public=False)


def close_resolved_review(*, order: Order) -> None:
    """Close a review that the provider's later answer resolved; joins a transaction.

    Do nothing if staff closed it meanwhile.
    """
    with contextlib.suppress(OrderMoved):
        close_review(order=order, seen=("review_finding", "review_note"), closed={})
        text = "The provider's later answer resolved it"
        write_event(order_id=order.pk, kind=EventKind.REVIEW, old=order.review_reason, text=text, public=False)


def review_state_of(order: Order) -> str:
    """Return a key of the order's state; another attempt, review or refund makes an older decision void."""
    names = ("submission", "status", "claim_token", "attempts", "review_reason", "review_finding", "refunded")
    return ":".join(str(getattr(order, name)) for name in names)


def finding_of(reason: str, figures: Sequence[object] = ()) -> str:
    """Return the stored key of a review: its reason and the figures of the answer that caused it."""
    return f"{reason}:{'/'.join('-' if figure is None else str(figure) for figure in figures)}"[:100]


def is_dismissed(order: Order, reason: str, note: str, figures: Sequence[object] = ()) -> bool:
    """Return True if staff last closed this same finding. Reviews closed by old releases are compared by their note."""
    if order.closed_finding:
        return order.closed_finding == finding_of(reason, figures)
    return order.closed_review == f"{reason}: {note}"[:MAX_CLOSED]


def closed_columns(order: Order) -> dict[str, object]:
    """Return the columns that remember the order's review once it is closed; {} if it has none."""
    if not order.review_reason:
        return {}
    sentence = f"{order.review_reason}: {order.review_note}"[:MAX_CLOSED]
    return {"closed_review": sentence, "closed_finding": order.review_finding}


def bind_upstream_id(*, order: Order, upstream_id: str, actor: User | None = None, text: str = "") -> None:
    """Bind the order to an id at its provider: it is accepted under this id and polled from now on.

    Raise ReviewError if the id is malformed or taken by another order, OrderMoved if the order moved.
    """
    refuse_own(actor=actor, customer_id=order.customer_id)
    upstream_id = upstream_id.strip()
    if not upstream_id or parse_id(upstream_id) != upstream_id:
        # A malformed id would spoil every status call of its batch.
        raise ReviewError("This is no order id. Copy it from the provider's own list.")
    now = clock.now()
    due_at = now + first_poll_after()
    try:
        with transaction.atomic():
            _move(
                order,
                to=Submission.ACCEPTED,
                text=text or f"Bound to the provider's order {upstream_id}",
                actor=actor,
                values={
                    **id_columns(upstream_id),
                    "accepted_at": now,
                    "next_poll_at": due_at,
                },
            )
            follow(order_id=order.pk, provider_id=order.provider_id, due_at=due_at)
    except IntegrityError:
        raise ReviewError(f"Another order is already bound to {upstream_id}.") from None


def send_again(*, order: Order, actor: User | None) -> None:
    """Requeue an order that staff confirmed was not accepted.

    Raise ReviewError while it would lose money: the next claim would only return it to review.
    """
    refuse_own(actor=actor, customer_id=order.customer_id)
    loss = loss_note(order)
    if loss:
        raise WouldLose(f"{loss} Refund it, or change the service's cost first.")
    with transaction.atomic():
        now = clock.now()
        text = "Sent again: staff made sure that it was not accepted"
        _move(order, to=Submission.QUEUED, text=text, actor=actor, values={"next_action_at": now, "queued_at": now})
        hint_after_commit("orders.tasks.submit_orders")


def send_at_once(*, order: Order, actor: User | None) -> None:
    """Send a queued order now that waits for another try. Raise ReviewError for any other, OrderMoved if it moved."""
    refuse_own(actor=actor, customer_id=order.customer_id)
    if order.submission != Submission.QUEUED or order.review_reason:
        raise ReviewError("Only an order that waits in the queue can be sent at once.")
    with transaction.atomic():
        move(
            order=order,
            to=Submission.QUEUED,
            text="Sent at once: staff did not wait for the next try",
            actor=actor,
            values={"next_action_at": clock.now()},
        )
        hint_after_commit("orders.tasks.submit_orders")


def refund_unaccepted(*, order: Order, note: str, actor: User | None, why: Why = UNSTATED) -> None:
    """Cancel an order that was not accepted and refund it in full. `note` is for the customer, `why` for staff.

    Raise AboveLimit.
    """
    refuse_own(actor=actor, customer_id=order.customer_id)
    _check_undecided(order)
    with transaction.atomic():
        _record(order, order.net_charge, actor, why)
        cancel_unaccepted(order=order, submission=Submission.REFUSED, note=note, actor=actor)


def refund_part(*, order: Order, amount: int, note: str, actor: User | None, why: Why = UNSTATED) -> None:
    """Refund `amount` micro-units of an accepted order and close its review.

    Raise ReviewError if it exceeds what is left of the charge, OrderMoved if that changed, AboveLimit.
    """
    refuse_own(actor=actor, customer_id=order.customer_id)
    if order.submission != Submission.ACCEPTED:
        raise ReviewError("Only an accepted order can be refunded in part.")
    if not 0 < amount <= order.net_charge:
        raise ReviewError("Give back more than nothing, and at most what is left of the charge.")
    with transaction.atomic():
        _record(order, amount, actor, why)
        refund_up_to(order=order, target=order.refunded + amount, text=note, actor=actor)
        close_review(order=order, closed=closed_columns(order))


def dismiss_review(*, order: Order, note: str, actor: User | None) -> None:
    """Close a review and change nothing else. Raise ReviewError if the order is queued or in doubt."""
    refuse_own(actor=actor, customer_id=order.customer_id)
    if order.submission in UNDECIDED:
        raise ReviewError("Bind its id, send it again or refund it: it cannot be left as it is.")
    with transaction.atomic():
        close_review(order=order, closed=closed_columns(order))
        write_event(order_id=order.pk, kind=EventKind.STAFF, text=note, actor=actor, public=False)


def _record(order: Order, amount: int, actor: User | None, why: Why) -> None:
    record_deed(actor=actor, kind=Kind.REFUND, amount=amount, about=order, customer_id=order.customer_id, why=why)


def _check_undecided(order: Order) -> None:
    if order.submission not in UNDECIDED or (order.submission == Submission.QUEUED and not order.review_reason):
        raise ReviewError("This order is not in doubt and does not wait for review.")


def _move(order: Order, *, to: Submission, text: str, actor: User | None, values: Mapping[str, object]) -> None:
    _check_undecided(order)
    move(order=order, to=to, text=text, actor=actor, values={**values, **closed_columns(order)})
