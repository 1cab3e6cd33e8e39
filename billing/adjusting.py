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
    """Moves `amount` micro-units, once for each `request_key`: a form sent twice moves money once.

    Raises ledger.LedgerError, OwnAccount for the actor's own wallet, and ValueError for a kind that is not staff's
    or a debit called a deposit.
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
