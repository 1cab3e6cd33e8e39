"""Count late orders by provider and service, and alert on providers with many.

Once a minute: counting at each view would read all open orders, of which there may be a hundred thousand.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Count, F, Min, Q, Sum

from catalog.models import Provider, Service
from orders.common.lateness import ON_THEIR_WAY, is_late, with_bound
from orders.models import LateOrders, Order
from orders.states import Status, Submission
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import close_alerts, raise_alert, record_heartbeat
from panel.lib import clock
from panel.lib.bulk_sql import insert_rows, update_rows
from panel.lib.formats import duration_text
from panel.lib.panel_days import panel_day

TASK = "count_late_orders"
# Late orders from which a provider is worth an alert: of one service if they are half of those on their way, or of all
# its services if they are a quarter. The alert lasts until fewer than half as many are left.
MANY = 10
SERVICE_SHARE, PROVIDER_SHARE = 2, 4

_COUNTED = ("open", "late", "unsent", "not_started", "charge", "oldest_at")
_COLUMNS = (*_COUNTED, "since", "day", "yesterday")
Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Counted:
    """What one round found of a service at a provider."""

    open: int = 0
    late: int = 0
    unsent: int = 0
    not_started: int = 0
    charge: int = 0
    oldest_at: datetime | None = None


def count_late_orders() -> int:
    """Count and store the late orders, and bring the alerts about them up to date. Return how many are late.

    Two rounds at once are harmless: each stores its own count, and the next round corrects the older one.
    """
    now = clock.now()
    counted = _count(now)
    with suppress(IntegrityError), transaction.atomic():  # Another round inserted the same rows.
        _store(counted, now)
    _alert(counted, now)
    record_heartbeat(task=TASK, at=now)
    return sum(one.late for one in counted.values())


def _count(now: datetime) -> dict[Key, Counted]:
    """Return what is on its way by provider and service, in one statement."""
    late = is_late(now=now)
    rows = (
        with_bound(Order.objects.filter(ON_THEIR_WAY))
        .order_by()
        .values_list("provider_id", "service_id")
        .annotate(
            Count("pk"),
            late=Count("pk", filter=late),
            unsent=Count("pk", filter=late & Q(submission=Submission.QUEUED)),
            not_started=Count("pk", filter=late & Q(submission=Submission.ACCEPTED, status=Status.PENDING)),
            charge=Sum(F("charge") - F("refunded"), filter=late),
            oldest_at=Min("created_at", filter=late),
        )
    )
    return {
        (provider, service): Counted(count, late, unsent, not_started, int(charge or 0), oldest_at)
        for provider, service, count, late, unsent, not_started, charge, oldest_at in rows
    }


def _store(counted: dict[Key, Counted], now: datetime) -> None:
    today = panel_day(now)
    stored = {(one.provider_id, one.service_id): one for one in LateOrders.objects.select_for_update().order_by("pk")}
    wanted = {one.pk: _row(one, counted.get(key, Counted()), now, today) for key, one in stored.items()}
    kept = {one.pk: tuple(getattr(one, name) for name in _COLUMNS) for one in stored.values()}
    changed = [(pk, *row) for pk, row in wanted.items() if row != kept[pk]]
    update_rows(model=LateOrders, columns=_COLUMNS, rows=changed)
    LateOrders.objects.filter(late=0, yesterday=0).delete()
    new = [
        (*key, *_values(one), now, today, 0) for key, one in sorted(counted.items()) if one.late and key not in stored
    ]
    insert_rows(model=LateOrders, columns=("provider_id", "service_id", *_COLUMNS), rows=new)


def _values(one: Counted) -> tuple[object, ...]:
    return tuple(getattr(one, name) for name in _COUNTED)


def _row(stored: LateOrders, found: Counted, now: datetime, today: date) -> tuple[object, ...]:
    yesterday = stored.yesterday
    if stored.day != today:
        yesterday = stored.late if stored.day == today - timedelta(days=1) else 0
    since = stored.since if stored.late else now
    return (*_values(found), since, today, yesterday)


# -- alerts --------------------------------------------------------------------------------------------


def _alert(counted: dict[Key, Counted], now: datetime) -> None:
    """Keep an alert open for each provider with many late orders, and for no other."""
    services: dict[int, dict[int, Counted]] = defaultdict(dict)
    for (provider, service), one in counted.items():
        services[provider][service] = one
    begin, _, end = Cause.LATE_ORDERS.partition("{}")
    opened = Alert.objects.filter(cause__startswith=begin, cause__endswith=end, resolved_at=None)
    told = set(opened.values_list("cause", flat=True))
    lasting: set[str] = set()
    for provider, found in services.items():
        cause = Cause.LATE_ORDERS.of(provider)
        count = sum(one.late for one in found.values())
        if cause in told and 2 * count >= MANY:
            lasting.add(cause)
            opened.filter(cause=cause).update(text=_text(provider, found, now), last_seen_at=now)
        elif cause not in told and has_many(list(found.values())):
            raise_alert(cause=Cause.LATE_ORDERS, about=provider, text=_text(provider, found, now))
    if told - lasting:
        close_alerts(Alert.objects.filter(cause__in=told - lasting))


def has_many(found: list[Counted]) -> bool:
    """Return True if so many orders of one provider, by service, are late that the owner must hear of it. Pure."""
    late, on_their_way = sum(one.late for one in found), sum(one.open for one in found)
    of_service = any(one.late >= MANY and one.late * SERVICE_SHARE >= one.open for one in found)
    return of_service or (late >= MANY and late * PROVIDER_SHARE >= on_their_way)


def _text(provider: int, found: dict[int, Counted], now: datetime) -> str:
    late, on_their_way = sum(one.late for one in found.values()), sum(one.open for one in found.values())
    worst, most = max(found.items(), key=lambda item: item[1].late)
    oldest = min(one.oldest_at for one in found.values() if one.oldest_at)
    name = Provider.objects.values_list("name", flat=True).get(pk=provider)
    service = Service.objects.values_list("name", flat=True).get(pk=worst)
    return (
        f"{name}: {late:,} of {on_their_way:,} orders on their way are later than they should be, {most.late:,} of "
        f"them of “{service[:100]}”. The oldest was ordered {duration_text(now - oldest)} ago."
    )
