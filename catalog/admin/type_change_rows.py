"""What a change of types does, for its preview: services, how their price is counted, and their smallest order."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.models import CustomerPrice, Service
from catalog.models.type_words import shown_word
from catalog.prices.previews import Effect, Preview
from catalog.service_types import SPECS, is_package_type, is_sellable
from panel.lib.admin.base import shown_money
from panel.lib.money import charge_for

MAX_ROWS = 5


@dataclass(frozen=True, slots=True)
class TypeRow:
    """A service whose type changes; texts for the page."""

    effect: Effect
    before: str
    after: str
    unit: str = ""
    smallest: str = ""
    cost: str = ""


@dataclass(frozen=True, slots=True)
class TypeChanges:
    """The first services whose type changes, and counts of what a person must see before it is applied.

    The price of `counted_anew` is for a package instead of 1000, or the reverse, as are `agreed` prices of customers.
    `surely_packages` take orders of 1 only. `unsold` are on sale with a type that is not sold.
    """

    rows: list[TypeRow]
    more: int
    counted_anew: int
    agreed: int
    surely_packages: int
    unsold: int


def type_changes(preview: Preview) -> TypeChanges | None:
    """Return what the change does to types; None if it changes none."""
    effects = [one for one in preview.effects if one.is_retyped]
    if not effects:
        return None
    anew = [one.after.pk for one in effects if is_package_type(one.before.type) != is_package_type(one.after.type)]
    per_thousand = [
        one.after.pk for one in effects if is_sellable(one.after.type) and not is_package_type(one.after.type)
    ]
    return TypeChanges(
        rows=_rows(effects[:MAX_ROWS]),
        more=max(0, len(effects) - MAX_ROWS),
        counted_anew=len(anew),
        agreed=_among(CustomerPrice.objects.values_list("service_id", flat=True), anew),
        surely_packages=_among(
            Service.objects.filter(upstream__max_quantity__lte=1).values_list("pk", flat=True), per_thousand
        ),
        unsold=sum(one.after.is_on_sale and not is_sellable(one.after.type) for one in effects),
    )


def _among(keys: object, chosen: list[int]) -> int:
    wanted = set(chosen)
    return sum(pk in wanted for pk in keys) if wanted else 0  # type: ignore[attr-defined]


def _rows(effects: list[Effect]) -> list[TypeRow]:
    services = Service.objects.select_related("upstream").in_bulk([one.after.pk for one in effects])
    return [_row(one, services[one.after.pk]) for one in effects if one.after.pk in services]


def _row(effect: Effect, service: Service) -> TypeRow:
    before, after = (_label(one.type) for one in (effect.before, effect.after))
    sold = effect.after
    if not is_sellable(sold.type):
        return TypeRow(effect, before, after)
    if is_package_type(sold.type):
        return TypeRow(effect, before, after, "a package", f"1: {shown_money(sold.price)}", shown_money(sold.cost))
    least = service.lowest_quantity
    price, cost = (charge_for(amount, least) for amount in (sold.price, sold.cost))
    return TypeRow(effect, before, after, "per 1,000", f"{least:,}: {shown_money(price)}", shown_money(cost))


def _label(service_type: str) -> str:
    return str(SPECS[service_type].label) if service_type in SPECS else shown_word(service_type)
