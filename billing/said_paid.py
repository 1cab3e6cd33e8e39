"""“I have paid”: what a customer says about a request, before staff decide about it."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction

from billing.deposits import MAX_REFERENCE, AlreadyDecided
from billing.models import Deposit
from billing.models.deposits import private_storage, receipt_path
from billing.receipts import Receipt
from panel.lib import clock


def say_paid(*, deposit_id: int, reference: str = "", receipt: Receipt | None = None) -> Deposit:
    """Store that the customer says that they have paid, and what it can be found by. Raise AlreadyDecided.

    Said again, the first time stays, and a new reference or receipt replaces the one before. The request now waits for
    staff, so it does not expire.
    """
    # Before the transaction, which locks all of SQLite while megabytes are written.
    storage = private_storage()
    stored = storage.save(receipt_path(Deposit(), f"x{receipt.type.suffix}"), receipt.file) if receipt else ""
    is_done = False
    try:
        with transaction.atomic():
            deposit = Deposit.objects.select_for_update(of=("self",)).select_related("method").get(pk=deposit_id)
            if deposit.state != Deposit.State.PENDING:
                raise AlreadyDecided(deposit)
            changes: dict[str, Any] = {"paid_at": deposit.paid_at or clock.now(), "expires_at": None}
            if reference:
                changes["reference"] = reference[:MAX_REFERENCE]
            if receipt:
                changes |= {"receipt": stored, "receipt_name": receipt.name}
            if receipt and deposit.receipt:
                transaction.on_commit(partial(storage.delete, deposit.receipt.name or ""))
            for name, value in changes.items():
                setattr(deposit, name, value)
            deposit.save(update_fields=list(changes))
        is_done = True
    finally:
        if stored and not is_done:
            storage.delete(stored)
    return deposit
