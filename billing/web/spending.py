"""What a customer spent, by month and by service: charges less refunds. Amounts are micro-units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache
from django.db.models import Case, IntegerField, Sum, Value, When
from django.utils import timezone

from billing.models import Entry, Wallet

MONTHS = 12
MAX_SERVICES = 10
CACHED_SECONDS = 600
_KINDS = (Entry.Kind.ORDER, Entry.Kind.DRIP_FEED, Entry.Kind.REFUND)


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a chart; `share` is the percentage of the longest bar."""

    label: datetime | str
    spent: int
    share: int


@dataclass(frozen=True, slots=True)
class Spending:
    """`months` from the latest back, each by its first moment; `others` is the sum of services without a bar."""

    months: Sequence[Bar]
    services: Sequence[Bar]
    total: int
    others: int
    other_services: int


def spending_of(*, wallet: Wallet) -> Spending:
    """Return the spending of the last twelve months, this one included. Cached for ten minutes or until a new entry."""
    months = month_starts(timezone.localtime(), MONTHS)
    zone = timezone.get_current_timezone_name().replace("/", "-")
    key = f"spending:{wallet.pk}:{wallet.entry_count}:{months[0]:%Y%m}:{zone}"
    found: Spending | None = cache.get(key)
    if found is None:
        found = _count(wallet, months)
        cache.set(key, found, CACHED_SECONDS)
    return found


def month_starts(now: datetime, count: int) -> list[datetime]:
    """Return the first moments of the last `count` months in the time zone of `now`, the latest first."""
    number = now.year * 12 + now.month - 1
    return [
        timezone.make_aware(datetime(place // 12, place % 12 + 1, 1), now.tzinfo)
        for place in range(number, number - count, -1)
    ]


def _count(wallet: Wallet, months: list[datetime]) -> Spending:
    # Compare with bounds instead of truncating, which would call Python for each row on SQLite.
    month = Case(
        *(When(created_at__gte=start, then=Value(place)) for place, start in enumerate(months)),
        output_field=IntegerField(),
    )
    entries = Entry.objects.filter(wallet=wallet, kind__in=_KINDS, created_at__gte=months[-1]).order_by()
    by_month: Counter[int] = Counter()
    by_service: Counter[str] = Counter()
    for place, name, amount in (
        entries.annotate(month=month).values_list("month", "memo").annotate(amount=Sum("amount"))
    ):
        by_month[place] -= int(amount)
        by_service[name] -= int(amount)
    services = sorted(by_service.items(), key=lambda pair: (-pair[1], pair[0]))
    top = [pair for pair in services[:MAX_SERVICES] if pair[1] > 0]
    total = sum(by_month.values())
    return Spending(
        months=_bars([(start, by_month[place]) for place, start in enumerate(months)]),
        services=_bars(top),
        total=total,
        others=total - sum(spent for _, spent in top),
        other_services=sum(1 for _, spent in services[len(top) :] if spent),
    )


def _bars(rows: Sequence[tuple[datetime | str, int]]) -> list[Bar]:
    longest = max((spent for _, spent in rows), default=0)
    return [Bar(label, spent, max(0, spent) * 100 // longest if longest > 0 else 0) for label, spent in rows]
