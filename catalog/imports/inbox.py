"""The inbox: what changed in the providers' lists, until somebody has seen it.

Whoever writes its rows holds the lock of all prices, so that nothing changes while it is being accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from catalog.models import CatalogChange, PriceChange, Provider, Service
from catalog.prices.changes import change_prices
from catalog.prices.edits import Edit
from catalog.prices.rules import PricedService, Terms, is_below_minimum
from catalog.prices.storage import lock_prices
from panel.accounts.models import User
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib.bulk_sql import in_chunks, insert_rows, update_rows

# Rows that are asked for by their numbers; beyond, reading all of a provider is quicker.
MAX_NAMED = 500

_COLUMNS = ("kind", "old", "new", "service_id", "price_before", "price_after", "is_urgent", "action")
_IS_URGENT = _COLUMNS.index("is_urgent")
_Topic, _Kind, _Action = CatalogChange.Topic, CatalogChange.Kind, CatalogChange.Action


@dataclass(frozen=True, slots=True)
class Accepted:
    """What accepting did. `not_sellable` were to be put on sale, but are not listed, cannot be ordered, or have
    no price.
    """

    accepted: int = 0
    put_on_sale: int = 0
    not_sellable: int = 0


@dataclass(frozen=True, slots=True)
class Noted:
    """One topic of one service of a provider's list that changed; `old` and `new` hold what differs.

    `before` and `after` are the service that the panel sells of it; they differ where the rate changed its price.
    """

    upstream_id: int
    topic: str
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    before: PricedService | None = None
    after: PricedService | None = None
    action: str = _Action.NONE


@dataclass(frozen=True, slots=True)
class _Open:
    """A row that nobody has seen yet."""

    pk: int
    upstream_id: int
    topic: str
    kind: str
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    price_before: int | None
    is_urgent: bool
    action: str


# -- recording ---------------------------------------------------------------------------------------


def record_changes(*, provider: Provider, noted: Sequence[Noted], terms: Terms, now: datetime) -> None:
    """Writes what an import found, within its transaction and under the lock of all prices.

    What is open already stays one row: how it was when last seen, and how it is now. Where nothing differs any
    more it is closed, unless the service was taken off sale: only a person puts it back.
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
    _tell_rises(provider, grew=grew)


def _values(one: Noted, row: _Open | None, terms: Terms) -> tuple[Any, ...] | None:
    """Of `_COLUMNS`; None where the open row can be closed, because nothing differs from when it was last seen."""
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
    return kind, old, new, one.after.pk if one.after else None, before, after, urgent, action


def _since_last_seen(one: Noted, row: _Open | None) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """How it was when somebody last looked, and how it is now; both without what is the same."""
    if row is None:
        return one.old, one.new
    # A row of the listing says the whole: one that was never seen has no old.
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
    names = ("pk", "upstream_id", "topic", "kind", "old", "new", "price_before", "is_urgent", "action")
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


def _is_urgent(one: Noted, row: _Open | None, kind: str, before: int | None, terms: Terms) -> bool:
    """Whether what is sold, or was until an import took it off, would lose at the price that was last seen, or at
    the price so far: a rise may come after a fall that nobody looked at.
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


def _tell_rises(provider: Provider, *, grew: bool) -> None:
    if not CatalogChange.objects.filter(provider=provider, accepted_at=None, is_urgent=True).exists():
        resolve_alert(cause=Cause.RATE_RISES, about=provider.pk)
    elif grew:
        raise_alert(
            cause=Cause.RATE_RISES,
            about=provider.pk,
            text=f"{provider.name}: rates rose past the minimum margin. See the inbox.",
        )


# -- accepting ---------------------------------------------------------------------------------------


def accept_changes(*, changes: QuerySet[CatalogChange], actor: User | None, put_on_sale: bool = False) -> Accepted:
    """Takes the open ones of `changes` out of the inbox; with `put_on_sale` their services go on sale, too.

    What somebody else accepted meanwhile is not counted. Whatever was not accepted changes nothing.
    """
    with transaction.atomic():
        lock_prices()
        rows = list(changes.filter(accepted_at=None).order_by().values_list("pk", "service_id", "provider_id"))
        now, accepted = timezone.now(), 0
        for chunk in in_chunks(pk for pk, _, _ in rows):
            still_open = CatalogChange.objects.filter(pk__in=chunk, accepted_at=None)
            accepted += still_open.update(accepted_at=now, accepted_by=actor)
        services = {service for _, service, _ in rows if service is not None}
        done = _put_on_sale(services, actor) if put_on_sale and services else Accepted()
        for provider in Provider.objects.filter(pk__in={provider for _, _, provider in rows}).order_by("pk"):
            _tell_rises(provider, grew=False)
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
