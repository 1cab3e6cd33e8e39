"""Giving money back, and ending orders that will not be delivered. Every function joins a transaction.

The order row is locked first, its wallet second; the refund is posted in the transaction of the change
that causes it, under a key made of its target, so that no crash and no repetition can post it twice.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import timezone

from billing import ledger
from billing.models import Entry
from billing.wallets import wallet_id_of
from orders.common.timeline import write_event
from orders.common.transitions import OrderMoved, move
from orders.models import Order
from orders.states import EventKind, Placement, Status
from panel.lib.money import format_money


def refund_up_to(*, order: Order, target: int, text: str, actor: Any = None) -> int:
    """Raises what was refunded to `target` micro-units and posts the difference, which it returns.

    Never lowers it: nothing is clawed back. Raises OrderMoved.
    """
    amount = target - order.refunded
    if amount <= 0:
        return 0
    moved = Order.objects.filter(pk=order.pk, refunded=order.refunded, charge__gte=target).update(refunded=target)
    if not moved:
        raise OrderMoved(f"order {order.pk}")
    post_refund(order=order, amount=amount, target=target, text=text, actor=actor)
    order.refunded = target
    return amount


def end_unplaced(*, order: Order, placement: Placement, note: str, actor: Any = None, staff_text: str = "") -> None:
    """Cancels an order that was not placed, with all its money back. Raises OrderMoved.

    `placement` is refused or withdrawn. Status and refund change in one statement: the database would
    not hold a refused order that kept its money. `note` is for the customer, `staff_text` for staff.
    """
    move(
        order=order,
        to=placement,
        seen=("refunded",),
        text=staff_text,
        actor=actor,
        values={"status_note": note[:300], "refunded": order.charge, "finished_at": timezone.now()},
    )
    write_event(order_id=order.pk, kind=EventKind.STATUS, old=order.status, new=Status.CANCELED, text=note, actor=actor)
    amount = order.charge - order.refunded
    if amount:
        post_refund(order=order, amount=amount, target=order.charge, text=note, actor=actor)


def post_refund(*, order: Order, amount: int, target: int, text: str, actor: Any = None) -> None:
    """Posts `amount` to the customer's wallet and tells so in the timeline."""
    ledger.post(
        wallet_id=wallet_id_of(customer_id=order.customer_id),
        amount=amount,
        kind=Entry.Kind.REFUND,
        key=f"order:{order.pk}:refund:{target}",
        order_ref=order.pk,
        memo=order.service_name,
        actor=actor,
    )
    shown = format_money(amount, settings.PANEL_CURRENCY, exact=True)
    write_event(
        order_id=order.pk, kind=EventKind.REFUND, new=str(amount), text=f"Refunded {shown}: {text}", actor=actor
    )
