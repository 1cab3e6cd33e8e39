"""Recanted ends: an order that its provider ended and we refunded, and that the provider then delivers or charges.

A refund is never taken back, so nothing follows but a review and an alert. Pure: no database, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from orders.models import Order
from orders.refunds.policy import TOLERANCE_PERCENT, charges_beyond
from orders.states import OPEN, Status
from panel.lib.money import ceil_div


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """What a provider reports of an order that ended here. Charges are micro-units of the panel's currency.

    `known_charge` is the returned charge before this answer. Charges are None where there is none that we can read.
    """

    status: Status
    remains: int | None
    charge: int | None
    known_charge: int | None


def recants(order: Order, answer: LateAnswer, *, refunded: int) -> bool:
    """Return True if the answer takes back an end for which the provider's answers `refunded` so much, in micro-units.

    That is so if the order runs again after it was canceled, if more was delivered than the refund allows for, or if
    the charge rose beyond it. A charge that was known before is no news: many providers leave it on canceled orders.
    """
    if refunded <= 0:
        return False
    undelivered = _units_refunded(order, refunded)
    charge, known = answer.charge, answer.known_charge
    is_news = charge is not None and (known is None or charge > known)
    return (
        _runs_again(order, answer)
        or _delivers_more(order, answer, undelivered)
        or (is_news and charge is not None and charges_beyond(order, undelivered, charge))
    )


def confirms_end(order: Order, answer: LateAnswer, *, refunded: int) -> bool:
    """Return True if the answer agrees with the end and its refund, so that it resolves a review of a recanted end."""
    undelivered = _units_refunded(order, refunded)
    return not (
        answer.charge is None
        or _runs_again(order, answer)
        or _delivers_more(order, answer, undelivered)
        or charges_beyond(order, undelivered, answer.charge)
    )


def _runs_again(order: Order, answer: LateAnswer) -> bool:
    return order.status == Status.CANCELED and answer.status in OPEN


def _delivers_more(order: Order, answer: LateAnswer, undelivered: int) -> bool:
    """Return True if fewer are undelivered by the answer than were refunded.

    The tolerance is for refunds that follow from a charge, which providers round.
    """
    if answer.status == Status.COMPLETED:
        return undelivered > 0
    if order.is_package or answer.remains is None or answer.status not in (Status.PARTIAL, Status.IN_PROGRESS):
        return False
    return max(answer.remains, 0) < undelivered - order.quantity * TOLERANCE_PERCENT // 100


def _units_refunded(order: Order, refunded: int) -> int:
    """Return how much of the quantity a refund of so many micro-units is for."""
    return min(ceil_div(max(refunded, 0) * order.quantity, order.charge), order.quantity)
