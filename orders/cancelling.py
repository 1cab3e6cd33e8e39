"""Cancelling: at once and in full before an order was sent; afterwards the provider is asked.

A wish to cancel moves no money: what comes back follows the order's status, which polling reads.
Locks are taken in the order: order, cancel request. Both functions that lock join that order.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from orders.events import write_event
from orders.models import CancelRequest, Order
from orders.settling import OrderMoved, end_unplaced
from orders.states import CancelState, Placement, ReviewReason
from panel.hints import hint_after_commit

ASK_AGAIN_AFTER = timedelta(hours=24)
"""A request that was taken, and of which nothing came, may be repeated after this long."""
AFTER_REFUSAL = timedelta(hours=1)

BEING_SENT = "It is being sent to the provider right now. Nothing was changed; try again in a few minutes."
BEING_LOOKED_FOR = (
    "We are finding out whether it was placed. Nothing was changed; try again in a few minutes, it is refunded in "
    "full if it was not."
)


class TooLate(Exception):
    """It cannot be canceled now; nothing was changed. The message is for the customer."""


class CancelOutcome(StrEnum):
    WITHDRAWN = "withdrawn"  # canceled and refunded in full
    ASKED = "asked"  # the provider is being asked, by this wish or by an earlier one


def may_withdraw(order: Order) -> bool:
    """Whether nothing of it is with the provider. Words never seen before leave that to staff."""
    return order.placement == Placement.QUEUED and order.review_reason != ReviewReason.UNKNOWN_ERROR


def may_cancel(order: Order) -> bool:
    """Whether `cancel_order` would do something new now."""
    if may_withdraw(order):
        return True
    return not why_not_asked(order) and order.service.upstream.cancel and not _asked_lately(order).exists()


def why_not_asked(order: Order) -> str:
    """Why the provider cannot be asked to cancel the order, for the customer; "" if it can."""
    if order.is_final:
        return "It has ended already."
    if order.placement == Placement.PLACING:
        return BEING_SENT
    if order.placement == Placement.IN_DOUBT:
        return BEING_LOOKED_FOR
    if order.placement == Placement.QUEUED:
        return "It is being looked at by our team, who will cancel it if it was not placed."
    return ""


def cancel_order(*, order: Order, actor: Any) -> CancelOutcome:
    """Cancels it at once if it was not sent, else has the provider asked. Raises TooLate."""
    order.refresh_from_db()
    if may_withdraw(order):
        withdraw_order(order=order, actor=actor)
        return CancelOutcome.WITHDRAWN
    if not order.is_final and order.placement == Placement.PLACED and not order.service.upstream.cancel:
        raise TooLate("This service cannot be canceled once it was sent.")
    request_cancel(order=order, actor=actor)
    return CancelOutcome.ASKED


def withdraw_order(*, order: Order, actor: Any) -> None:
    """Cancels a queued order with all its money back. Raises TooLate."""
    if not may_withdraw(order):
        raise TooLate("This order has been sent already and can no longer be canceled here.")
    try:
        with transaction.atomic():
            end_unplaced(
                order=order,
                placement=Placement.WITHDRAWN,
                note="Canceled before it was sent",
                actor=actor,
            )
    except OrderMoved:
        raise TooLate("This order has just been sent and can no longer be canceled here.") from None


def request_cancel(*, order: Order, actor: Any, patient: bool = True) -> bool:
    """Has the provider asked, whatever the service allows; False if that is under way already.

    `patient`: after a refusal it waits an hour. Raises TooLate.
    """
    try:
        with transaction.atomic():
            return _request(order, actor, patient)
    except IntegrityError:
        return False  # A second click at the same moment: one request is enough.


def _request(order: Order, actor: Any, patient: bool) -> bool:
    now = timezone.now()
    # NO KEY: whoever writes its timeline meanwhile need not wait.
    locked = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
    if reason := why_not_asked(locked):
        raise TooLate(reason)
    latest = _asked_lately(locked).order_by("-pk").first()
    if latest is not None and latest.state != CancelState.REFUSED:
        return False
    if latest is not None and patient:
        raise TooLate("The provider has refused to cancel it. You can ask again an hour after that.")
    CancelRequest.objects.filter(order=locked, state=CancelState.ACCEPTED).update(
        state=CancelState.ENDED, finished_at=now, note="Taken by the provider, but nothing came of it. Asked again."
    )
    CancelRequest.objects.create(order=locked, provider_id=locked.provider_id, actor=actor)
    who = "You" if actor == locked.customer else "Our team"
    write_event(order_id=locked.pk, kind="cancel", text=f"{who} asked to cancel it", actor=actor)
    hint_after_commit("orders.tasks.send_requests")
    return True


def _asked_lately(order: Order) -> Any:
    """Requests that stand in the way of another one."""
    now = timezone.now()
    return CancelRequest.objects.filter(order=order).filter(
        Q(state__in=(CancelState.WAITING, CancelState.ASKING))
        | Q(state=CancelState.ACCEPTED, asked_at__gt=now - ASK_AGAIN_AFTER)
        | Q(state=CancelState.REFUSED, finished_at__gt=now - AFTER_REFUSAL)
    )


def close_cancel_requests(*, order_ids: list[int]) -> int:
    """The orders ended: nothing is asked about them any more. One statement; joins the caller's transaction."""
    return CancelRequest.objects.filter(order_id__in=order_ids, state__in=CancelState.open()).update(
        state=CancelState.ENDED, finished_at=timezone.now(), next_action_at=None, claim_token=""
    )
