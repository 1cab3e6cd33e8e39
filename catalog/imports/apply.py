"""Write the result of an import: the provider's rows, the panel's services, their prices, the inbox."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from django.db.models import QuerySet

from catalog.imports.diff import ImportPlan, Listed, differences
from catalog.imports.inbox import MAX_NAMED, TopicChange, record_changes
from catalog.imports.rises import find_steep_rises, store_past_rates
from catalog.models import CatalogChange, Category, OnRise, Provider, Service, UpstreamService
from catalog.prices.rules import PricedService, Terms, is_below_minimum, priced
from catalog.prices.storage import alert_hidden, load_priced_services, lock_prices, read_terms, write_prices
from catalog.service_types import is_sellable
from panel.lib import clock
from panel.lib.bulk_sql import in_chunks, insert_rows, update_rows

NO_CATEGORY = "Other"
_Action = CatalogChange.Action


def store_plan(
    *, provider: Provider, plan: ImportPlan, is_first: bool, accepted: Mapping[str, int] | None = None
) -> None:
    """Write everything that differs. Call it in the import's transaction, which locks the provider's row.

    Takes the lock of all prices. On the first import of a provider (`is_first`) new services do not go into the inbox.
    `accepted` are rates, by the provider's ids, that staff saw and accepted.
    """
    if plan.is_empty:
        return
    lock_prices()
    now = clock.now()  # After the wait for the lock: a change in the inbox must not be dated before it was visible.
    _store_rows(provider, plan, now)
    categories = _categories(plan.new.values())
    terms = read_terms()
    made = _publish(provider, plan.new, categories, terms, now)
    known = [one.pk for one in (*plan.changed, *plan.returned, *plan.vanished)]
    sold = _sold_by_row(provider, [*known, *([] if is_first else made)])
    moved = [*plan.changed, *plan.returned]
    steep = find_steep_rises(provider=provider, changes=moved, sold=sold, accepted=accepted or {})
    store_past_rates(provider=provider, changes=moved, now=now)
    effects = _reprice(provider, plan, sold, terms, steep)
    noted = list(_noted(plan, sold, effects, steep))
    if not is_first:
        noted.extend(TopicChange(pk, "listing", {}, {"is_listed": True}, *_pair(sold.get(pk))) for pk in made)
    record_changes(provider=provider, noted=noted, terms=terms, now=now)


def _store_rows(provider: Provider, plan: ImportPlan, now: datetime) -> None:
    listed = Listed._fields
    update_rows(
        model=UpstreamService,
        columns=(*listed, "is_listed", "changed_at"),
        rows=((one.pk, *one.new, True, now) for one in (*plan.changed, *plan.returned)),
    )
    update_rows(
        model=UpstreamService,
        columns=("is_listed", "changed_at"),
        rows=((one.pk, False, now) for one in plan.vanished),
    )
    insert_rows(
        model=UpstreamService,
        columns=("provider_id", "external_id", *listed, "is_listed", "first_seen_at", "changed_at"),
        rows=((provider.pk, key, *values, True, now, now) for key, values in plan.new.items()),
    )


# -- new services ------------------------------------------------------------------------------------


def _categories(new: Collection[Listed]) -> dict[str, int]:
    """Return categories by name, and create those that new rows need."""
    if not new:
        return {}
    names = list(dict.fromkeys(one.category or NO_CATEGORY for one in new))
    known = dict(Category.objects.values_list("name", "pk"))
    missing = [name for name in names if name not in known]
    if not missing:
        return known
    positions = {name: len(known) + number for number, name in enumerate(missing)}
    # Sorted by name: inserting the same names in different orders would deadlock.
    for chunk in in_chunks(sorted(missing)):
        Category.objects.bulk_create(
            [Category(name=name, position=positions[name]) for name in chunk], ignore_conflicts=True
        )
    return dict(Category.objects.values_list("name", "pk"))


def _publish(
    provider: Provider, new: dict[str, Listed], categories: dict[str, int], terms: Terms, now: datetime
) -> list[int]:
    """Create the panel's services for new rows, with prices. Return the rows' primary keys."""
    if not new:
        return []
    inserted = UpstreamService.objects.filter(provider=provider, first_seen_at=now)
    pks = dict(inserted.values_list("external_id", "pk"))
    rows = []
    for position, (key, listed) in enumerate(new.items()):
        category = categories[listed.category or NO_CATEGORY]
        on_sale = provider.publish_new and is_sellable(listed.type)
        sold = priced(_not_yet_sold(provider, pks[key], listed, category, on_sale), terms)
        rows.append(
            (
                sold.upstream_id,
                category,
                listed.name,
                listed.description,
                position,
                sold.is_on_sale,
                False,
                sold.cost,
                sold.price,
                now,
            )
        )
    columns = (
        "upstream_id",
        "category_id",
        "name",
        "description",
        "position",
        "is_on_sale",
        "allow_below_minimum",
        "cost",
        "price",
        "created_at",
    )
    insert_rows(model=Service, columns=columns, rows=rows)
    return [pks[key] for key in new]


def _not_yet_sold(
    provider: Provider, upstream_id: int, listed: Listed, category_id: int, on_sale: bool
) -> PricedService:
    return PricedService(
        pk=0,
        upstream_id=upstream_id,
        provider_id=provider.pk,
        type=listed.type,
        rate=listed.rate,
        name=listed.name,
        category_id=category_id,
        margin_bp=None,
        margin_fixed=None,
        allow_below_minimum=False,
        is_on_sale=on_sale,
        cost=0,
        price=0,
    )


# -- prices and the inbox ----------------------------------------------------------------------------


def _sold_by_row(provider: Provider, upstream_ids: Collection[int]) -> dict[int, list[PricedService]]:
    """Return the panel's services for these rows, by the rows' primary keys."""
    if not upstream_ids:
        return {}
    wanted = set(upstream_ids)
    services: QuerySet[Service] = Service.objects.filter(upstream__provider=provider)
    if len(wanted) <= MAX_NAMED:
        services = Service.objects.filter(upstream__in=wanted)
    found: dict[int, list[PricedService]] = {}
    for sold in load_priced_services(services):
        if sold.upstream_id in wanted:
            found.setdefault(sold.upstream_id, []).append(sold)
    return found


def _reprice(
    provider: Provider, plan: ImportPlan, sold: dict[int, list[PricedService]], terms: Terms, steep: Collection[int]
) -> dict[int, PricedService]:
    """Write the prices that follow from changed rates. Return the affected services as they are now, by primary key.

    The services in `steep` go off sale. If the provider is set to it, so does a service whose old price no longer
    leaves the minimum margin.
    """
    effects: dict[int, PricedService] = {}
    changed, lost = [], 0
    for one in (*plan.changed, *plan.returned):
        if one.old.rate == one.new.rate:
            continue
        for before in sold.get(one.pk, ()):
            after = priced(before, terms)
            lost += before.is_on_sale and not after.is_on_sale
            rose = one.new.rate > one.old.rate and is_below_minimum(price=before.price, after=after, terms=terms)
            if before.pk in steep or (rose and provider.on_rise == OnRise.OFF_SALE):
                after = after._replace(is_on_sale=False)
            effects[before.pk] = after
            if after != before:
                changed.append(after)
    write_prices(changed)
    alert_hidden(lost)
    return effects


def _noted(
    plan: ImportPlan, sold: dict[int, list[PricedService]], effects: dict[int, PricedService], steep: Collection[int]
) -> Iterator[TopicChange]:
    for one in plan.vanished:
        yield TopicChange(one.pk, "listing", {"is_listed": True}, {"is_listed": False}, *_pair(sold.get(one.pk)))
    for one in plan.returned:
        yield TopicChange(one.pk, "listing", {"is_listed": False}, {"is_listed": True}, *_pair(sold.get(one.pk)))
    for one in (*plan.changed, *plan.returned):
        for topic, old, new in differences(one):
            before, after = _pair(sold.get(one.pk), effects if topic == "rate" else None)
            rose = topic == "rate" and any(service.pk in steep for service in sold.get(one.pk, ()))
            yield TopicChange(one.pk, topic, old, new, before, after, _action(before, after), rose)


def _pair(
    sold: list[PricedService] | None, effects: dict[int, PricedService] | None = None
) -> tuple[PricedService | None, PricedService | None]:
    """Return the service to name in the inbox, before and after: one that went off sale, else one on sale, else any."""
    if not sold:
        return None, None
    then = effects or {}

    def weight(one: PricedService) -> tuple[bool, bool]:
        after = then.get(one.pk, one)
        return one.is_on_sale and not after.is_on_sale, one.is_on_sale

    before = max(sold, key=weight)
    return before, then.get(before.pk, before)


def _action(before: PricedService | None, after: PricedService | None) -> str:
    if before is None or after is None or before == after:
        return _Action.NONE
    if before.is_on_sale and not after.is_on_sale:
        return _Action.OFF_SALE
    return _Action.REPRICED if before.price != after.price else _Action.NONE
