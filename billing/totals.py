"""What moved in wallets in all, however many entries they have. Amounts are micro-units."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.core.cache import cache
from django.db.models import Count, Q, Sum

from billing.models import Entry, OrderHold, Wallet
from billing.statements import PAID_IN

# Entries of a wallet whose sums are cached together. Those after the last full block are read each time.
BLOCK = 1_000
CACHED_SECONDS = 30 * 24 * 3600
_READ = frozenset({*PAID_IN, Entry.Kind.REFUND})


@dataclass(frozen=True, slots=True)
class Totals:
    """`spent` is what orders and drip-feeds cost, less what was `refunded`; `deposits` is how many there were."""

    balance: int = 0
    spent: int = 0
    refunded: int = 0
    deposited: int = 0
    deposits: int = 0
    bonus: int = 0
    is_held: bool = False


# How many entries of a kind there are, and their sum, by kind.
_Sums = Mapping[str, tuple[int, int]]


def totals_of(*, customers: Collection[int]) -> dict[int, Totals]:
    """Return the totals of the customers that have a wallet: in two statements, and a third for what is not cached.

    Charges are most of the entries, and none is read: what came in and is not in the balance was spent. Entries never
    change, so the sums of a full block are cached for good.
    """
    wallets = list(Wallet.objects.filter(customer_id__in=customers))
    ends = {one.pk: one.entry_count - one.entry_count % BLOCK for one in wallets}
    earlier = _cached_sums({pk: end for pk, end in ends.items() if end})
    lately = _sums({one.pk: (ends[one.pk], one.entry_count) for one in wallets if one.entry_count > ends[one.pk]})
    return {one.customer_id: _totals(one, earlier.get(one.pk, {}), lately.get(one.pk, {})) for one in wallets}


def _totals(wallet: Wallet, earlier: _Sums, lately: _Sums) -> Totals:
    def amount(kind: str) -> int:
        return earlier.get(kind, (0, 0))[1] + lately.get(kind, (0, 0))[1]

    deposit = Entry.Kind.DEPOSIT
    return Totals(
        balance=wallet.balance,
        spent=sum(map(amount, PAID_IN)) - wallet.balance,
        refunded=amount(Entry.Kind.REFUND),
        deposited=amount(deposit),
        deposits=earlier.get(deposit, (0, 0))[0] + lately.get(deposit, (0, 0))[0],
        bonus=amount(Entry.Kind.BONUS),
        is_held=wallet.order_hold == OrderHold.HELD,
    )


def _cached_sums(ends: Mapping[int, int]) -> dict[int, _Sums]:
    """Return the sums of the first entries of each wallet, up to the number in `ends`."""
    if not ends:
        return {}
    keys = {pk: f"totals:{pk}:{end}" for pk, end in ends.items()}
    cached = cache.get_many(keys.values())
    found: dict[int, _Sums] = {pk: cached[key] for pk, key in keys.items() if key in cached}
    missing = _sums({pk: (0, end) for pk, end in ends.items() if pk not in found})
    cache.set_many({keys[pk]: sums for pk, sums in missing.items()}, CACHED_SECONDS)
    return found | missing


def _sums(ranges: Mapping[int, tuple[int, int]]) -> dict[int, _Sums]:
    """Return the sums of each wallet's entries after the first number, up to the second. One statement."""
    if not ranges:
        return {}
    wanted = Q()
    for pk, (before, last) in ranges.items():
        wanted |= Q(wallet=pk, seq__gt=before, seq__lte=last)
    rows = Entry.objects.filter(wanted, kind__in=_READ).order_by().values_list("wallet", "kind")
    found: dict[int, dict[str, tuple[int, int]]] = {pk: {} for pk in ranges}
    for pk, kind, count, amount in rows.annotate(count=Count("pk"), amount=Sum("amount")):
        found[pk][kind] = (count, amount)
    return dict(found)
