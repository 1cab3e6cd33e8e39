"""Whether an order that was refused in unknown words is surely not at its provider. Then it is refunded.

That the provider said no, in whatever words, is not enough: some say so and accept. Nor is it enough that no id is
found: the answer to an order may come late. Together, with all ids asked up to that of an order which was sent an hour
after it, they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from django.db import transaction

from orders.common.transitions import OrderMoved
from orders.models import Order, PlacementAttempt
from orders.reconcile.match import IdWindow
from orders.refunds.posting import cancel_unaccepted
from orders.states import MAYBE_ACCEPTED, AttemptOutcome, Submission

log = structlog.get_logger(__name__)

NOTE = "This order was not accepted, so you have all your money back."


def was_only_refused(order: Order) -> bool:
    """Return True if each attempt that may have been accepted was answered, with a refusal in unknown words."""
    return _is_refusal_alone(list(order.submission_attempts.filter(outcome__in=MAYBE_ACCEPTED)))


def _is_refusal_alone(attempts: Sequence[PlacementAttempt]) -> bool:
    return bool(attempts) and all(one.outcome == AttemptOutcome.UNCLEAR for one in attempts)


def is_absent(*, only_refused: bool, window: IdWindow, orphans: int, may_bind: bool) -> bool:
    """Return True if the order is surely not at its provider. Pure.

    The window was asked whole, and its upper end is the id of an order that was sent an hour after this one. `orphans`
    are the ids in it that no order of ours has. `may_bind`: our money there is explained, and nothing was restored.
    """
    return only_refused and may_bind and orphans == 0 and window.high is not None


def refund_absent(*, order: Order, window: IdWindow) -> bool:
    """Cancel and refund the order. Return False if it moved meanwhile."""
    text = f"Refused in unknown words, and none of its ids from {window.first} to {window.last} is this order"
    try:
        with transaction.atomic():
            cancel_unaccepted(order=order, submission=Submission.REFUSED, note=NOTE, staff_text=text)
    except OrderMoved:
        return False
    log.info("unknown refusal refunded", order=order.pk)
    return True
