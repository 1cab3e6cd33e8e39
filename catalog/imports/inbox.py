"""The inbox: changes in the providers' lists, until somebody has seen them.

Every writer of its rows holds the lock of all prices, so that nothing changes while changes are accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from catalog.models import CatalogChange, PriceChange, Provider, Service
from catalog.prices.changes import change_prices
from catalog.prices.edits import Edit
from catalog.prices.rules import PricedService, Terms, is_below_minimum
from catalog.prices.storage import lock_prices
from panel.accounts.models import User
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock
from panel.lib.bulk_sql import in_chunks, insert_rows, update_rows

# Maximum rows to query by primary key; beyond, reading all rows of a provider is faster.
MAX_NAMED = 500

_COLUMNS = ("kind", "old", "new", "service_id", "price_before", "price_after", "is_urgent", "action", "rose_too_far")
_IS_URGENT = _COLUMNS.index("is_urgent")
_Topic, _Kind, _Action = CatalogChange.Topic, CatalogChange.Kind, CatalogChange.Action


@dataclass(frozen=True, slots=True)
class Accepted:
    """Result of accepting.

    `not_sellable` services were to go on sale, but are not listed, cannot be ordered or have no price.
    """

    accepted: int = 0
    put_on_sale: int = 0
    not_sellable: int = 0


@dataclass(frozen=True, slots=True)
class TopicChange:
    """A change in one topic of one service in a provider's list; `old` and `new` hold what differs.

    `before` and `after` are the panel's service for it; they differ if the rate changed its price. `rose_too_far`: a
    service of it went off sale for the size of the rise.
    """

    upstream_id: int
    topic: str
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    before: PricedService | None = None
    after: PricedService | None = None
    action: str = _Action.NONE
    rose_too_far: bool = False


@dataclass(frozen=True, slots=True)
class _Open:
    """A change in the inbox that nobody has accepted yet."""

    pk: int
    upstream_id: int
    topic: str
    kind: str
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    price_before: int | None
    is_urgent: bool
    action: str
    rose_too_far: bool


# -- recording ---------------------------------------------------------------------------------------


def record_changes(*, provider: Provider, noted: Sequence[TopicChange], terms: Terms, now: datetime) -> None:
    """Write the changes of an import, in its transaction and under the lock of all prices.

    An open change stays one row: the values when last seen, and the values now. It is closed once both are equal,
    unless the service was taken off sale: only a person puts it back on sale.
    """
    if not noted:
        return
    waiting = _open_rows(provider, {one.upstream_id for one in noted})
    fresh, changed, closed, grew = [], [], [], False
    for one in noted:
        row = waiting.get((one.upstream_id, one.topic))
        values = _values(one, row, terms)
        if row is not None and values is None:
            closed.append((row.pk, now))
        elif values is not None:
            grew |= values[_IS_URGENT]
            if row is None:
                fresh.append((provider.pk, one.upstream_id, one.topic, now, now, *values))
            else:
                changed.append((row.pk, now, *values))
    keys = ("provider_id", "upstream_id", "topic", "created_at")
    insert_rows(model=CatalogChange, columns=(*keys, "changed_at", *_COLUMNS), rows=fresh)
    update_rows(model=CatalogChange, columns=("changed_at", *_COLUMNS), rows=changed)
    update_rows(model=CatalogChange, columns=("accepted_at",), rows=closed)
    _alert_rises(provider, grew=grew)


def _values(one: TopicChange, row: _Open | None, terms: Terms) -> tuple[Any, ...] | None:
    """Return the values of `_COLUMNS`; None if the open change can be closed because nothing differs any more."""
    old, new = _since_last_seen(one, row)
    action = one.action
    kind = ""
    if row is not None:
        if old == new and _Action.OFF_SALE not in (row.action, one.action):
            return None
        action = row.action if row.action == _Action.OFF_SALE else one.action or row.action
        if old == new:
            old, new, kind = row.old, {**row.new, **one.new}, row.kind
    kind = kind or _kind(one.topic, old, new)
    before = after = None
    if one.topic == _Topic.RATE and one.before and one.after:
        before = one.before.price if row is None or row.price_before is None else row.price_before
        after = one.after.price
    urgent = _is_urgent(one, row, kind, before, terms)
    rose_too_far = one.rose_too_far or (row is not None and row.rose_too_far)
    return kind, old, new, one.after.pk if one.after else None, before, after, urgent, action, rose_too_far


def _since_last_seen(one: TopicChange, row: _Open | None) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the values when last seen and the values now, without those that are equal."""
    if row is None:
        return one.old, one.new
    # A listing row is complete: a service that was never seen has no old values.
    old = row.old if one.topic == _Topic.LISTING else {**one.old, **row.old}
    new = {**row.new, **one.new}
    same = {name for name in old if name in new and old[name] == new[name]}
    return (
        {name: value for name, value in old.items() if name not in same},
        {name: value for name, value in new.items() if name not in same},
    )


def _open_rows(provider: Provider, upstream_ids: set[int]) -> dict[tuple[int, str], _Open]:
    rows = CatalogChange.objects.filter(provider=provider, accepted_at=None).order_by()
    if len(upstream_ids) <= MAX_NAMED:
        rows = rows.filter(upstream__in=upstream_ids)
    names = ("pk", "upstream_id", "topic", "kind", "old", "new", "price_before", "is_urgent", "action", "rose_too_far")
    found = (_Open(*row) for row in rows.values_list(*names))
    return {(row.upstream_id, row.topic): row for row in found}


def _kind(topic: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if topic == _Topic.LISTING:
        if not new["is_listed"]:
            return _Kind.GONE
        return _Kind.RETURNED if old else _Kind.NEW
    if topic == _Topic.RATE:
        return _Kind.RATE_UP if new["rate"] > old["rate"] else _Kind.RATE_DOWN
    return {_Topic.LIMITS: _Kind.LIMITS, _Topic.FLAGS: _Kind.FLAGS}.get(_Topic(topic), _Kind.TEXT)


def _is_urgent(one: TopicChange, row: _Open | None, kind: str, before: int | None, terms: Terms) -> bool:
    """Return True if a service on sale would earn less than the minimum margin at its old price.

    The old price is the one last seen, or the one before this import: the rate may rise after a fall that nobody saw. A
    service that an import took off sale counts as well.
    """
    if one.topic != _Topic.RATE or one.before is None or one.after is None:
        return False
    if not one.before.is_on_sale and not (row is not None and row.is_urgent):
        return False
    if not one.after.price or one.action == _Action.OFF_SALE:
        return True
    prices = [before] if kind == _Kind.RATE_UP else []
    if one.new["rate"] > one.old["rate"]:
        prices.append(one.before.price)
    return any(price and is_below_minimum(price=price, after=one.after, terms=terms) for price in prices)


def _alert_rises(provider: Provider, *, grew: bool) -> None:
    waiting = CatalogChange.objects.filter(provider=provider, accepted_at=None, is_urgent=True)
    if not waiting.exclude(topic=_Topic.ORDERS).exists():
        resolve_alert(cause=Cause.RATE_RISES, about=provider.pk)
    elif grew:
        raise_alert(
            cause=Cause.RATE_RISES,
            about=provider.pk,
            text=f"{provider.name}: rates rose past the minimum margin, or by more than your limit. See the inbox.",
        )


# -- accepting ---------------------------------------------------------------------------------------


def accept_changes(*, changes: QuerySet[CatalogChange], actor: User | None, put_on_sale: bool = False) -> Accepted:
    """Accept the open rows of `changes`; with `put_on_sale` also put their services on sale.

    Changes that somebody else accepted meanwhile are not counted.
    """
    with transaction.atomic():
        lock_prices()
        found = changes.filter(accepted_at=None).order_by()
        rows = list(found.values_list("pk", "service_id", "provider_id", "topic"))
        now, accepted = clock.now(), 0
        for chunk in in_chunks(pk for pk, *_ in rows):
            still_open = CatalogChange.objects.filter(pk__in=chunk, accepted_at=None)
            accepted += still_open.update(accepted_at=now, accepted_by=actor)
        services = {service for _, service, *_ in rows if service is not None}
        done = _put_on_sale(services, actor) if put_on_sale and services else Accepted()
        for provider in Provider.objects.filter(pk__in={provider for _, _, provider, _ in rows}).order_by("pk"):
            _alert_rises(provider, grew=False)
        for service in sorted(service for _, service, _, topic in rows if service and topic == _Topic.ORDERS):
            resolve_alert(cause=Cause.CANCELED_SERVICE, about=service)
    return Accepted(accepted, done.put_on_sale, done.not_sellable)


def _put_on_sale(pks: Iterable[int], actor: User | None) -> Accepted:
    listed, hidden = [], 0
    for chunk in in_chunks(sorted(pks)):
        rows = Service.objects.filter(pk__in=chunk, is_on_sale=False).order_by("pk")
        for pk, is_listed in rows.values_list("pk", "upstream__is_listed"):
            listed.extend([pk] if is_listed else [])
            hidden += not is_listed
    if not listed:
        return Accepted(not_sellable=hidden)
    preview = change_prices(
        edits=[Edit("service", tuple(listed), {"is_on_sale": True})],
        source=PriceChange.Source.LIST,
        summary=f"Put on sale from the inbox: {len(listed):,} services",
        actor=actor,
    )
    return Accepted(put_on_sale=preview.put_on_sale, not_sellable=preview.not_sellable + hidden)
