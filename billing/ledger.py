"""The ledger: the only code that changes a balance or writes an entry.

A posting is a conditional update of the wallet and one entry, in one transaction. The caller chooses the key, and a key
posts once: posting it again with the same wallet, amount and kind returns the first entry, with others it raises. Lock
order everywhere: orders first, then wallets by id.

The ledger writes through `save_base` and plain querysets, as `save` and the managers of `Wallet` and `Entry` always
refuse. At commit the database refuses a balance that differs from its last entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from billing.models import Entry, OrderHold, Wallet
from panel.accounts.models import User
from panel.lib.bulk_sql import in_chunks
from panel.lib.money import MAX_MICROS

MAX_KEY = 100
MAX_MEMO = 300


class LedgerError(Exception):
    """Nothing was posted."""


class InsufficientFunds(LedgerError):
    """The debit exceeds balance and credit limit. Amounts are micro-units."""

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
    """A posted entry. `created` is False if the key had been posted before."""

    entry: Entry
    created: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One of several postings made together; `amount` in micro-units, negative for a debit."""

    wallet_id: int
    amount: int
    kind: str
    key: str
    order_ref: int | None = None
    memo: str = ""
    actor_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastLine(Line):
    """A posting of a wallet's history, with the moment at which it was made."""

    created_at: datetime
    drip_ref: int | None = None


def open_wallet(*, customer_id: int) -> Wallet:
    """Return the customer's wallet; create an empty one at the first call."""
    held = Wallet.objects.filter(customer_id=customer_id)
    if wallet := held.first():
        return wallet
    try:
        with transaction.atomic():
            wallet = Wallet(customer_id=customer_id)
            wallet.save_base(force_insert=True)
            return wallet
    except IntegrityError:
        # Another request created it first, or there is no such customer.
        if wallet := held.first():
            return wallet
        raise


def end_credit(*, wallet_id: int) -> None:
    """Let the wallet go below zero no longer. Raise IntegrityError if it is below zero already."""
    QuerySet(Wallet).filter(pk=wallet_id).update(credit_limit=0)


def hold_orders_of(*, customer_id: int) -> None:
    """Write in the customer's wallet that the orders are held. It moves no money."""
    QuerySet(Wallet).filter(customer_id=customer_id).update(order_hold=OrderHold.HELD)


def move_order_hold(*, customer_id: int, old: OrderHold, new: OrderHold | None) -> None:
    """Write how the hold of the customer's orders goes on, unless it is not `old` any more. It moves no money."""
    QuerySet(Wallet).filter(customer_id=customer_id, order_hold=old).update(order_hold=new)


def post(
    *,
    wallet_id: int,
    amount: int,
    kind: str,
    key: str,
    order_ref: int | None = None,
    drip_ref: int | None = None,
    memo: str = "",
    actor: User | None = None,
) -> Posting:
    """Move `amount` micro-units (negative for a debit) and write the entry, once per `key`.

    Joins the caller's transaction as a savepoint. Raise InsufficientFunds, KeyConflict, InvalidPosting.
    """
    _check(amount, key)
    try:
        with transaction.atomic():
            balance, seq = _move(wallet_id, amount, entries=1)
            entry = Entry(
                wallet_id=wallet_id,
                seq=seq,
                amount=amount,
                balance_after=balance,
                kind=kind,
                key=key,
                order_ref=order_ref,
                drip_ref=drip_ref,
                memo=memo[:MAX_MEMO],
                actor=actor,
            )
            entry.save_base(force_insert=True)
        return Posting(entry, created=True)
    except IntegrityError:
        # Outside the atomic block: PostgreSQL refuses every statement in a failed transaction.
        first = Entry.objects.filter(key=key).first()
        if first is None:
            raise InvalidPosting(f"the database refused {amount} for wallet {wallet_id}") from None
    except InsufficientFunds:
        # The same debit, posted before, may have emptied the wallet: its repetition must not raise.
        first = Entry.objects.filter(key=key).first()
        if first is None:
            raise
    if (first.wallet_id, first.amount, first.kind) != (wallet_id, amount, kind):
        raise KeyConflict(f"key {key} was used for another posting")
    return Posting(first, created=False)


def post_all(*, lines: Sequence[Line]) -> None:
    """Post all of `lines`, at least one, each as its own entry, or none of them.

    Three statements, and two more for each wallet, however many lines there are. The lines of one wallet are all debits
    or all credits. Joins the caller's transaction as a savepoint. Raise InsufficientFunds, InvalidPosting, or
    KeyConflict if any key was used before: the caller must recognise repetitions.
    """
    by_wallet: dict[int, list[Line]] = {}
    for line in lines:
        _check(line.amount, line.key)
        by_wallet.setdefault(line.wallet_id, []).append(line)
    if not lines:
        raise InvalidPosting("there is nothing to post")
    try:
        with transaction.atomic():
            entries = [entry for wallet_id in sorted(by_wallet) for entry in _chain(wallet_id, by_wallet[wallet_id])]
            unguarded: QuerySet[Entry] = QuerySet(Entry)
            unguarded.bulk_create(entries)
    except IntegrityError:
        # Outside the atomic block: PostgreSQL refuses every statement in a failed transaction.
        keys = [line.key for line in lines]
        used = any(Entry.objects.filter(key__in=part).exists() for part in in_chunks(keys, 500))
        if used or len(set(keys)) < len(keys):
            raise KeyConflict("one of the keys was used for another posting") from None
        raise InvalidPosting("the database refused one of the postings") from None


def _chain(wallet_id: int, lines: Sequence[Line]) -> list[Entry]:
    """Move the wallet's balance by the sum of `lines`; return their entries, numbered and unsaved."""
    total = sum(line.amount for line in lines)
    if abs(total) > MAX_MICROS or abs(total) != sum(abs(line.amount) for line in lines):
        raise InvalidPosting(f"cannot post {total} in debits and credits to wallet {wallet_id}")
    balance, seq = _move(wallet_id, total, entries=len(lines))
    return _entries(lines, balance=balance - total, seq=seq - len(lines))


def _entries(lines: Sequence[Line], *, balance: int, seq: int) -> list[Entry]:
    """Return unsaved entries of one wallet, which continue from this balance and this entry number."""
    balances = accumulate((line.amount for line in lines), initial=balance)
    return [
        Entry(
            wallet_id=line.wallet_id,
            seq=seq + place,
            amount=line.amount,
            balance_after=after,
            kind=line.kind,
            key=line.key,
            order_ref=line.order_ref,
            memo=line.memo[:MAX_MEMO],
            actor_id=line.actor_id,
        )
        for place, (line, after) in enumerate(zip(lines, list(balances)[1:], strict=True), start=1)
    ]


def post_past(*, lines: Sequence[PastLine]) -> None:
    """Post the whole history of wallets that have none yet, each entry at its own moment; all of it or nothing.

    Only the demo has a past that nobody lived through. `lines` are the oldest first. A statement for all entries, and
    two for each wallet. Joins the caller's transaction as a savepoint. Raise InsufficientFunds where the wallet would
    ever have been overdrawn, and InvalidPosting for lines that are not in sequence or a wallet that has entries.
    """
    by_wallet: dict[int, list[PastLine]] = {}
    for line in lines:
        _check(line.amount, line.key)
        by_wallet.setdefault(line.wallet_id, []).append(line)
    if any(later.created_at < earlier.created_at for earlier, later in pairwise(lines)):
        raise InvalidPosting("the lines are not in sequence")
    entries: list[Entry] = []
    with transaction.atomic():
        for wallet_id in sorted(by_wallet):
            entries += _first_entries(wallet_id, by_wallet[wallet_id])
        unguarded: QuerySet[Entry] = QuerySet(Entry)
        # Numbered by their moments over all wallets, as if they had been posted then.
        unguarded.bulk_create(sorted(entries, key=lambda entry: entry.created_at), batch_size=500)


def _first_entries(wallet_id: int, lines: Sequence[PastLine]) -> list[Entry]:
    """Give a wallet without entries the balance after all of `lines`; return their entries, unsaved."""
    entries = _entries(lines, balance=0, seq=0)
    for entry, line in zip(entries, lines, strict=True):
        entry.created_at, entry.drip_ref = line.created_at, line.drip_ref
    held: QuerySet[Wallet] = QuerySet(Wallet).filter(pk=wallet_id, entry_count=0)
    if not held.update(balance=entries[-1].balance_after, entry_count=len(entries)):
        raise InvalidPosting(f"wallet {wallet_id} has entries, or does not exist")
    limit = Wallet.objects.values_list("credit_limit", flat=True).get(pk=wallet_id)
    for entry in entries:
        if entry.balance_after < -limit:
            raise InsufficientFunds(needed=-entry.amount, available=entry.balance_after - entry.amount + limit)
    return entries


def _check(amount: int, key: str) -> None:
    if amount == 0 or abs(amount) > MAX_MICROS:
        raise InvalidPosting(f"cannot post {amount}")
    if not key or len(key) > MAX_KEY:
        raise InvalidPosting(f"a key has 1 to {MAX_KEY} characters")


def _move(wallet_id: int, amount: int, *, entries: int) -> tuple[int, int]:
    """Change the balance by `amount` for that many entries; return the new balance and the last entry's number."""
    wallets: QuerySet[Wallet] = QuerySet(Wallet).filter(pk=wallet_id)
    if amount < 0:
        # The condition is part of the update: with check-then-write, concurrent debits overdraw the wallet.
        wallets = wallets.filter(balance__gte=-F("credit_limit") - amount)
    if not wallets.update(balance=F("balance") + amount, entry_count=F("entry_count") + entries):
        held = Wallet.objects.filter(pk=wallet_id).values_list("balance", "credit_limit").first()
        if held is None:
            raise InvalidPosting(f"there is no wallet {wallet_id}")
        balance, limit = held
        raise InsufficientFunds(needed=-amount, available=balance + limit)
    return Wallet.objects.values_list("balance", "entry_count").get(pk=wallet_id)
