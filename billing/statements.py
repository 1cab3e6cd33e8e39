"""Monthly statements of a wallet, and what was spent. Amounts are micro-units.

A month is a run of the wallet's entries: those after the last one of the month before, up to its own last one. So the
months of a wallet join without a gap, and the opening balance and the entries make the closing balance, whatever clocks
said while entries were written. Months are of the panel's time zone, so that a statement stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.core.cache import cache
from django.db.models import Case, Count, IntegerField, QuerySet, Sum, Value, When
from django.utils import timezone

from billing.models import Entry, Wallet

# A statement with more entries shows sums of days.
MAX_LINES = 500
CACHED_SECONDS = 24 * 3600
_PAID_IN = (Entry.Kind.DEPOSIT, Entry.Kind.BONUS, Entry.Kind.ADJUSTMENT)


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in the panel's time zone."""

    year: int
    number: int

    @property
    def first_day(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def last_day(self) -> date:
        return self.next.first_day - timedelta(days=1)

    @property
    def start(self) -> datetime:
        return _midnight(self.first_day)

    @property
    def next(self) -> Month:
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def previous(self) -> Month:
        return month_of(self.first_day - timedelta(days=1))

    def __lt__(self, other: Month) -> bool:
        return (self.year, self.number) < (other.year, other.number)


@dataclass(frozen=True, slots=True)
class Sums:
    """How many entries of a kind there were, and what they add up to; of a day, if it is one day's."""

    kind: str
    count: int
    amount: int


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a statement that is too long for its entries."""

    day: date
    count: int
    amount: int
    balance: int


@dataclass(frozen=True, slots=True)
class Statement:
    """What moved in a month. Its entries are those numbered from `first` to `last`; none if `last` is below `first`."""

    month: Month
    first: int
    last: int
    opening: int
    closing: int
    kinds: Sequence[Sums]
    days: Sequence[Day]

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    @property
    def is_long(self) -> bool:
        """Return True if the entries are too many to be listed."""
        return self.count > MAX_LINES


@dataclass(frozen=True, slots=True)
class Spent:
    """What orders and drip-feeds cost, less what was refunded."""

    in_all: int
    this_month: int


def month_of(day: date) -> Month:
    return Month(day.year, day.month)


def this_month() -> Month:
    return month_of(_local(timezone.now()).date())


def months_of(*, wallet: Wallet) -> list[Month]:
    """Return the months of the wallet from its first entry on, the latest first; none without an entry."""
    first = Entry.objects.filter(wallet=wallet, seq=1).values_list("created_at", flat=True).first()
    if first is None:
        return []
    months = [month_of(_local(first).date())]
    now = this_month()
    while months[-1] < now:
        months.append(months[-1].next)
    return months[::-1]


def statement_of(*, wallet: Wallet, month: Month) -> Statement:
    """Return the statement of a month. Its sums are cached: entries never change."""
    before, opening = _last_before(wallet, month.start)
    last, closing = _last_before(wallet, month.next.start)
    last = max(last, before)
    key = f"statement:{wallet.pk}:{month.first_day}:{before}:{last}"
    sums: list[tuple[int, str, int, int]] | None = cache.get(key)
    if sums is None:
        sums = _sums(entries_between(wallet=wallet, first=before + 1, last=last), month)
        cache.set(key, sums, CACHED_SECONDS)
    return Statement(
        month=month,
        first=before + 1,
        last=last,
        opening=opening,
        closing=closing if last > before else opening,
        kinds=_by_kind(sums),
        days=_by_day(sums, month, opening),
    )


def entries_between(*, wallet: Wallet, first: int, last: int) -> QuerySet[Entry]:
    """Return the wallet's entries with these numbers, both included, oldest first."""
    return Entry.objects.filter(wallet=wallet, seq__gte=first, seq__lte=last).order_by("seq")


def spent_of(*, wallet: Wallet) -> Spent:
    """Return what was spent, in three statements, however many orders there are.

    What came in is rarer than orders, and all of it that is not in the balance was spent.
    """
    paid_in = Entry.objects.filter(wallet=wallet, kind__in=_PAID_IN, seq__lte=wallet.entry_count).order_by()
    before, opening = _last_before(wallet, this_month().start)
    in_all = paid_in.aggregate(total=Sum("amount"))["total"] or 0
    lately = paid_in.filter(seq__gt=before).aggregate(total=Sum("amount"))["total"] or 0
    return Spent(in_all=in_all - wallet.balance, this_month=opening + lately - wallet.balance)


def _last_before(wallet: Wallet, moment: datetime) -> tuple[int, int]:
    """Return the number of the last entry before `moment`, and the balance after it; zeros if there is none."""
    entries = Entry.objects.filter(wallet=wallet, created_at__lt=moment).order_by("-created_at", "-seq")
    return entries.values_list("seq", "balance_after").first() or (0, 0)


def _sums(entries: QuerySet[Entry], month: Month) -> list[tuple[int, str, int, int]]:
    """Return (day of the month, kind, count, amount), by day.

    Days are compared with their bounds, latest first: cutting times off would call Python for each row on SQLite.
    """
    starts = [_midnight(month.first_day + timedelta(days=place)) for place in range(month.last_day.day)]
    numbered = reversed(list(enumerate(starts, start=1)))
    day = Case(
        *(When(created_at__gte=start, then=Value(number)) for number, start in numbered),
        default=Value(1),
        output_field=IntegerField(),
    )
    rows = entries.order_by().annotate(day=day).values_list("day", "kind")
    return sorted(rows.annotate(count=Count("pk"), amount=Sum("amount")).values_list("day", "kind", "count", "amount"))


def _by_kind(sums: Sequence[tuple[int, str, int, int]]) -> list[Sums]:
    """Return the sums of each kind that there was, in the order of `Entry.Kind`."""
    found = []
    for kind in Entry.Kind.values:
        rows = [(count, amount) for _, one, count, amount in sums if one == kind]
        if rows:
            found.append(Sums(kind, sum(count for count, _ in rows), sum(amount for _, amount in rows)))
    return found


def _by_day(sums: Sequence[tuple[int, str, int, int]], month: Month, opening: int) -> list[Day]:
    """Return the days on which something moved, with the balance after each."""
    days = []
    for number in sorted({row[0] for row in sums}):
        rows = [(count, amount) for day, _, count, amount in sums if day == number]
        amount = sum(amount for _, amount in rows)
        opening += amount
        days.append(Day(month.first_day.replace(day=number), sum(count for count, _ in rows), amount, opening))
    return days


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime(day.year, day.month, day.day), timezone.get_default_timezone())


def _local(moment: datetime) -> datetime:
    return timezone.localtime(moment, timezone.get_default_timezone())
