"""Writes customers' requests about the orders of the story: cancels and refills, each with its timeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from orders.models import CancelRequest, Order, OrderEvent, Refill
from orders.states import CancelState, EventKind, RefillState
from panel.demo.history.goods import DAY
from panel.demo.history.orders import ROWS, Shop
from panel.demo.history.sold import Sold
from panel.demo.history.story import Purchase
from panel.sandbox.delivery import REFILL_ENDS_AFTER, REJECTED
from panel.sandbox.past import PastRefill

# Seconds from the end of an order to the request of a refill, and from that to its end.
ASKED_AFTER, TOOK = 30 * 3_600, 9 * 3_600
# How long the one that is under way takes yet.
ENDS_IN = 13 * 60
_TOO_LATE = "The provider refused to cancel it: Order already completed."
_TOO_SOON = "The provider refused the refill: The last refill was less than 24 hours ago."
_STATES = {
    "completed": (RefillState.COMPLETED, "The refill is completed"),
    "rejected": (RefillState.REJECTED, "The provider rejected the refill"),
    "refused": (RefillState.REFUSED, _TOO_SOON),
    "pending": (RefillState.PENDING, ""),
}


def past_refills(purchases: Sequence[Purchase]) -> list[PastRefill]:
    """Return the refills as the provider has them. `place` counts all purchases; it knows none that it refused."""
    return [
        PastRefill(
            place,
            ENDS_IN if purchase.refill == "pending" else REFILL_ENDS_AFTER - DAY,
            REJECTED if purchase.refill == "rejected" else None,
        )
        for place, purchase in enumerate(purchases)
        if purchase.refill not in ("", "refused")
    ]


def write_requests(*, shop: Shop, sold: Sequence[Sold], orders: Sequence[Order], refill_ids: dict[int, int]) -> None:
    """Write the requests; `refill_ids` are the provider's, by the order's place."""
    pairs = list(zip(sold, orders, strict=True))
    cancels = [_cancel(shop, one, order) for one, order in pairs if one.purchase.cancel]
    CancelRequest.objects.bulk_create(cancels, batch_size=ROWS)
    refills = [
        _refill(shop, one, order, refill_ids.get(place))
        for place, (one, order) in enumerate(pairs)
        if one.purchase.refill
    ]
    Refill.objects.bulk_create(refills, batch_size=ROWS)
    events = [*_cancel_events(cancels), *_refill_events(refills)]
    OrderEvent.objects.bulk_create(sorted(events, key=lambda event: event.created_at), batch_size=ROWS)


def _cancel(shop: Shop, sold: Sold, order: Order) -> CancelRequest:
    purchase = sold.purchase
    takes = purchase.canceled_after if purchase.canceled_after is not None else purchase.ends_after or 0
    # An end by cancel follows the request in seconds; one that came too late crossed the end.
    age = purchase.accepted_age - takes + (20 if purchase.cancel != "accepted" else 40)
    request = CancelRequest(
        order=order,
        provider=shop.provider,
        actor=order.customer,
        created_at=shop.ago(age),
        asked_at=shop.ago(age - 3),
        attempts=1,
        next_action_at=None,
        state=CancelState.ACCEPTED,
    )
    if purchase.cancel == "ended":
        request.state, request.finished_at = CancelState.ENDED, order.finished_at
    elif purchase.cancel == "refused":
        request.state, request.note, request.finished_at = CancelState.REFUSED, _TOO_LATE, request.asked_at
    return request


def _refill(shop: Shop, sold: Sold, order: Order, upstream_id: int | None) -> Refill:
    state, note = _STATES[sold.purchase.refill]
    age = 20 * 60 if state == RefillState.PENDING else (sold.finished_age or 0) - ASKED_AFTER
    refill = Refill(
        order=order,
        provider=shop.provider,
        actor=order.customer,
        created_at=shop.ago(age),
        asked_at=shop.ago(age - 4),
        attempts=1,
        next_action_at=None,
        state=state,
        upstream_id="" if upstream_id is None else str(upstream_id),
        note=f"{note.rstrip('.')}." if note else "",
    )
    if state == RefillState.PENDING:
        refill.next_action_at = shop.ago(-45)
    else:
        refill.finished_at = shop.ago(age - (4 if state == RefillState.REFUSED else TOOK))
    return refill


def _cancel_events(cancels: Sequence[CancelRequest]) -> Iterator[OrderEvent]:
    for one in cancels:
        yield _event(one, one.created_at, EventKind.CANCEL, "You asked to cancel it", actor=one.actor)
        text = one.note if one.state == CancelState.REFUSED else "The provider was asked to cancel it"
        yield _event(one, one.asked_at, EventKind.CANCEL, text)


def _refill_events(refills: Sequence[Refill]) -> Iterator[OrderEvent]:
    for one in refills:
        yield _event(one, one.created_at, EventKind.REFILL, "You asked for a refill", actor=one.actor)
        if one.state != RefillState.REFUSED:
            yield _event(one, one.asked_at, EventKind.REFILL, "The provider took the refill")
        if one.finished_at:
            yield _event(one, one.finished_at, EventKind.REFILL, one.note.rstrip("."))


def _event(
    request: CancelRequest | Refill, at: datetime | None, kind: EventKind, text: str, **values: object
) -> OrderEvent:
    return OrderEvent(order=request.order, created_at=at or request.created_at, kind=kind, text=text, **values)
