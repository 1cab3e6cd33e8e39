"""Staff moving money in a customer's wallet: a deposit that came in, a bonus, a correction."""

from __future__ import annotations

from billing import ledger
from billing.models import Entry, Wallet
from panel.accounts.models import User
from panel.lib.own_account import refuse_own

STAFF_KINDS = (Entry.Kind.DEPOSIT, Entry.Kind.BONUS, Entry.Kind.ADJUSTMENT)


def adjust_wallet(
    *, wallet: Wallet, amount: int, kind: str, reason: str, request_key: str, actor: User | None
) -> ledger.Posting:
    """Post `amount` micro-units to the wallet, once per `request_key`, so that a double click moves money once.

    Raise ledger.LedgerError, OwnAccount for the actor's own wallet, or ValueError if staff may not use the kind or the
    kind allows no debit.
    """
    refuse_own(actor=actor, customer_id=wallet.customer_id)
    if kind not in STAFF_KINDS:
        raise ValueError("Choose what this money is.")
    if amount < 0 and kind != Entry.Kind.ADJUSTMENT:
        raise ValueError("Only an adjustment can take money away.")
    return ledger.post(
        wallet_id=wallet.pk,
        amount=amount,
        kind=kind,
        key=f"staff:{request_key}",
        memo=reason,
        actor=actor,
    )
