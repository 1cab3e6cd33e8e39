"""Gives the imported catalog a past: imports of the month, changes of rates, news in the shop, and what was alerted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import F

from catalog.models import CatalogChange, Service, ShelfNews, SyncRun, UpstreamService
from catalog.shop.changelog import record_shop_changes
from panel.accounts.models import User
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.demo.history.goods import DAY, GOODS, HOUR, RATE_CHANGES, TAKES_TURNS, TODAY
from panel.demo.history.orders import Shop
from panel.demo.history.sold import Prices
from panel.demo.history.story import DAYS, OUTAGE, OUTAGE_LASTED

OPENED = (DAYS + 13) * DAY
_Kind = CatalogChange.Kind
_NO_ANSWER = "No answer within 45 seconds."


def write_catalog(*, shop: Shop, prices: Prices, owner: User) -> None:
    """Write the past of the catalog, which was imported just now, and of its prices."""
    _date_services(shop)
    _write_imports(shop)
    _write_changes(shop, prices, owner)
    record_shop_changes()
    _write_news(shop, prices)
    _write_alerts(shop)


def _date_services(shop: Shop) -> None:
    since = {one.name: one.new_for for one in GOODS if one.new_for is not None}
    UpstreamService.objects.filter(provider=shop.provider).update(first_seen_at=shop.ago(OPENED))
    Service.objects.update(created_at=shop.ago(OPENED))
    for name, age in since.items():
        service = shop.services[name]
        Service.objects.filter(pk=service.pk).update(created_at=shop.ago(age))
        UpstreamService.objects.filter(pk=service.upstream_id).update(first_seen_at=shop.ago(age))
    Service.objects.filter(pk=shop.services[TAKES_TURNS].pk).update(one_at_a_time=True)
    risen = UpstreamService.objects.filter(changes__isnull=False)
    UpstreamService.objects.exclude(pk__in=risen.values("pk")).update(changed_at=F("first_seen_at"))
    UpstreamService.objects.filter(pk__in=risen.values("pk")).update(changed_at=shop.ago(TODAY))


def _write_imports(shop: Shop) -> None:
    """Write an import for every hour. The real ones of this start stand for the first one and for today's."""
    real = list(SyncRun.objects.filter(provider=shop.provider).order_by("pk"))
    for run, age in zip(real, (OPENED, *[TODAY] * len(real)), strict=False):
        SyncRun.objects.filter(pk=run.pk).update(**_times(shop, age))
    changed = {int(one.age // HOUR) for one in RATE_CHANGES if one.is_seen}
    added = [int(one.new_for // HOUR) for one in GOODS if one.new_for is not None]
    runs = []
    for hours in range(DAYS * 24, 0, -1):
        age = hours * HOUR + TODAY
        has_failed = OUTAGE - OUTAGE_LASTED < age <= OUTAGE
        runs.append(
            SyncRun(
                provider=shop.provider,
                outcome=SyncRun.Outcome.FAILED if has_failed else SyncRun.Outcome.APPLIED,
                phase=SyncRun.Phase.ASKING if has_failed else SyncRun.Phase.DONE,
                reason=_NO_ANSWER if has_failed else "",
                listed=0 if has_failed else len(shop.services),
                changed=int(hours in changed),
                added=added.count(hours),
                **_times(shop, age),
            )
        )
    SyncRun.objects.bulk_create(runs, batch_size=200)


def _times(shop: Shop, age: float) -> dict[str, object]:
    started_at = shop.ago(age)
    return {
        "requested_at": started_at,
        "started_at": started_at,
        "finished_at": started_at + timedelta(seconds=2),
        "lease_until": None,
    }


def _write_changes(shop: Shop, prices: Prices, owner: User) -> None:
    """Date today's changes, which wait in the inbox, and write those of before, which the owner has seen."""
    CatalogChange.objects.filter(accepted_at=None).update(created_at=shop.ago(TODAY), changed_at=shop.ago(TODAY))
    rows = []
    for one in RATE_CHANGES:
        if not one.is_seen:
            continue
        service = shop.services[one.name]
        rate = service.upstream.rate
        row = _seen(shop, owner, service, age=one.age)
        row.topic, row.kind = CatalogChange.Topic.RATE, _Kind.RATE_UP if rate > one.rate else _Kind.RATE_DOWN
        row.old, row.new = {"rate": one.rate}, {"rate": rate}
        row.price_before, row.price_after = prices.list_price(one.name, rate=one.rate), service.price
        rows.append(row)
    for good in GOODS:
        if good.new_for is not None:
            row = _seen(shop, owner, shop.services[good.name], age=good.new_for)
            row.topic, row.kind, row.new = CatalogChange.Topic.LISTING, _Kind.NEW, {"is_listed": True}
            rows.append(row)
    CatalogChange.objects.bulk_create(rows)


def _seen(shop: Shop, owner: User, service: Service, *, age: float) -> CatalogChange:
    at = shop.ago(age)
    return CatalogChange(
        provider=shop.provider,
        upstream=service.upstream,
        service=service,
        created_at=at,
        changed_at=at,
        accepted_at=at + timedelta(hours=5),
        accepted_by=owner,
    )


def _write_news(shop: Shop, prices: Prices) -> None:
    """Write what customers see as changed in the shop."""
    ShelfNews.objects.bulk_create(sorted(_news(shop, prices), key=lambda one: one.noticed_at))


def _news(shop: Shop, prices: Prices) -> Iterator[ShelfNews]:
    for one in RATE_CHANGES:
        service = shop.services[one.name]
        before = prices.list_price(one.name, rate=one.rate)
        kind = ShelfNews.Kind.DEARER if service.price > before else ShelfNews.Kind.CHEAPER
        yield ShelfNews(
            service=service, kind=kind, old_price=before, new_price=service.price, noticed_at=shop.ago(one.age - 120)
        )
    for good in GOODS:
        if good.new_for is not None:
            service = shop.services[good.name]
            at = shop.ago(good.new_for - 120)
            yield ShelfNews(service=service, kind=ShelfNews.Kind.NEW, new_price=service.price, noticed_at=at)


def _write_alerts(shop: Shop) -> None:
    """Date the alert about the rates, and write those of the outage, which are over."""
    about = shop.provider.pk
    Alert.objects.filter(cause=Cause.RATE_RISES.of(about)).update(created_at=shop.ago(TODAY))
    ended_at = shop.ago(OUTAGE - OUTAGE_LASTED)
    Alert.objects.bulk_create(
        Alert(
            cause=cause.of(about),
            level=Alert.Level.WARNING,
            text=text,
            count=count,
            created_at=shop.ago(OUTAGE - 30),
            last_seen_at=ended_at,
            resolved_at=ended_at,
            tell_due_at=None,
        )
        for cause, text, count in (
            (Cause.POLLING, f"{shop.provider} does not report the status of orders: {_NO_ANSWER}", 7),
            (Cause.IMPORT, f"Import from {shop.provider} failed: {_NO_ANSWER}", 1),
        )
    )
