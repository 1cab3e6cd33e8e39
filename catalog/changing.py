"""Changing prices: drafted, shown, then applied as it was shown; and taken back.

Everything that moves a price (a margin at any level, an exchange rate, the category of a service, a file of
margins) comes through here as edits. What is shown and what is applied is computed by the same function.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2s
from typing import Any

from django.db import transaction
from django.db.models import Model, Q
from django.utils import timezone

from catalog.edits import (
    Edit,
    check_disjoint,
    dump_edits,
    edited,
    edits_by_service,
    grouped,
    load_edits,
    still_standing,
    with_edits,
)
from catalog.models import Category, PriceChange, PricePolicy, Provider, Service
from catalog.pricing import Sold, Terms, lowest_price, margin_share, priced
from catalog.repricing import alert_hidden, lock_prices, read_sold, read_terms, write_prices
from catalog.types import is_sellable
from panel.bulk import update_rows

WORST = 10
KEPT_DRAFTS = timedelta(days=1)
MOST_NAMED = 500
"""Services that are asked for by their numbers; beyond, reading all of them is quicker."""

_MODELS: dict[str, type[Model]] = {
    "panel": PricePolicy,
    "provider": Provider,
    "category": Category,
    "service": Service,
}


class ChangeRefused(Exception):
    """The change was not applied, and nothing was changed. The message is for staff."""


class PreviewOutdated(ChangeRefused):
    """Applying would do something else now than what was shown."""

    def __init__(self) -> None:
        super().__init__("Prices or rates changed since this was shown. Nothing was applied; look at it again.")


class AlreadyApplied(ChangeRefused):
    """The change was applied before."""

    def __init__(self) -> None:
        super().__init__("This change was applied already.")


@dataclass(frozen=True, slots=True)
class Effect:
    """A service before and after."""

    before: Sold
    after: Sold

    @property
    def is_priced(self) -> bool:
        """Whether its cost or price changes."""
        return (self.before.cost, self.before.price) != (self.after.cost, self.after.price)

    @property
    def share_before(self) -> int | None:
        """The margin in basis points of the cost."""
        return margin_share(cost=self.before.cost, price=self.before.price)

    @property
    def share_after(self) -> int | None:
        return margin_share(cost=self.after.cost, price=self.after.price)

    @property
    def earns_nothing(self) -> bool:
        """Whether it would be sold for its cost, or lost its price."""
        return self.after.price <= self.after.cost

    @property
    def loses_at_old_price(self) -> bool:
        """Whether the price so far is below the cost from now on."""
        return self.before.price < self.after.cost


@dataclass(slots=True)
class Preview:
    """What a change would do to the services, or did."""

    effects: list[Effect] = field(default_factory=list)
    """Of those whose price, cost, or being on sale changes."""
    raised: int = 0
    lowered: int = 0
    put_on_sale: int = 0
    taken_off_sale: int = 0
    lost_price: int = 0
    at_minimum: int = 0
    """Services whose price is held up by the minimum margin alone."""
    earning_nothing: int = 0
    losing_at_old_price: int = 0
    not_sellable: int = 0
    """Services that were to be put on sale, but have no price or a type that cannot be ordered."""
    fingerprint: str = ""

    @property
    def affected(self) -> int:
        """How many prices change."""
        return self.raised + self.lowered + self.lost_price

    @property
    def worst(self) -> list[Effect]:
        """The ten that earn least afterwards, of those whose price changes; at equal margins the deepest fall."""

        def badness(effect: Effect) -> tuple[int, int, int]:
            after, before = effect.share_after, effect.share_before
            fall = (after or 0) - (before or 0)
            return (-1 if after is None else after, fall, effect.after.pk)

        return sorted((one for one in self.effects if one.is_priced), key=badness)[:WORST]


def draft_change(
    *, edits: Sequence[Edit], source: str, summary: str, actor: Any, undoes: PriceChange | None = None
) -> PriceChange:
    """Stores what is to be changed, to be shown and then applied. Drafts nobody applied are dropped after a day."""
    check_disjoint(edits)
    PriceChange.objects.filter(state=PriceChange.State.DRAFT, created_at__lt=timezone.now() - KEPT_DRAFTS).delete()
    return PriceChange.objects.create(
        edits=dump_edits(edits), source=source, summary=summary[:300], actor=actor, undoes=undoes
    )


def preview_change(*, change: PriceChange) -> Preview:
    """What applying the draft would do now. Raises ChangeRefused."""
    return _preview(load_edits(change.edits), read_terms())


def apply_change(*, change: PriceChange, seen: str | None, actor: Any) -> Preview:
    """Applies the draft, once, and fills in what it did.

    `seen` is the fingerprint of the preview that was shown: where the change would do anything else by now, it
    is refused. None applies whatever it does. Raises ChangeRefused and its kin; then nothing was changed.
    """
    edits = load_edits(change.edits)
    with transaction.atomic():
        # 1. Lock: providers first, as imports do.
        named = [pk for edit in edits if edit.kind == "provider" for pk in edit.pks]
        if named:
            list(Provider.objects.select_for_update(no_key=True).filter(pk__in=named).order_by("pk").values_list("pk"))
        lock_prices()
        if change.undoes_id:
            _refuse_second_undo(change.undoes_id)  # Two people may have drafted the same undo.
        # 2. Compute what it does now, and compare with what was shown.
        preview = _preview(edits, read_terms())
        if seen is not None and seen != preview.fingerprint:
            raise PreviewOutdated
        # 3. Take the draft: of two who apply it at once, one finds it taken.
        now = timezone.now()
        values = {
            "state": PriceChange.State.APPLIED,
            "applied_at": now,
            "actor": actor,
            "before": dump_edits(_standing(edits)),
            "affected": preview.affected,
            "raised": preview.raised,
            "lowered": preview.lowered + preview.lost_price,
        }
        if not PriceChange.objects.filter(pk=change.pk, state=PriceChange.State.DRAFT).update(**values):
            raise AlreadyApplied
        # 4. Write the settings, then everything that follows from them.
        _write(edits, preview)
        alert_hidden(preview.lost_price)
    for name, value in values.items():
        setattr(change, name, value)
    return preview


def change_prices(*, edits: Sequence[Edit], source: str, summary: str, actor: Any = None) -> Preview:
    """Applies edits at once, without a look before: for what moves no price. Raises ChangeRefused."""
    return apply_change(
        change=draft_change(edits=edits, source=source, summary=summary, actor=actor), seen=None, actor=actor
    )


def draft_undo(*, change: PriceChange, actor: Any) -> PriceChange:
    """A draft that sets back what `change` set, but for what was set to something else since. Raises ChangeRefused."""
    if change.state != PriceChange.State.APPLIED:
        raise ChangeRefused("This change was never applied.")
    _refuse_second_undo(change.pk)
    edits = load_edits(change.edits)
    back, left = still_standing(edits=edits, before=load_edits(change.before), now=_standing(edits))
    if not back:
        raise ChangeRefused("Everything that it set was set to something else since. There is nothing to undo.")
    summary = f"Undo: {change.summary}" + (f" ({left:,} changed since and kept)" if left else "")
    return draft_change(edits=back, source=PriceChange.Source.UNDO, summary=summary, actor=actor, undoes=change)


def _refuse_second_undo(pk: int) -> None:
    if PriceChange.objects.filter(undoes=pk, state=PriceChange.State.APPLIED).exists():
        raise ChangeRefused("This change was undone already.")


def _preview(edits: Sequence[Edit], terms: Terms) -> Preview:
    _check_targets(edits)
    then = with_edits(terms, edits)
    wanted = edits_by_service(edits)
    found = Preview()
    for before in _services_of(edits, wanted):
        after = priced(edited(before, wanted.get(before.pk)), then)
        if after.is_on_sale and not before.is_on_sale and not is_sellable(after.type):
            after = after._replace(is_on_sale=False)
        found.not_sellable += bool(wanted.get(before.pk, {}).get("is_on_sale")) and not after.is_on_sale
        _count(found, Effect(before, after), then)
    shown = [(one.after.pk, one.before[-3:], one.after[-3:]) for one in found.effects]
    found.fingerprint = blake2s(repr((dump_edits(edits), shown)).encode(), digest_size=12).hexdigest()
    return found


def _count(found: Preview, effect: Effect, terms: Terms) -> None:
    before, after = effect.before, effect.after
    if before[-3:] == after[-3:]:  # whether it is on sale, its cost and its price
        return
    found.effects.append(effect)
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
    found.losing_at_old_price += effect.loses_at_old_price
    floor = lowest_price(cost=after.cost, allow_below_minimum=after.allow_below_minimum, panel=terms.panel)
    found.at_minimum += after.price == floor and terms.panel.minimum_margin_bp > 0


def _check_targets(edits: Iterable[Edit]) -> None:
    """Raises ChangeRefused for targets that are gone: categories can be deleted."""
    for edit in edits:
        if edit.kind == "category" and Category.objects.filter(pk__in=edit.pks).count() < len(edit.pks):
            raise ChangeRefused("A category of this change does not exist any more.")
    into = {edit.values["category_id"] for edit in edits if "category_id" in edit.values}
    if into and Category.objects.filter(pk__in=into).count() < len(into):
        raise ChangeRefused("The category to move into does not exist any more.")


def _services_of(edits: Iterable[Edit], wanted: dict[int, Any]) -> list[Sold]:
    """The services that the edits can touch."""
    edits = list(edits)
    if any(edit.kind == "panel" for edit in edits):
        return read_sold(Service.objects.all())
    condition = Q(pk__in=list(wanted)) if wanted and len(wanted) <= MOST_NAMED else Q()
    for edit in edits:
        if edit.kind == "provider":
            condition |= Q(upstream__provider_id__in=edit.pks)
        elif edit.kind == "category":
            condition |= Q(category_id__in=edit.pks)
    if len(wanted) <= MOST_NAMED:
        return read_sold(Service.objects.filter(condition)) if condition else []
    others = {one.pk for one in read_sold(Service.objects.filter(condition))} if condition else set()
    return [one for one in read_sold(Service.objects.all()) if one.pk in wanted or one.pk in others]


def _standing(edits: Iterable[Edit]) -> list[Edit]:
    """What stands now where the edits would write, in a query for each kind and set of columns."""
    targets: dict[tuple[str, tuple[str, ...]], set[int]] = {}
    for edit in edits:
        targets.setdefault((edit.kind, tuple(sorted(edit.values))), set()).update(edit.pks)
    found: list[Edit] = []
    for (kind, names), pks in targets.items():
        rows = _MODELS[kind]._default_manager.order_by().values_list("pk", *names)
        here = (row for row in (rows.filter(pk__in=pks) if len(pks) <= MOST_NAMED else rows) if row[0] in pks)
        found.extend(grouped(kind, ((pk, dict(zip(names, old, strict=True))) for pk, *old in here)))
    return found


def _write(edits: Iterable[Edit], preview: Preview) -> None:
    services = {effect.after.pk: effect.after for effect in preview.effects}
    rows: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for edit in edits:
        if edit.kind != "service":
            _MODELS[edit.kind]._default_manager.filter(pk__in=edit.pks).update(**edit.values)
            continue
        # Whether it is on sale is written with the prices: it needs one.
        columns = tuple(name for name in sorted(edit.values) if name != "is_on_sale")
        if columns:
            values = tuple(edit.values[name] for name in columns)
            rows.setdefault(columns, []).extend((pk, *values) for pk in edit.pks)
    for columns, chosen in rows.items():
        update_rows(model=Service, columns=columns, rows=chosen)
    write_prices(services.values())
