"""The ledger: the only code that changes a balance or writes an entry.

A posting is a conditional update of the wallet and one entry, in one transaction. The caller chooses the
key, and a key posts once: posting it again with the same wallet, amount and kind returns the first entry,
with anything else it raises. Lock order everywhere: order rows first, then wallets by id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from billing.models import Entry, Wallet
from panel.money import MAX_MICROS

LONGEST_KEY = 100


class LedgerError(Exception):
    """Nothing was posted."""


class InsufficientFunds(LedgerError):
    """The debit would take the wallet below its credit limit. Amounts are micro-units."""

    def __init__(self, *, needed: int, available: int) -> None:
        super().__init__(f"needs {needed}, has {available}")
        self.needed = needed
        self.available = available


class KeyConflict(LedgerError):
    """The key was used for another wallet, amount or kind."""


class InvalidPosting(LedgerError):
    """The amount is zero or out of range, or would take the balance out of range."""


@dataclass(frozen=True, slots=True)
class Posting:
    """`created` is False when the key had been posted before."""

    entry: Entry
    created: bool


def post(
    *,
    wallet_id: int,
    amount: int,
    kind: str,
    key: str,
    order_ref: int | None = None,
    memo: str = "",
    actor: Any = None,
) -> Posting:
    """Moves `amount` micro-units (negative: a debit) and writes the entry, once per `key`.

    Joins the caller's transaction as a savepoint. Raises InsufficientFunds, KeyConflict, InvalidPosting.
    """
    if amount == 0 or abs(amount) > MAX_MICROS:
        raise InvalidPosting(f"cannot post {amount}")
    if not key or len(key) > LONGEST_KEY:
        raise InvalidPosting(f"a key has 1 to {LONGEST_KEY} characters")
    try:
        with transaction.atomic():
            entry = _move(wallet_id, amount, kind, key, order_ref, memo, actor)
        return Posting(entry, created=True)
    except IntegrityError:
        # Outside the atomic block: PostgreSQL refuses every statement in a failed transaction.
        first = Entry.objects.filter(key=key).first()
        if first is None:
            raise InvalidPosting(f"the database refused {amount} for wallet {wallet_id}") from None
    except InsufficientFunds:
        # A debit that went through before may have emptied the wallet: its repetition is no shortage.
        first = Entry.objects.filter(key=key).first()
        if first is None:
            raise
    if (first.wallet_id, first.amount, first.kind) != (wallet_id, amount, kind):
        raise KeyConflict(f"key {key} was used for another posting")
    return Posting(first, created=False)


def _move(wallet_id: int, amount: int, kind: str, key: str, order_ref: int | None, memo: str, actor: Any) -> Entry:
    wallets = Wallet.objects.filter(pk=wallet_id)
    if amount < 0:
        # The condition stands in the update itself: check-then-write is how debits are lost in races.
        wallets = wallets.filter(balance__gte=-F("credit_limit") - amount)
    if not wallets.update(balance=F("balance") + amount, version=F("version") + 1):
        held = Wallet.objects.filter(pk=wallet_id).values_list("balance", "credit_limit").first()
        if held is None:
            raise InvalidPosting(f"there is no wallet {wallet_id}")
        balance, limit = held
        raise InsufficientFunds(needed=-amount, available=balance + limit)
    balance, version = Wallet.objects.values_list("balance", "version").get(pk=wallet_id)
    return Entry.objects.create(
        wallet_id=wallet_id,
        seq=version,
        amount=amount,
        balance_after=balance,
        kind=kind,
        key=key,
        order_ref=order_ref,
        memo=memo[:300],
        actor=actor,
    )
