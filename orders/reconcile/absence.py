"""Whether an order that was refused in unknown words is surely not at its provider. Then it is refunded.

That the provider said no, in whatever words, is not enough: some say so and accept. Nor is it enough that no id is
found: the answer to an order may come late. Together, with all ids asked up to that of an order which was sent an hour
after it, they are. An order that was sent twice, or that the provider refused for another reason too, is for a person.
"""

from __future__ import annotations

import structlog
from django.db import transaction

from orders.common.transitions import OrderMoved
from orders.models import Order
from orders.reconcile.match import IdWindow
from orders.refunds.posting import cancel_unaccepted
from orders.states import AttemptOutcome, Submission

log = structlog.get_logger(__name__)

NOTE = "This order was not accepted, so you have all your money back."


def was_only_refused(order: Order) -> bool:
    """Return True if the order reached its provider once, and was answered with a refusal in unknown words."""
    sent = order.submission_attempts.exclude(outcome=AttemptOutcome.NOT_SENT)
    return list(sent.values_list("outcome", flat=True)[:2]) == [AttemptOutcome.UNCLEAR]


def is_absent(*, window: IdWindow | None, orphans: int, is_explained: bool) -> bool:
    """Return True if an order that was only refused is surely not at its provider. Pure.

    The window was asked whole, and its upper end is the id of an order that was sent an hour after this one. `orphans`
    are the ids in it that no order of ours has. `is_explained`: nothing else orders with our key, and nothing was
    restored.
    """
    return window is not None and window.high is not None and orphans == 0 and is_explained


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
