"""Moving orders: the only module that writes `submission` and `status` of an existing order.

Every move is a conditional update on what the caller read. It stays within SUBMISSION_MOVES and sets the columns
that the new submission implies. All functions run inside the caller's transaction; those that move a single order
write an event to its timeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db.models import OuterRef, QuerySet, Subquery

from orders.common.timeline import write_event
from orders.models import Order, PlacementAttempt
from orders.states import SUBMISSION_MOVES, EventKind, Status, Submission, may_follow, reachable_from
from panel.accounts.models import User
from panel.lib.bulk_sql import update_rows
from panel.lib.digits import whole_number
from panel.lib.prepared_sql import update_row

NO_REVIEW: dict[str, object] = {"review_reason": "", "review_since": None, "review_note": "", "review_finding": ""}

_RESOLVED: dict[str, object] = {"lease_until": None, "doubt_until": None, **NO_REVIEW}
_ENDED: dict[str, object] = {**_RESOLVED, "status": Status.CANCELED, "next_action_at": None, "next_poll_at": None}

# The columns that each submission sets. An order in doubt keeps the deadline that it already has.
IMPLIED: dict[Submission, dict[str, object]] = {
    # It goes first: it waited for a turn before.
    Submission.QUEUED: {**_RESOLVED, "claim_token": "", "turn": 0},
    Submission.SUBMITTING: {},
    Submission.ACCEPTED: {
        **_RESOLVED,
        "next_action_at": None,
        "accepted_attempt": Subquery(
            PlacementAttempt.objects.filter(token=OuterRef("claim_token")).order_by().values("pk")[:1]
        ),
    },
    Submission.REFUSED: _ENDED,
    Submission.WITHDRAWN: _ENDED,
    Submission.IN_DOUBT: {"lease_until": None},
}

# The columns that a provider's answers may change.
FOLLOWED = (
    "status",
    "refunded",
    "remains",
    "start_count",
    "upstream_charge",
    "finished_at",
    "checked_at",
)


def id_columns(upstream_id: str) -> dict[str, object]:
    """Return the columns that hold an order's id at its provider: as text, and as a number where it is one."""
    number = whole_number(upstream_id)
    return {"upstream_id": upstream_id, "upstream_number": number if str(number) == upstream_id else None}


class OrderMoved(Exception):
    """Another process changed the order after it was read. The caller rolls back."""


def move_all(orders: QuerySet[Order], *, to: Submission, values: Mapping[str, object]) -> int:
    """Move the `orders` that may become `to`, in one statement and without events. Return how many moved."""
    return orders.filter(submission__in=reachable_from(to)).update(submission=to, **{**IMPLIED[to], **values})


def move(
    *,
    order: Order,
    to: Submission,
    values: Mapping[str, object],
    seen: Sequence[str] = (),
    text: str | None = None,
    actor: User | None = None,
) -> None:
    """Move the order if its submission, claim, review and the columns in `seen` are unchanged since it was read.

    `text` is for staff; None writes no event. `order` itself is not changed. Raise OrderMoved if a column changed
    or SUBMISSION_MOVES has no such move.
    """
    if to not in SUBMISSION_MOVES[Submission(order.submission)]:
        raise OrderMoved(f"order {order.pk} is {order.submission} and cannot become {to}")
    _write(order, ("submission", "claim_token", "review_reason", *seen), {"submission": to, **IMPLIED[to], **values})
    if text is not None:
        write_event(
            order_id=order.pk,
            kind=EventKind.SUBMISSION,
            old=order.submission,
            new=to,
            text=text,
            actor=actor,
            public=False,
        )


def change_status(*, order: Order, to: Status, values: Mapping[str, object], text: str, actor: User | None) -> None:
    """Give an accepted order the status that staff chose. `text` is for the customer.

    Raise OrderMoved if the order is not accepted or changed since staff read it.
    """
    if order.submission != Submission.ACCEPTED:
        raise OrderMoved(f"order {order.pk} is {order.submission}")
    # With the remains, from which the refund follows: a poll may have written others.
    _write(order, ("submission", "status", "refunded", "review_reason", "remains"), {"status": to, **values})
    if to == order.status:
        write_event(order_id=order.pk, kind=EventKind.STAFF, text=text, actor=actor)
    else:
        write_event(order_id=order.pk, kind=EventKind.STATUS, old=order.status, new=to, text=text, actor=actor)


def close_review(*, order: Order, closed: Mapping[str, object], seen: Sequence[str] = ()) -> None:
    """Take the order out of review, and write the columns `closed`, which keep staff from being asked again.

    Raise OrderMoved if its submission, review or a column in `seen` changed since it was read.
    """
    _write(order, ("submission", "review_reason", *seen), {**NO_REVIEW, **closed})


def write_answers(*, orders: Sequence[Order], was: Mapping[int, tuple[str, int]]) -> None:
    """Write the columns in FOLLOWED of accepted orders, in one statement and without events.

    `was` maps each order's id to the status and refund (micro-units) that it had when it was locked. Raise OrderMoved
    if one of them changed, if a new status may not follow the old one, or if a refund would shrink. Some orders may
    be written by then: the caller rolls back.
    """
    for order in orders:
        status, refunded = was[order.pk]
        if (order.status != status and not may_follow(status, order.status)) or order.refunded < refunded:
            raise OrderMoved(f"order {order.pk} was {status} and cannot become {order.status}")
    rows = [
        (order.pk, *was[order.pk], Submission.ACCEPTED, *(getattr(order, name) for name in FOLLOWED))
        for order in orders
    ]
    written = update_rows(model=Order, columns=FOLLOWED, rows=rows, unmoved=("status", "refunded", "submission"))
    if written != len(rows):
        raise OrderMoved(f"{written} of {len(rows)} orders written")


def _write(order: Order, read: Sequence[str], values: Mapping[str, object]) -> None:
    same = {name: getattr(order, name) for name in read}
    if not update_row(model=Order, same={"pk": order.pk, **same}, values=values):
        raise OrderMoved(f"order {order.pk}")
