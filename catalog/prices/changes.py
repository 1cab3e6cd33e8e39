"""Price changes: draft, preview, apply exactly as previewed, undo.

Everything that changes a price (a margin at any level, an exchange rate, the category of a service, a file of margins)
comes here as edits. The same function computes the preview and what is applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2s

from django.db import transaction
from django.db.models import Model, Q

from catalog.models import Category, CustomerPrice, GroupMember, PriceChange, PricePolicy, Provider, Service, TypeWord
from catalog.prices.edits import (
    Edit,
    check_disjoint,
    dump_edits,
    edits_by_service,
    grouped,
    load_edits,
    undo_edits,
    with_edits,
)
from catalog.prices.floor import CHANGE_FLOOR, find_moves, settle_moves, touches_floor
from catalog.prices.previews import Effect, Preview
from catalog.prices.rules import PricedService, Terms, lowest_price, priced, rescaled_rate
from catalog.prices.storage import (
    alert_hidden,
    convert_rates,
    load_priced_services,
    lock_prices,
    read_terms,
    write_prices,
)
from catalog.prices.type_edits import KIND as TYPE_KIND
from catalog.prices.type_edits import new_types, providers_of, write_types
from catalog.service_types import is_sellable
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.bulk_sql import update_rows

KEPT_DRAFTS = timedelta(days=1)
# Maximum services to query by primary key; beyond, reading all of them is faster.
MAX_NAMED = 500

# By kind of edit.
MODELS: dict[str, type[Model]] = {
    "panel": PricePolicy,
    "provider": Provider,
    "category": Category,
    "service": Service,
    TYPE_KIND: TypeWord,
}


class ChangeRefused(Exception):
    """The change was refused and nothing was changed. The message is for staff."""


class PreviewOutdated(ChangeRefused):
    """Applying would now differ from the preview."""

    def __init__(self) -> None:
        super().__init__("Prices or rates changed since this was shown. Nothing was applied; look at it again.")


class NotConfirmed(ChangeRefused):
    """It moves a floor beyond the band of the last confirmed value."""

    def __init__(self) -> None:
        super().__init__("This moves what all prices rest on, and needs your confirmation below. Nothing was applied.")


class NotYours(ChangeRefused):
    """It moves a floor, and the person may not."""

    def __init__(self) -> None:
        super().__init__("Exchange rates, currencies and the minimum margin are the owner's to set.")


class AlreadyApplied(ChangeRefused):
    """The change was applied before."""

    def __init__(self) -> None:
        super().__init__("This change was applied already.")


def draft_change(
    *, edits: Sequence[Edit], source: str, summary: str, actor: User | None, undoes: PriceChange | None = None
) -> PriceChange:
    """Store a draft of `edits`. Delete drafts that nobody applied within a day."""
    check_disjoint(edits)
    PriceChange.objects.filter(state=PriceChange.State.DRAFT, created_at__lt=clock.now() - KEPT_DRAFTS).delete()
    return PriceChange.objects.create(
        edits=dump_edits(edits), source=source, summary=summary[:300], actor=actor, undoes=undoes
    )


def preview_change(*, change: PriceChange) -> Preview:
    """Return what applying the draft would do now. Raise ChangeRefused."""
    return _preview(load_edits(change.edits), read_terms())


def apply_change(*, change: PriceChange, seen: str | None, actor: User | None, is_confirmed: bool = False) -> Preview:
    """Apply the draft, once, fill in what it did, and return that.

    `seen` is the fingerprint of the preview that was shown: the change is refused if it would now do anything else.
    None applies it in any case. `is_confirmed`: an owner confirmed that it moves a floor beyond its band. `actor` is
    None for the panel itself. Raise ChangeRefused or a subclass; then nothing was changed.
    """
    edits = load_edits(change.edits)
    if actor is not None and touches_floor(edits) and not actor.has_perm(CHANGE_FLOOR):
        raise NotYours
    with transaction.atomic():
        # 1. Lock: providers first, as imports do.
        named = {pk for edit in edits if edit.kind == "provider" for pk in edit.pks} | providers_of(edits)
        if named:
            list(Provider.objects.select_for_update(no_key=True).filter(pk__in=named).order_by("pk").values_list("pk"))
        lock_prices()
        if change.undoes_id:
            _refuse_second_undo(change.undoes_id)  # Two people may have drafted the same undo.
        # 2. Compute what the change does now, and compare with the preview.
        terms = read_terms()
        preview = _preview(edits, terms)
        if seen is not None and seen != preview.fingerprint:
            raise PreviewOutdated
        if preview.must_confirm and not is_confirmed:
            raise NotConfirmed
        lost = tuple(one.after.pk for one in preview.effects if one.before.is_on_sale and not one.after.price)
        if lost:
            # Recorded, so that an undo puts them back on sale.
            edits = [*edits, Edit("service", lost, {"is_on_sale": False})]
        # 3. Claim the draft, so that only one of two people can apply it.
        now = clock.now()
        values = {
            "state": PriceChange.State.APPLIED,
            "applied_at": now,
            "actor": actor,
            "edits": dump_edits(edits),
            "before": dump_edits(_current_edits(edits)),
            "affected": preview.affected,
            "raised": preview.raised,
            "lowered": preview.lowered + preview.lost_price,
        }
        if not PriceChange.objects.filter(pk=change.pk, state=PriceChange.State.DRAFT).update(**values):
            if PriceChange.objects.filter(pk=change.pk).exists():
                raise AlreadyApplied
            raise ChangeRefused("This draft is more than a day old and was dropped; make the change again.")
        # 4. Write the settings, then what follows from them.
        _write(edits, preview, terms)
        _confirm_rates(preview, now)
        settle_moves(preview.floor, services=preview.affected, below_cost=preview.below_old_cost, actor=actor)
        alert_hidden(len(lost))
    for name, value in values.items():
        setattr(change, name, value)
    return preview


def change_prices(
    *, edits: Sequence[Edit], source: str, summary: str, actor: User | None = None, is_confirmed: bool = False
) -> Preview:
    """Apply edits without a preview: for edits that change no price. Raise ChangeRefused."""
    change = draft_change(edits=edits, source=source, summary=summary, actor=actor)
    return apply_change(change=change, seen=None, actor=actor, is_confirmed=is_confirmed)


def draft_undo(*, change: PriceChange, actor: User | None) -> PriceChange:
    """Draft the undo of `change`, without values that were changed again since. Raise ChangeRefused."""
    if change.state != PriceChange.State.APPLIED:
        raise ChangeRefused("This change was never applied.")
    _refuse_second_undo(change.pk)
    edits = load_edits(change.edits)
    before, gone = _without_gone_categories(load_edits(change.before))
    back, left = undo_edits(edits=edits, before=before, now=_current_edits(edits))
    left += gone
    if not back:
        raise ChangeRefused("Everything that it set was set to something else since. There is nothing to undo.")
    summary = f"Undo: {change.summary}" + (f" ({left:,} changed since and kept)" if left else "")
    return draft_change(edits=back, source=PriceChange.Source.UNDO, summary=summary, actor=actor, undoes=change)


def _without_gone_categories(edits: Iterable[Edit]) -> tuple[list[Edit], int]:
    """Drop moves into deleted categories. Return the other edits, and the number of targets dropped."""
    edits = list(edits)
    there = set(Category.objects.values_list("pk", flat=True))
    kept, gone = [], 0
    for edit in edits:
        values = dict(edit.values)
        if "category_id" in values and values["category_id"] not in there:
            del values["category_id"]
            gone += len(edit.pks)
        pks = tuple(pk for pk in edit.pks if pk in there) if edit.kind == "category" else edit.pks
        gone += len(edit.pks) - len(pks)
        if values and pks:
            kept.append(Edit(edit.kind, pks, values))
    return kept, gone


def _refuse_second_undo(pk: int) -> None:
    if PriceChange.objects.filter(undoes=pk, state=PriceChange.State.APPLIED).exists():
        raise ChangeRefused("This change was undone already.")


def _preview(edits: Sequence[Edit], terms: Terms) -> Preview:
    _check_targets(edits)
    then = with_edits(terms, edits)
    wanted = edits_by_service(edits)
    for pk, service_type in new_types(edits).items():
        wanted.setdefault(pk, {})["type"] = service_type
    found = Preview()
    switched = _switched(edits)
    for before in _services_of(edits, wanted):
        # Of what prices do not depend on, such as what its link is, there is nothing to preview.
        chosen = wanted.get(before.pk, {})
        start = before._replace(**{name: chosen[name] for name in chosen.keys() & set(PricedService._fields)})
        if before.provider_id in switched:
            start = start._replace(rate=_rate_after(before, terms, then))
        after = priced(start, then)
        if after.is_on_sale and not before.is_on_sale and not is_sellable(after.type):
            after = after._replace(is_on_sale=False)
        found.not_sellable += bool(chosen.get("is_on_sale")) and not after.is_on_sale
        _count(found, Effect(before, after), then)
    found.moves_agreements = _moves_agreements(edits)
    found.floor = find_moves(edits)
    shown = [(one.after.pk, one.before[-3:], one.after[-3:], one.before.type, one.after.type) for one in found.effects]
    found.fingerprint = blake2s(repr((dump_edits(edits), shown, found.floor)).encode(), digest_size=12).hexdigest()
    return found


def _switched(edits: Iterable[Edit]) -> set[int]:
    """Return the providers whose currency changes: their rates are converted."""
    return {pk for edit in edits if edit.kind == "provider" and "currency" in edit.values for pk in edit.pks}


def _rate_after(sold: PricedService, terms: Terms, then: Terms) -> int:
    was, now = (one.providers[sold.provider_id].exchange_rate for one in (terms, then))
    return rescaled_rate(rate=sold.rate, was=was, now=now)


def _moves_agreements(edits: Iterable[Edit]) -> bool:
    """Return True if the lowest price changes and any discount or agreed price exists that it may limit."""
    lowest = {"minimum_margin_bp", "price_step", "allow_below_minimum"}
    if not any(lowest & set(edit.values) for edit in edits):
        return False
    return CustomerPrice.objects.exists() or GroupMember.objects.filter(group__discount_bp__gt=0).exists()


def _count(found: Preview, effect: Effect, terms: Terms) -> None:
    before, after = effect.before, effect.after
    if before[-3:] == after[-3:] and not effect.is_retyped:  # the last three: is_on_sale, cost, price
        return
    found.effects.append(effect)
    found.retyped += effect.is_retyped
    found.put_on_sale += after.is_on_sale and not before.is_on_sale
    found.taken_off_sale += before.is_on_sale and not after.is_on_sale
    if not effect.is_priced:
        return
    if not after.price:
        found.lost_price += 1
        return
    found.raised += after.price > before.price
    found.lowered += after.price < before.price
    found.earning_nothing += effect.earns_nothing
    found.below_old_cost += after.price < before.cost
    found.losing_at_old_price += effect.loses_at_old_price
    floor = lowest_price(cost=after.cost, allow_below_minimum=after.allow_below_minimum, panel=terms.panel)
    found.at_minimum += after.price == floor and terms.panel.minimum_margin_bp > 0


def _check_targets(edits: Iterable[Edit]) -> None:
    """Raise ChangeRefused if a category of the edits was deleted."""
    for edit in edits:
        if edit.kind == "category" and Category.objects.filter(pk__in=edit.pks).count() < len(edit.pks):
            raise ChangeRefused("A category of this change does not exist any more.")
    into = {edit.values["category_id"] for edit in edits if "category_id" in edit.values}
    if into and Category.objects.filter(pk__in=into).count() < len(into):
        raise ChangeRefused("The category to move into does not exist any more.")


def _services_of(edits: Iterable[Edit], wanted: Mapping[int, object]) -> list[PricedService]:
    """Return the services that the edits can affect."""
    edits = list(edits)
    if any(edit.kind == "panel" for edit in edits):
        return load_priced_services(Service.objects.all())
    condition = Q(pk__in=list(wanted)) if wanted and len(wanted) <= MAX_NAMED else Q()
    for edit in edits:
        if edit.kind == "provider":
            condition |= Q(upstream__provider_id__in=edit.pks)
        elif edit.kind == "category":
            condition |= Q(category_id__in=edit.pks)
    if len(wanted) <= MAX_NAMED:
        return load_priced_services(Service.objects.filter(condition)) if condition else []
    others = {one.pk for one in load_priced_services(Service.objects.filter(condition))} if condition else set()
    return [one for one in load_priced_services(Service.objects.all()) if one.pk in wanted or one.pk in others]


def _current_edits(edits: Iterable[Edit]) -> list[Edit]:
    """Return the current values where the edits would write, with a query for each kind and set of columns."""
    targets: dict[tuple[str, tuple[str, ...]], set[int]] = {}
    for edit in edits:
        targets.setdefault((edit.kind, tuple(sorted(edit.values))), set()).update(edit.pks)
    found: list[Edit] = []
    for (kind, names), pks in targets.items():
        rows = MODELS[kind]._default_manager.order_by().values_list("pk", *names)
        here = (row for row in (rows.filter(pk__in=pks) if len(pks) <= MAX_NAMED else rows) if row[0] in pks)
        found.extend(grouped(kind, ((pk, dict(zip(names, old, strict=True))) for pk, *old in here)))
    return found


def _write(edits: Sequence[Edit], preview: Preview, terms: Terms) -> None:
    then = with_edits(terms, edits)
    for pk in sorted(_switched(edits)):
        was, now = terms.providers[pk].exchange_rate, then.providers[pk].exchange_rate
        convert_rates(provider_id=pk, was=was, now=now)
    services = {effect.after.pk: effect.after for effect in preview.effects}
    rows: dict[tuple[str, ...], list[tuple[object, ...]]] = {}
    for edit in edits:
        if edit.kind != "service":
            MODELS[edit.kind]._default_manager.filter(pk__in=edit.pks).update(**edit.values)
            continue
        # `is_on_sale` is written with the prices: a service on sale needs one.
        columns = tuple(name for name in sorted(edit.values) if name != "is_on_sale")
        if columns:
            values = tuple(edit.values[name] for name in columns)
            rows.setdefault(columns, []).extend((pk, *values) for pk in edit.pks)
    for columns, chosen in rows.items():
        update_rows(model=Service, columns=columns, rows=chosen)
    write_types(edits)
    write_prices(services.values())


def _confirm_rates(preview: Preview, now: datetime) -> None:
    """Store at which rate and when services were put on sale: what staff agreed to is not asked again."""
    put_on_sale = (one.after for one in preview.effects if one.after.is_on_sale and not one.before.is_on_sale)
    rows = [(sold.pk, sold.rate, now) for sold in put_on_sale]
    update_rows(model=Service, columns=("confirmed_rate", "put_on_sale_at"), rows=rows)
