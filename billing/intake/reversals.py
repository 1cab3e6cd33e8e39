"""Reversals: what a gateway took back is settled by staff, never by a debit of its own."""

from __future__ import annotations

from billing.models import Reversal
from panel.accounts.models import User
from panel.alerts.causes import Cause
from panel.alerts.services import resolve_alert


def settle_reversal(*, reversal_id: int, actor: User, note: str) -> bool:
    """Say that a reversal is settled, and how. Return False if somebody did so before."""
    waiting = Reversal.objects.filter(pk=reversal_id, state=Reversal.State.OPEN)
    if not waiting.update(state=Reversal.State.SETTLED, note=note[:300], settled_by=actor):
        return False
    payment_id = Reversal.objects.values_list("payment_id", flat=True).get(pk=reversal_id)
    resolve_alert(cause=Cause.REVERSAL, about=payment_id)
    return True
