"""What customers got from staff: by person and by reason, in a period."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Sum

from panel.staff.kinds import Kind, Reason, is_goodwill
from panel.staff.models import StaffDeed


@dataclass(slots=True)
class Sums:
    """Amounts in micro-units by kind, less what was taken back; `goodwill` is the part without a payment behind it."""

    deeds: int = 0
    goodwill: int = 0
    by_kind: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Kind.values, 0))

    def add(self, *, kind: str, reason: str, amount: int, deeds: int) -> None:
        self.deeds += deeds
        self.by_kind[kind] += amount
        if is_goodwill(kind=kind, reason=reason):
            self.goodwill += amount


@dataclass(frozen=True, slots=True)
class Report:
    """Sums by the person's e-mail address and by reason, the largest goodwill first, and of all."""

    people: dict[str, Sums]
    reasons: dict[str, Sums]
    total: Sums


# What the report is counted from: person, kind, reason, amount, number of deeds.
Row = tuple[str, str, str, int, int]


def goodwill_report(*, since: datetime) -> Report:
    """Return the report of the deeds since then. One query."""
    deeds = StaffDeed.objects.filter(created_at__gte=since).order_by()
    groups = deeds.values_list("person__email", "kind", "reason").annotate(Sum("amount"), Count("pk"))
    return summed(groups)


def summed(rows: Iterable[Row]) -> Report:
    """Return the rows summed up. Pure."""
    people: dict[str, Sums] = {}
    reasons: dict[str, Sums] = {}
    total = Sums()
    for person, kind, reason, amount, deeds in rows:
        for sums in (people.setdefault(person, Sums()), reasons.setdefault(Reason(reason).label, Sums()), total):
            sums.add(kind=kind, reason=reason, amount=amount, deeds=deeds)
    return Report(_largest_first(people), _largest_first(reasons), total)


def _largest_first(sums: dict[str, Sums]) -> dict[str, Sums]:
    return dict(sorted(sums.items(), key=lambda one: (-one[1].goodwill, one[0])))
