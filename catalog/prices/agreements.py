"""Set many agreed prices at once: planned first, shown to a person, and applied only as they were shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby

from django.conf import settings
from django.db import IntegrityError, models, transaction

from catalog.models import CustomerPrice, Service
from catalog.prices.customer_prices import CustomerTerms
from catalog.prices.rules import PanelTerms, discounted
from catalog.prices.storage import lock_prices, panel_terms, price_policy
from panel.accounts.models import User
from panel.activity.record import MAX_CHANGES, Change, record
from panel.lib.bulk_sql import in_chunks
from panel.lib.money import format_money
from panel.lib.own_account import refuse_own

# Prices in one change, over all of its customers: some seconds, and a page that can be read.
MAX_PRICES = 20_000

# Prices in micro-units, by customer and service.
Wanted = Mapping[int, Mapping[int, int]]


class Rule(models.TextChoices):
    """Which price wins where a customer has one already."""

    KEEP = "keep", "The price they have stays"
    TAKE = "take", "The new price replaces it"
    LOWER = "lower", "The lower of both"


class PricesMoved(Exception):
    """Prices changed since they were shown. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Line:
    """One price: `offered` is the one that was asked for, `after` what it becomes; micro-units per 1000 or package.

    `pays` is what the customer pays then: the lowest allowed price, if the agreed one is below it.
    """

    customer_id: int
    service: Service
    before: int | None
    offered: int
    after: int
    pays: int

    @property
    def is_new(self) -> bool:
        return self.before is None

    @property
    def is_changed(self) -> bool:
        return self.before is not None and self.before != self.after

    @property
    def is_kept(self) -> bool:
        return self.before == self.after

    @property
    def is_conflict(self) -> bool:
        """Return True if the customer has another price than the one asked for, whichever of them wins."""
        return self.before is not None and self.before != self.offered

    @property
    def is_held_up(self) -> bool:
        return self.pays > self.after

    @property
    def is_above_list(self) -> bool:
        return self.pays > self.service.price


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be changed. `seen` names the state that it rests on, and what it does."""

    lines: Sequence[Line]
    seen: str

    @property
    def changing(self) -> list[Line]:
        return [line for line in self.lines if not line.is_kept]

    @property
    def new(self) -> int:
        return sum(line.is_new for line in self.lines)

    @property
    def changed(self) -> int:
        return sum(line.is_changed for line in self.lines)

    @property
    def kept(self) -> int:
        return sum(line.is_kept for line in self.lines)

    @property
    def conflicts(self) -> int:
        return sum(line.is_conflict for line in self.lines)

    @property
    def held_up(self) -> int:
        return sum(line.is_held_up for line in self.changing)

    @property
    def above_list(self) -> int:
        return sum(line.is_above_list for line in self.changing)


def agreed_prices(*, customer_id: int) -> dict[int, int]:
    """Return the customer's agreed prices by service."""
    own = CustomerPrice.objects.filter(customer=customer_id).order_by("service_id")
    return dict(own.values_list("service_id", "price"))


def less_percent(*, services: Iterable[Service], off_bp: int) -> dict[int, int]:
    """Return the list prices less basis points, rounded up to the price step; none for services without a price."""
    step = panel_terms(price_policy()).price_step
    reduced = {one.pk: discounted(price=one.price, discount_bp=off_bp, price_step=step) for one in services}
    return {pk: price for pk, price in reduced.items() if price}


def plan_agreements(*, wanted: Wanted, rule: Rule) -> Plan:
    """Return what setting `wanted` would do now. Services that do not exist are left out. A few queries a thousand."""
    panel = panel_terms(price_policy())
    services = _services({pk for prices in wanted.values() for pk in prices})
    held = _held(wanted)
    lines = [
        _line(customer_id, services[pk], held.get((customer_id, pk)), price, rule, panel)
        for customer_id, prices in wanted.items()
        for pk, price in prices.items()
        if pk in services
    ]
    facts = [
        (line.customer_id, line.service.pk, line.service.price, line.service.cost, line.before, line.after, line.pays)
        for line in lines
    ]
    return Plan(lines, sha256(repr(facts).encode()).hexdigest())


def apply_agreements(*, wanted: Wanted, rule: Rule, seen: str, actor: User, how: str) -> Plan:
    """Set the prices as the plan that is `seen` says, and log it with each customer; `how` says it in words.

    All or nothing. Raise PricesMoved if anything is not as it was seen, and OwnAccount.
    """
    for customer_id in wanted:
        refuse_own(actor=actor, customer_id=customer_id)
    try:
        with transaction.atomic():
            lock_prices()
            rows = {
                (row.customer_id, row.service_id): row
                for row in CustomerPrice.objects.select_for_update().filter(customer__in=wanted).order_by("pk")
            }
            plan = plan_agreements(wanted=wanted, rule=rule)
            if plan.seen != seen:
                raise PricesMoved
            CustomerPrice.objects.bulk_create(
                (
                    CustomerPrice(customer_id=line.customer_id, service=line.service, price=line.after)
                    for line in plan.lines
                    if line.is_new
                ),
                batch_size=500,
            )
            CustomerPrice.objects.bulk_update(_changed(plan, rows), ["price"], batch_size=500)
            _log(plan, actor, how)
    except IntegrityError as error:  # Somebody added one of them, or removed a service or a customer.
        raise PricesMoved from error
    return plan


def _changed(plan: Plan, rows: Mapping[tuple[int, int], CustomerPrice]) -> Iterator[CustomerPrice]:
    for line in plan.lines:
        if line.is_changed:
            row = rows[line.customer_id, line.service.pk]
            row.price = line.after
            yield row


def _log(plan: Plan, actor: User, how: str) -> None:
    customers = User.objects.in_bulk({line.customer_id for line in plan.changing})
    for customer_id, group in groupby(plan.changing, key=lambda line: line.customer_id):
        lines = list(group)
        new = sum(line.is_new for line in lines)
        changes = [
            Change(f"price of service {line.service.pk}", _shown(line.before), _shown(line.after))
            for line in lines[:MAX_CHANGES]
        ]
        message = f"{how}: {new:,} added, {len(lines) - new:,} changed."
        record(actor_id=actor.pk, objects=[customers[customer_id]], message=message, changes=changes)


def _shown(price: int | None) -> str:
    return "" if price is None else format_money(price, settings.PANEL_CURRENCY, exact=True)


def _line(customer_id: int, service: Service, before: int | None, offered: int, rule: Rule, panel: PanelTerms) -> Line:
    after = offered
    if before is not None and rule != Rule.TAKE:
        after = before if rule == Rule.KEEP else min(before, offered)
    pays = CustomerTerms(0, {service.pk: after}, panel).price_of(service)
    return Line(customer_id, service, before, offered, after, pays)


def _services(pks: Iterable[int]) -> dict[int, Service]:
    columns = ("name", "price", "cost", "allow_below_minimum")
    return {
        one.pk: one for chunk in in_chunks(sorted(pks)) for one in Service.objects.filter(pk__in=chunk).only(*columns)
    }


def _held(wanted: Wanted) -> dict[tuple[int, int], int]:
    """Return the prices that the customers have, by customer and service."""
    rows = CustomerPrice.objects.filter(customer__in=wanted).order_by()
    return {(customer, service): price for customer, service, price in rows.values_list("customer", "service", "price")}
