"""What an import would change, and whether that can be believed. Pure: no database, no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from catalog.models import UpstreamService
from catalog.upstream.results import ServiceRow
from panel import money

LOST_SHARE = 30
"""Percent of what was on sale that a believable list may lose."""
REPRICE_FACTOR = 5
"""A rate that moved by this factor, on most services, is a currency switch and no price change."""

COLUMNS = (
    "name",
    "category",
    "type",
    "rate",
    "min_quantity",
    "max_quantity",
    "refill",
    "cancel",
    "dripfeed",
    "description",
)


@dataclass(slots=True)
class Plan:
    """The difference between what is stored and what the provider lists now."""

    new: list[UpstreamService] = field(default_factory=list)
    changed: list[UpstreamService] = field(default_factory=list)
    vanished: list[UpstreamService] = field(default_factory=list)
    returned: list[UpstreamService] = field(default_factory=list)
    skipped: list[tuple[int, str, str]] = field(default_factory=list)
    re_rated: list[UpstreamService] = field(default_factory=list)
    compared: int = 0
    leapt: int = 0


def make_plan(*, provider_id: int, stored: Mapping[str, UpstreamService], rows: tuple[ServiceRow, ...]) -> Plan:
    """Compares the list with what is stored; sets the new values on the stored instances, unsaved.

    A row whose rate cannot be held is skipped with its reason, like one that could not be read: its
    service counts as vanished, because selling at a cost that we do not know is how panels lose money.
    """
    plan = Plan()
    seen: set[str] = set()
    for position, row in enumerate(rows):
        if row.external_id in seen:
            plan.skipped.append((position, row.external_id, "listed twice"))
            continue
        try:
            values = _values(row)
        except money.MoneyError as error:
            plan.skipped.append((position, row.external_id, f"rate: {error}"))
            continue
        seen.add(row.external_id)
        service = stored.get(row.external_id)
        if service is None:
            plan.new.append(UpstreamService(provider_id=provider_id, external_id=row.external_id, **values))
        else:
            _compare(plan, service, values)
    plan.vanished = [service for key, service in stored.items() if key not in seen and service.is_listed]
    return plan


def _values(row: ServiceRow) -> dict[str, object]:
    return {
        "name": row.name[:500],
        "category": row.category[:200],
        "type": row.type[:60],
        "rate": money.micros_up(row.rate),
        "min_quantity": row.min,
        "max_quantity": row.max,
        "refill": row.refill,
        "cancel": row.cancel,
        "dripfeed": row.dripfeed,
        "description": row.description,
    }


def _compare(plan: Plan, service: UpstreamService, values: dict[str, object]) -> None:
    plan.compared += 1
    rate = values["rate"]
    assert isinstance(rate, int)
    if service.rate != rate:
        plan.re_rated.append(service)
        low, high = sorted((service.rate, rate))
        plan.leapt += high >= low * REPRICE_FACTOR
    differs = any(getattr(service, name) != value for name, value in values.items())
    for name, value in values.items():
        setattr(service, name, value)
    if not service.is_listed:
        service.is_listed = True
        plan.returned.append(service)
    elif differs:
        plan.changed.append(service)


def implausible(*, plan: Plan, listed: int, on_sale: int, lost_on_sale: int) -> str:
    """Why the list cannot be believed, in words for the owner; empty when it can.

    `on_sale` counts the services for sale before, `lost_on_sale` those of them that the list lacks.
    """
    if not listed:
        return "The list is empty."
    if lost_on_sale * 100 > on_sale * LOST_SHARE:
        return f"The list lacks {lost_on_sale} of the {on_sale} services on sale."
    if plan.leapt * 2 > plan.compared:
        return (
            f"{plan.leapt} of {plan.compared} rates changed by a factor of {REPRICE_FACTOR} or more; "
            "the provider may have switched its currency."
        )
    return ""
