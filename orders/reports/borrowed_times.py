"""How long orders take of services that too few were measured of: as long as those of their category or provider.

Computed from the stored figures of the other services, each by the number of its measured orders.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Q

from catalog.models import Service, ServiceFigures
from catalog.selectors import ENOUGH_TIMED
from orders.common.lateness import Basis
from panel.lib.bulk_sql import update_rows

# Measured orders of a category or provider below which nothing is said of its other services.
ENOUGH_LENT = 20

# Measured orders of a service, and the seconds that a quarter of them exceeded.
Times = tuple[int, int]


def slow_seconds_of(times: Iterable[Times]) -> int | None:
    """Return the slow seconds at or below which three quarters of the orders are; None if the orders are few. Pure."""
    in_order = sorted(times, key=lambda one: one[1])
    left = sum(timed for timed, _ in in_order)
    if left < ENOUGH_LENT:
        return None
    wanted = (3 * left + 3) // 4
    for timed, seconds in in_order:
        wanted -= timed
        if wanted <= 0:
            return seconds
    return None


def lend_times() -> None:
    """Store for each service what it borrows: its category's time, or else its provider's, if it has too few orders."""
    by_category: dict[int, list[Times]] = defaultdict(list)
    by_provider: dict[int, list[Times]] = defaultdict(list)
    measured = ServiceFigures.objects.filter(timed__gte=ENOUGH_TIMED, slow_seconds__isnull=False).order_by()
    names = ("service__category_id", "service__upstream__provider_id", "timed", "slow_seconds")
    for category, provider, timed, slow in measured.values_list(*names):
        by_category[category].append((timed, slow or 0))
        by_provider[provider].append((timed, slow or 0))
    lent_by_category = {pk: slow_seconds_of(times) for pk, times in by_category.items()}
    lent_by_provider = {pk: slow_seconds_of(times) for pk, times in by_provider.items()}

    def lent(category: int, provider: int) -> tuple[int | None, str]:
        for seconds, basis in (
            (lent_by_category.get(category), Basis.CATEGORY),
            (lent_by_provider.get(provider), Basis.PROVIDER),
        ):
            if seconds is not None:
                return seconds, basis.value
        return None, ""

    few = Q(figures__timed__lt=ENOUGH_TIMED) | Q(figures__slow_seconds=None)
    borrowers = Service.objects.filter(few, figures__isnull=False).order_by("pk")
    stored_names = ("figures__borrowed_seconds", "figures__borrowed_from")
    changed = [
        (pk, *lent(category, provider))
        for pk, category, provider, *stored in borrowers.values_list(
            "pk", "category_id", "upstream__provider_id", *stored_names
        )
        if lent(category, provider) != tuple(stored)
    ]
    # Another round may be at the same rows, and finds the same.
    update_rows(model=ServiceFigures, columns=("borrowed_seconds", "borrowed_from"), rows=changed, skip_locked=True)
