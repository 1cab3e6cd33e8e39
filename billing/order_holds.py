"""Hold a customer's orders: no new ones are created, and none in the queue is sent, until each reversal is settled.

    (none) → held → ending → (none)

`ending` lasts until the orders that were kept back queue again, which the next round of sending sees to.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from billing import ledger
from billing.models import OrderHold, Reversal, Wallet
from billing.wallets import lock_wallet


def hold_orders(*, reversal: Reversal, customer_id: int) -> None:
    """Hold the customer's orders because of the reversal. Joins a transaction."""
    Reversal.objects.filter(pk=reversal.pk).update(holds_orders=True)
    lock_wallet(customer_id=customer_id)
    ledger.hold_orders_of(customer_id=customer_id)


def release_orders(*, reversal_id: int) -> bool:
    """Let the customer order again, unless another reversal holds the orders. Return False if this one does not."""
    with transaction.atomic():
        if not Reversal.objects.filter(pk=reversal_id, holds_orders=True).update(holds_orders=False):
            return False
        customer_id = Reversal.objects.values_list("payment__deposit__customer_id", flat=True).get(pk=reversal_id)
        lock_wallet(customer_id=customer_id)
        # After the lock: of two that are released at once, the second sees the first.
        others = Reversal.objects.filter(holds_orders=True, payment__deposit__customer_id=customer_id)
        if not others.exists():
            ledger.move_order_hold(customer_id=customer_id, old=OrderHold.HELD, new=OrderHold.ENDING)
    return True


def released_customers() -> list[int]:
    """Return the ids of the customers whose orders are to queue again."""
    return list(Wallet.objects.filter(order_hold=OrderHold.ENDING).values_list("customer_id", flat=True))


def end_hold(*, customer_id: int) -> None:
    """Say that all orders of the customer queue again. Nothing happens if they are held anew."""
    ledger.move_order_hold(customer_id=customer_id, old=OrderHold.ENDING, new=None)


def held_customers() -> QuerySet[Wallet, int]:
    """Return the ids of the customers whose orders are held."""
    return Wallet.objects.filter(order_hold=OrderHold.HELD).values_list("customer_id", flat=True)
