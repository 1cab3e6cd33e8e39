"""What came in, by day and payment method: sums of ledger entries, so that they equal the books.

An entry holds the method by the name that customers saw when it was posted. What staff posted in wallets has none.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Case, CharField, Count, F, Sum, Value, When
from django.db.models.functions import TruncDate
from django.utils import timezone

from billing.models import Entry
from billing.models.wallets import MONEY_IN
from panel.lib.panel_days import panel_moment

# The name of what staff posted in wallets, without a request. Methods have names that are not empty.
BY_STAFF = ""
_BY_METHOD = When(key__startswith="deposit:", then=F("memo"))


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of entries, in micro-units. `count` is how often money was credited, `fee` what was taken of it."""

    count: int = 0
    credited: int = 0
    bonus: int = 0
    fee: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.count + other.count, self.credited + other.credited, self.bonus + other.bonus, self.fee + other.fee
        )


@dataclass(frozen=True, slots=True)
class MoneyIn:
    """The sums of each day and method that has any. Days are the panel's, the latest first."""

    days: list[date]
    methods: list[str]
    cells: dict[tuple[date, str], Sums]

    def of_day(self, day: date) -> Sums:
        return sum((self.cells.get((day, method), Sums()) for method in self.methods), Sums())

    def of_method(self, method: str) -> Sums:
        return sum((self.cells.get((day, method), Sums()) for day in self.days), Sums())

    @property
    def total(self) -> Sums:
        return sum(self.cells.values(), Sums())


def money_in(*, since: date, until: date) -> MoneyIn:
    """Return what was credited from the first day to the last, both included. One statement, however much it was."""
    begin, end = panel_moment(since), panel_moment(until + timedelta(days=1))
    rows = (
        Entry.objects.filter(kind__in=MONEY_IN, created_at__gte=begin, created_at__lt=end)
        .annotate(
            day=TruncDate("created_at", tzinfo=timezone.get_default_timezone()),
            method=Case(_BY_METHOD, default=Value(BY_STAFF), output_field=CharField()),
        )
        .order_by()
        .values_list("day", "method", "kind")
        .annotate(count=Count("pk"), sum=Sum("amount"))
    )
    cells: dict[tuple[date, str], Sums] = defaultdict(Sums)
    for day, method, kind, count, amount in rows:
        cells[day, method] += _sums(kind, count, amount)
    # The largest first; what staff posted last.
    sums = {method: Sums() for _, method in cells}
    for (_, method), one in cells.items():
        sums[method] += one
    methods = sorted(sums, key=lambda method: (method == BY_STAFF, -sums[method].credited, method))
    return MoneyIn(sorted({day for day, _ in cells}, reverse=True), methods, dict(cells))


def _sums(kind: str, count: int, amount: int) -> Sums:
    if kind == Entry.Kind.DEPOSIT:
        return Sums(count=count, credited=amount)
    return Sums(bonus=amount) if kind == Entry.Kind.BONUS else Sums(fee=-amount)
