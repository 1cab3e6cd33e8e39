"""Reversals: what a gateway took back is settled by staff, never by a debit of its own."""

from __future__ import annotations

from django.db import transaction

from billing.models import Reversal
from billing.order_holds import release_orders
from panel.accounts.models import User
from panel.alerts.causes import Cause
from panel.alerts.services import resolve_alert


def settle_reversal(*, reversal_id: int, actor: User, note: str) -> bool:
    """Say that a reversal is settled, and how: the customer may order again. Return False if somebody did so before."""
    with transaction.atomic():
        waiting = Reversal.objects.filter(pk=reversal_id, state=Reversal.State.OPEN)
        if not waiting.update(state=Reversal.State.SETTLED, note=note[:300], settled_by=actor):
            return False
        release_orders(reversal_id=reversal_id)
    payment_id = Reversal.objects.values_list("payment_id", flat=True).get(pk=reversal_id)
    resolve_alert(cause=Cause.REVERSAL, about=payment_id)
    return True
