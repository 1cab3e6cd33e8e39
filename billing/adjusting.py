"""Staff moving money in a customer's wallet: a deposit that came in, a bonus, a correction."""

from __future__ import annotations

from django.db import transaction

from billing import ledger
from billing.models import Entry, Wallet
from panel.accounts.models import User
from panel.lib.own_account import refuse_own
from panel.staff.deeds import UNSTATED, AboveLimit, Why, record_deed
from panel.staff.kinds import Kind

STAFF_KINDS = (Entry.Kind.DEPOSIT, Entry.Kind.BONUS, Entry.Kind.ADJUSTMENT)
# Which limit counts.
LIMITED_AS = {Entry.Kind.DEPOSIT: Kind.DEPOSIT, Entry.Kind.BONUS: Kind.BONUS, Entry.Kind.ADJUSTMENT: Kind.CREDIT}


class _Repeated(Exception):
    """The key was posted before."""

    def __init__(self, posting: ledger.Posting) -> None:
        self.posting = posting


def adjust_wallet(
    *,
    wallet: Wallet,
    amount: int,
    kind: str,
    reason: str,
    request_key: str,
    actor: User | None,
    why: Why = UNSTATED,
) -> ledger.Posting:
    """Post `amount` micro-units to the wallet, once per `request_key`, so that a double click moves money once.

    `reason` is for the customer, `why` for staff. Raise ledger.LedgerError, AboveLimit, OwnAccount for the actor's own
    wallet, or ValueError if staff may not use the kind or the kind allows no debit.
    """
    refuse_own(actor=actor, customer_id=wallet.customer_id)
    if kind not in STAFF_KINDS:
        raise ValueError("Choose what this money is.")
    if amount < 0 and kind != Entry.Kind.ADJUSTMENT:
        raise ValueError("Only an adjustment can take money away.")

    def post() -> ledger.Posting:
        key = f"staff:{request_key}"
        return ledger.post(wallet_id=wallet.pk, amount=amount, kind=kind, key=key, memo=reason, actor=actor)

    is_posted = Entry.objects.filter(key=f"staff:{request_key}").exists
    if is_posted():
        return post()
    try:
        with transaction.atomic():
            record_deed(
                actor=actor,
                kind=LIMITED_AS[Entry.Kind(kind)],
                amount=amount,
                about=wallet,
                customer_id=wallet.customer_id,
                why=why,
            )
            posting = post()
            if not posting.created:
                raise _Repeated(posting)  # It counts once.
            return posting
    except _Repeated as repeated:
        return repeated.posting
    except AboveLimit:
        if is_posted():
            return post()  # The first half of a double click used the limit up.
        raise
