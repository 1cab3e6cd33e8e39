"""Posting refunds, and canceling orders that were not accepted. Call every function inside a transaction.

The order's row is locked first, its wallet second. The refund is posted in the transaction of the change that
causes it, under a key made from its target, so neither a crash nor a repetition can post it twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Sum

from billing import ledger
from billing.models import Entry
from billing.wallets import wallet_ids_of
from orders.common.timeline import event_of, write_event
from orders.common.transitions import OrderMoved, move
from orders.models import Order, OrderEvent
from orders.states import EventKind, Status, Submission
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.money import format_money


@dataclass(frozen=True, slots=True)
class Refunded:
    """A refund of `amount` micro-units, which makes `target` in total; `text` tells the customer why."""

    order: Order
    amount: int
    target: int
    text: str


def refund_up_to(*, order: Order, target: int, text: str, actor: User | None = None) -> int:
    """Raise the order's total refund to `target` micro-units, post the difference and return it.

    Return 0 if that much was refunded before: a refund is never taken back. Raise OrderMoved if the order's refund
    changed since it was read.
    """
    amount = target - order.refunded
    if amount <= 0:
        return 0
    moved = Order.objects.filter(pk=order.pk, refunded=order.refunded, charge__gte=target).update(refunded=target)
    if not moved:
        raise OrderMoved(f"order {order.pk}")
    post_refunds(refunds=[Refunded(order, amount, target, text)], actor=actor)
    order.refunded = target
    return amount


def cancel_unaccepted(
    *, order: Order, submission: Submission, note: str, actor: User | None = None, staff_text: str = ""
) -> None:
    """Cancel an order that was not accepted and refund all of it.

    `submission` is REFUSED or WITHDRAWN. One statement changes status and refund, as a constraint requires. `note` is
    for the customer, `staff_text` for staff. Raise OrderMoved if the order changed since it was read.
    """
    move(
        order=order,
        to=submission,
        seen=("refunded",),
        text=staff_text,
        actor=actor,
        values={"status_note": note[:300], "refunded": order.charge, "finished_at": clock.now()},
    )
    write_event(order_id=order.pk, kind=EventKind.STATUS, old=order.status, new=Status.CANCELED, text=note, actor=actor)
    amount = order.charge - order.refunded
    if amount:
        post_refunds(refunds=[Refunded(order, amount, order.charge, note)], actor=actor)


def post_refunds(*, refunds: Sequence[Refunded], actor: User | None = None) -> None:
    """Post each refund to its customer's wallet and write an event to the order's timeline, in a few statements.

    Raise LedgerError if one cannot be posted; then none was.
    """
    wallets = wallet_ids_of(customer_ids={refund.order.customer_id for refund in refunds})
    ledger.post_all(lines=[_line(refund, wallets[refund.order.customer_id], actor) for refund in refunds])
    OrderEvent.objects.bulk_create(_event(refund, actor) for refund in refunds)


def refunded_by_answers(*, order_ids: Collection[int]) -> dict[int, int]:
    """Return how much of each order was refunded without a person, in micro-units. Orders without such a refund are
    left out.
    """
    entries = Entry.objects.filter(order_ref__in=list(order_ids), kind=Entry.Kind.REFUND, actor=None)
    return dict(entries.order_by().values_list("order_ref").annotate(Sum("amount")))


def _line(refund: Refunded, wallet_id: int, actor: User | None) -> ledger.Line:
    return ledger.Line(
        wallet_id=wallet_id,
        amount=refund.amount,
        kind=Entry.Kind.REFUND,
        key=f"order:{refund.order.pk}:refund:{refund.target}",
        order_ref=refund.order.pk,
        memo=refund.order.service_name,
        actor_id=actor.pk if actor else None,
    )


def _event(refund: Refunded, actor: User | None) -> OrderEvent:
    shown = format_money(refund.amount, settings.PANEL_CURRENCY)
    return event_of(
        order_id=refund.order.pk,
        kind=EventKind.REFUND,
        new=str(refund.amount),
        text=f"Refunded {shown}: {refund.text}",
        actor=actor,
    )
