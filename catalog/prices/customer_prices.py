"""Prices of one customer: the list price less their group's discount, or the price agreed with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from django.db import connection

from catalog.models import CustomerPrice, Service
from catalog.prices.rules import PanelTerms, customer_price
from catalog.prices.storage import price_policy
from panel.accounts.models import User
from panel.accounts.signed_in import AnyUser
from panel.lib.money import MoneyError


class Priced(Protocol):
    """The fields of a service that customer prices need: a service, or a row of these columns."""

    @property
    def pk(self) -> int: ...

    @property
    def price(self) -> int: ...

    @property
    def cost(self) -> int: ...

    @property
    def allow_below_minimum(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Offer:
    """A service at one customer's price: micro-units per 1000, or per package."""

    service: Service
    price: int

    @property
    def is_reduced(self) -> bool:
        """Return True if the customer pays less than the list price."""
        return self.price < self.service.price


@dataclass(frozen=True, slots=True)
class CustomerTerms:
    """What one customer's prices depend on. `own` are agreed prices by service primary key."""

    discount_bp: int
    own: Mapping[int, int]
    panel: PanelTerms

    def price_of(self, service: Priced) -> int:
        """Return the price in micro-units per 1000, or per package."""
        try:
            return customer_price(
                price=service.price,
                cost=service.cost,
                allow_below_minimum=service.allow_below_minimum,
                discount_bp=self.discount_bp,
                own=self.own.get(service.pk),
                panel=self.panel,
            )
        except MoneyError:
            # The minimum margin was raised beyond any valid price after the service was read.
            return service.price

    def offer(self, service: Service) -> Offer:
        return Offer(service, self.price_of(service))


def terms_of(*, customer: User, services: Iterable[int] | None = None) -> CustomerTerms:
    """Return the current terms of a customer, in two queries; agreed prices only for `services` (primary keys), if
    given.
    """
    discount_bp, panel, _ = _read(customer_id=customer.pk, service_id=None)
    own = CustomerPrice.objects.filter(customer=customer).order_by()
    if services is not None:
        own = own.filter(service__in=list(services))
    return CustomerTerms(discount_bp, dict(own.values_list("service_id", "price")), panel)


def offers_for(*, customer: AnyUser, services: Sequence[Service]) -> list[Offer]:
    """Return offers at the customer's current prices; for a visitor at list prices, without a query."""
    if not customer.is_authenticated:
        return [Offer(service, service.price) for service in services]
    terms = terms_of(customer=customer, services=[service.pk for service in services])
    return [terms.offer(service) for service in services]


def offer_of(*, customer: User, service: Service) -> Offer:
    """Return the offer at the customer's current price, in one query."""
    discount_bp, panel, own = _read(customer_id=customer.pk, service_id=service.pk)
    return CustomerTerms(discount_bp, {} if own is None else {service.pk: own}, panel).offer(service)


# Plain SQL: it runs at every order and at every key typed into the form, and building it from querysets takes ten times
# as long as running it.
_TERMS = """
    SELECT margin_bp, margin_fixed, minimum_margin_bp, price_step,
        (SELECT discount_bp FROM catalog_customergroup WHERE id =
            (SELECT group_id FROM catalog_groupmember WHERE customer_id = %s)),
        (SELECT price FROM catalog_customerprice WHERE customer_id = %s AND service_id = %s)
    FROM catalog_pricepolicy WHERE id = 1
"""


def _read(*, customer_id: int, service_id: int | None) -> tuple[int, PanelTerms, int | None]:
    """Return the customer's discount, the panel's terms and the agreed price of the service, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_TERMS, [customer_id, customer_id, service_id])
        row = cursor.fetchone()
    if row is None:
        price_policy()  # creates the row
        return _read(customer_id=customer_id, service_id=service_id)
    *panel, discount_bp, own = row
    return discount_bp or 0, PanelTerms(*panel), own
