"""Changes in the shop, found by comparing services with their state at the last comparison."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet

from catalog.models import ShelfMark, ShelfNews
from catalog.selectors import services_on_sale
from catalog.shop.favorites import marked_by
from panel.accounts.signed_in import AnyUser
from panel.lib import clock
from panel.lib.bulk_sql import in_chunks, insert_rows, update_rows

SHOWN = timedelta(days=30)
KEPT = timedelta(days=90)
LATELY = timedelta(days=7)
# Changes of a service that follow each other faster than this are shown as one.
STILL_THE_SAME = timedelta(hours=1)
COUNTED = 100
Kind = ShelfNews.Kind

# Appearance of each kind: (meaning, icon).
NEWS_BADGES: dict[str, tuple[str, str]] = {
    Kind.NEW: ("info", "plus-circle"),
    Kind.BACK: ("info", "arrow-counterclockwise"),
    Kind.CHEAPER: ("success", "arrow-down-right"),
    Kind.DEARER: ("warning", "arrow-up-right"),
    Kind.GONE: ("neutral", "dash-circle"),
}


class ServiceState(NamedTuple):
    """State of a service: whether it could be ordered, and its list price."""

    is_sold: bool
    price: int


class ServiceChange(NamedTuple):
    kind: str
    old_price: int | None
    new_price: int | None


# By service primary key, without services that were never on sale.
ServiceStates: TypeAlias = dict[int, ServiceState]


class _Overtaken(Exception):
    """Another process compared the same services at the same time."""


def change_between(before: ServiceState | None, after: ServiceState) -> ServiceChange | None:
    """Return what customers see as changed; None if nothing. `before` is None for a service that was never on sale."""
    if before is None:
        return ServiceChange(Kind.NEW, None, after.price) if after.is_sold else None
    if not after.is_sold:
        return ServiceChange(Kind.GONE, before.price, None) if before.is_sold else None
    if not before.is_sold:
        return ServiceChange(Kind.BACK, before.price, after.price)
    if before.price == after.price:
        return None
    return ServiceChange(Kind.CHEAPER if after.price < before.price else Kind.DEARER, before.price, after.price)


def state_before(change: ServiceChange) -> ServiceState | None:
    """Return the state of the service before a change."""
    if change.old_price is None:
        return None
    return ServiceState(change.kind != Kind.BACK, change.old_price)


def record_shop_changes() -> int:
    """Compare all services with their state at the last comparison, and write the changes; return their number.

    The first comparison only stores the states: a new shop has no changes. If two processes compare at once, one writes
    and the other writes nothing.
    """
    now = clock.now()
    ShelfNews.objects.filter(noticed_at__lt=now - KEPT).delete()
    published = {
        pk: ServiceState(is_sold, price)
        for pk, is_sold, price in ShelfMark.objects.values_list("pk", "is_sold", "price")
    }
    after = _current_states(published)
    changed = {pk: state for pk, state in after.items() if published.get(pk) != state}
    if not changed:
        return 0
    try:
        with transaction.atomic():
            _write_states(published, changed)
            return _write_changes(published, changed, now) if published else 0
    except (IntegrityError, _Overtaken):
        return 0


def _current_states(published: ServiceStates) -> ServiceStates:
    sold = services_on_sale().select_related(None).order_by("pk").values_list("pk", "price")
    states = {pk: ServiceState(True, price) for pk, price in sold}
    # A service no longer on sale keeps its last price.
    return states | {pk: ServiceState(False, state.price) for pk, state in published.items() if pk not in states}


def _write_states(published: ServiceStates, changed: ServiceStates) -> None:
    """Write the new states. Raise IntegrityError or _Overtaken if a state is no longer as it was read."""
    columns = ("is_sold", "price")
    new = [(pk, *state) for pk, state in changed.items() if pk not in published]
    insert_rows(model=ShelfMark, columns=("service_id", *columns), rows=new)
    moved = [(pk, *published[pk], *state) for pk, state in sorted(changed.items()) if pk in published]
    if update_rows(model=ShelfMark, columns=columns, rows=moved, unmoved=columns) != len(moved):
        raise _Overtaken


def _write_changes(published: ServiceStates, changed: ServiceStates, now: datetime) -> int:
    """Write one change for each service, replacing its recent one. Return the number written."""
    recent = {
        service: (pk, ServiceChange(kind, old_price, new_price))
        for pk, service, kind, old_price, new_price in ShelfNews.objects.filter(noticed_at__gte=now - STILL_THE_SAME)
        .order_by("pk")
        .values_list("pk", "service", "kind", "old_price", "new_price")
        if service in changed
    }
    for chunk in in_chunks([pk for pk, _ in recent.values()]):
        ShelfNews.objects.filter(pk__in=chunk).delete()
    before = {pk: state_before(recent[pk][1]) if pk in recent else published.get(pk) for pk in changed}
    # On sale for less than STILL_THE_SAME: forgotten, so that it is new when it comes again.
    unseen = [pk for pk, state in changed.items() if before[pk] is None and not state.is_sold]
    for chunk in in_chunks(unseen):
        ShelfMark.objects.filter(pk__in=chunk).delete()
    lines = list(_lines(before, changed, now))
    insert_rows(model=ShelfNews, columns=("service_id", *ServiceChange._fields, "noticed_at"), rows=lines)
    return len(lines)


def _lines(
    before: dict[int, ServiceState | None], changed: ServiceStates, now: datetime
) -> Iterator[tuple[object, ...]]:
    for pk, state in changed.items():
        change = change_between(before[pk], state)
        if change:
            yield (pk, *change, now)


# -- reading ---------------------------------------------------------------------------------------


def latest_news(*, kind: str, favorites: bool, customer: AnyUser) -> QuerySet[ShelfNews]:
    """Return changes of the last 30 days.

    Each has `is_sold`: its service can be ordered now; for a customer also `is_favourite`.
    """
    news = ShelfNews.objects.filter(noticed_at__gte=clock.now() - SHOWN).select_related(
        "service__category", "service__upstream"
    )
    news = news.annotate(is_sold=Exists(services_on_sale().filter(pk=OuterRef("service"))))
    if kind:
        news = news.filter(kind=kind)
    if customer.is_authenticated:
        marked = marked_by(customer, service="service")
        news = news.annotate(is_favourite=marked)
        if favorites:
            news = news.filter(marked)
    return news


def count_lately() -> int:
    """Return the number of changes in the last 7 days, at most 100."""
    return ShelfNews.objects.filter(noticed_at__gte=clock.now() - LATELY)[:COUNTED].count()
