"""Rates that rise too far: by more than RATE_RISE_PERCENT within a week, at once or in steps.

A higher price would pay for such a rise, but it may be a mistake of the provider, and customers would pay for that. So
the service goes off sale until staff agree to the rate. Rates are in micro-units of the provider's currency.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import QuerySet

from catalog.imports.diff import UpstreamChange
from catalog.imports.inbox import MAX_NAMED
from catalog.models import PastRate, Provider, Service
from catalog.prices.rules import PricedService
from panel.lib import clock
from panel.lib.bulk_sql import insert_rows
from panel.lib.panel_days import panel_day
from panel.site import registry as site

WEEK = timedelta(days=7)


class RateRise(NamedTuple):
    """A rate before and after an import, and what else it is compared with.

    `week_ago` is the rate a week ago, None if it was the same as `old`. `confirmed` is the rate at which staff last put
    the service on sale; `is_recent`: they did so within the week.
    """

    old: int
    new: int
    week_ago: int | None = None
    confirmed: int | None = None
    is_recent: bool = False


def is_too_far(rise: RateRise, *, percent: int) -> bool:
    """Return True if the rate rose by more than `percent` (0: never) and staff did not agree to this rate.

    It is compared with the rate a week ago, or the one that staff agreed to since: small steps add up, and the way back
    after a fall is no rise.
    """
    if not percent or rise.new <= rise.old or rise.new == rise.confirmed:
        return False
    base = rise.old if rise.week_ago is None else rise.week_ago
    if rise.is_recent and rise.confirmed is not None:
        base = rise.confirmed
    return rise.new * 100 > base * (100 + percent)


def find_steep_rises(
    *,
    provider: Provider,
    changes: Sequence[UpstreamChange],
    sold: Mapping[int, Sequence[PricedService]],
    accepted: Mapping[str, int],
) -> set[int]:
    """Return the services on sale whose rate rises too far, by primary key, in at most two queries.

    `sold` are the panel's services by the primary keys of the provider's. `accepted` are rates, by the provider's ids,
    that staff accepted with a list that was refused at first.
    """
    percent = site.RATE_RISE_PERCENT.value
    risen = [one for one in changes if one.new.rate > one.old.rate and accepted.get(one.external_id) != one.new.rate]
    on_sale = {one.pk: [service.pk for service in sold.get(one.pk, ()) if service.is_on_sale] for one in risen}
    if not percent or not any(on_sale.values()):
        return set()
    week_ago = _rates_a_week_ago(provider, on_sale)
    confirmed = _confirmed_rates(provider, [pk for pks in on_sale.values() for pk in pks])
    since = clock.now() - WEEK

    def rises(one: UpstreamChange) -> Iterator[tuple[int, RateRise]]:
        for pk in on_sale[one.pk]:
            rate, at = confirmed.get(pk, (None, None))
            yield pk, RateRise(one.old.rate, one.new.rate, week_ago.get(one.pk), rate, at is not None and at >= since)

    return {pk for one in risen for pk, rise in rises(one) if is_too_far(rise, percent=percent)}


def store_past_rates(*, provider: Provider, changes: Sequence[UpstreamChange], now: datetime) -> None:
    """Store the rates before these changes, and delete those that are older than a week. Call it in the import."""
    moved = {one.pk: one.old.rate for one in changes if one.old.rate != one.new.rate}
    if not moved:
        return
    today = panel_day(now)
    mine = PastRate.objects.filter(upstream__provider=provider)
    mine.filter(day__lt=today - WEEK).delete()
    # Of several changes in a day, the first one knows the rate that the day began with.
    noted = set(_named(mine.filter(day=today), moved).values_list("upstream_id", flat=True))
    rows = [(pk, today.isoformat(), rate) for pk, rate in moved.items() if pk not in noted]
    insert_rows(model=PastRate, columns=("upstream_id", "day", "rate"), rows=rows)


def _rates_a_week_ago(provider: Provider, pks: Collection[int]) -> dict[int, int]:
    first_day = panel_day() - WEEK
    rates = _named(PastRate.objects.filter(upstream__provider=provider, day__gte=first_day), pks)
    found: dict[int, int] = {}
    for pk, rate in rates.order_by("day").values_list("upstream_id", "rate"):
        found.setdefault(pk, rate)
    return found


def _named(rates: QuerySet[PastRate], pks: Collection[int]) -> QuerySet[PastRate]:
    return rates.filter(upstream__in=pks) if len(pks) <= MAX_NAMED else rates


def _confirmed_rates(provider: Provider, pks: Collection[int]) -> dict[int, tuple[int | None, datetime | None]]:
    services = Service.objects.filter(upstream__provider=provider, put_on_sale_at__isnull=False)
    if len(pks) <= MAX_NAMED:
        services = services.filter(pk__in=pks)
    rows = services.order_by().values_list("pk", "confirmed_rate", "put_on_sale_at")
    return {pk: (rate, at) for pk, rate, at in rows}
