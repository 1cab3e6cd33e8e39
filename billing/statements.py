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
from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from billing.models import Entry, Wallet

# A statement with more entries shows sums of days.
MAX_LINES = 500
CACHED_SECONDS = 24 * 3600
# All but charges of orders: these outnumber the others together.
_RARE = tuple(kind for kind in Entry.Kind if kind != Entry.Kind.ORDER)
# A fee is less money that came in, and no spending.
PAID_IN = (Entry.Kind.DEPOSIT, Entry.Kind.FEE, Entry.Kind.BONUS, Entry.Kind.ADJUSTMENT)


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
    """How many entries of a kind there were, and what they add up to."""

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
    # Only if it is long.
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
    """Return the statement of a month. No statement reads its charges one by one, of which there may be a million."""
    before, opening = _last_before(wallet, month.start)
    last, closing = max((before, opening), _last_before(wallet, month.next.start))
    is_long = last - before > MAX_LINES
    return Statement(
        month=month,
        first=before + 1,
        last=last,
        opening=opening,
        closing=closing,
        kinds=_by_kind(wallet, before=(before, opening), last=(last, closing)),
        days=_by_day(wallet, month, before=(before, opening), last=(last, closing)) if is_long else [],
    )


def entries_between(*, wallet: Wallet, first: int, last: int) -> QuerySet[Entry]:
    """Return the wallet's entries with these numbers, both included, oldest first."""
    return Entry.objects.filter(wallet=wallet, seq__gte=first, seq__lte=last).order_by("seq")


def spent_of(*, wallet: Wallet) -> Spent:
    """Return what was spent, however many orders there are.

    What came in is rarer than orders, and all of it that is not in the balance was spent.
    """
    before, opening = _last_before(wallet, this_month().start)
    # Cached up to this month: entries never change.
    key = f"paid-in:{wallet.pk}:{before}"
    earlier: int | None = cache.get(key)
    if earlier is None:
        earlier = _paid_in(wallet, first=1, last=before)
        cache.set(key, earlier, CACHED_SECONDS)
    lately = _paid_in(wallet, first=before + 1, last=wallet.entry_count)
    return Spent(in_all=earlier + lately - wallet.balance, this_month=opening + lately - wallet.balance)


def with_spent(wallets: QuerySet[Wallet], *, since: datetime | None) -> QuerySet[Wallet]:
    """Annotate wallets with `spent`: what orders and drip-feeds cost less refunds, in all or since a moment.

    Negative if more was refunded since than charged. As in `spent_of`, what came in and is not in the balance was
    spent; one statement reads both, so they are of the same moment.
    """
    paid_in = Entry.objects.filter(wallet=OuterRef("pk"), kind__in=PAID_IN).order_by()
    if since is None:
        wallets = wallets.annotate(opening=Value(0))
    else:
        earlier = Entry.objects.filter(wallet=OuterRef("pk"), created_at__lt=since).order_by("-created_at", "-seq")
        last, opening = (Subquery(earlier.values(column)[:1]) for column in ("seq", "balance_after"))
        wallets = wallets.annotate(last_before=Coalesce(last, 0), opening=Coalesce(opening, 0))
        paid_in = paid_in.filter(seq__gt=OuterRef("last_before"))
    total = Subquery(paid_in.values("wallet").annotate(total=Sum("amount")).values("total"))
    return wallets.annotate(spent=F("opening") + Coalesce(total, 0) - F("balance"))


def _paid_in(wallet: Wallet, *, first: int, last: int) -> int:
    paid_in = entries_between(wallet=wallet, first=first, last=last).filter(kind__in=PAID_IN)
    return paid_in.order_by().aggregate(total=Sum("amount"))["total"] or 0


def _last_before(wallet: Wallet, moment: datetime) -> tuple[int, int]:
    """Return the number of the last entry before `moment`, and the balance after it; zeros if there is none."""
    entries = Entry.objects.filter(wallet=wallet, created_at__lt=moment).order_by("-created_at", "-seq")
    return entries.values_list("seq", "balance_after").first() or (0, 0)


def _by_kind(wallet: Wallet, *, before: tuple[int, int], last: tuple[int, int]) -> list[Sums]:
    """Return the sums of each kind that there was, in the order of `Entry.Kind`.

    What is left without the other kinds are charges of orders. The sums are cached: entries never change.
    """
    key = f"kinds:{wallet.pk}:{before[0]}:{last[0]}"
    rows = cache.get(key)
    if rows is None:
        rare = entries_between(wallet=wallet, first=before[0] + 1, last=last[0]).filter(kind__in=_RARE)
        rows = list(rare.order_by().values_list("kind").annotate(count=Count("pk"), amount=Sum("amount")))
        cache.set(key, rows, CACHED_SECONDS)
    found = {kind: Sums(kind, count, amount) for kind, count, amount in rows}
    charges = last[0] - before[0] - sum(one.count for one in found.values())
    if charges:
        amount = last[1] - before[1] - sum(one.amount for one in found.values())
        found[Entry.Kind.ORDER] = Sums(Entry.Kind.ORDER, charges, amount)
    return [found[kind] for kind in Entry.Kind.values if kind in found]


def _by_day(wallet: Wallet, month: Month, *, before: tuple[int, int], last: tuple[int, int]) -> list[Day]:
    """Return the days on which something moved, with the balance after each: one statement for each day.

    Days are runs of entries as months are. The sums are cached: entries never change.
    """
    key = f"statement:{wallet.pk}:{month.first_day}:{before[0]}:{last[0]}"
    days: list[Day] | None = cache.get(key)
    if days is None:
        days = []
        for place in range(month.last_day.day):
            day = month.first_day + timedelta(days=place)
            end = last if day == month.last_day else _last_before(wallet, _midnight(day + timedelta(days=1)))
            if end > before:
                days.append(Day(day, end[0] - before[0], end[1] - before[1], end[1]))
                before = end
        cache.set(key, days, CACHED_SECONDS)
    return days


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=timezone.get_default_timezone())


def _local(moment: datetime) -> datetime:
    return moment.astimezone(timezone.get_default_timezone())
