"""What one customer pays: the list price, less the discount of their group, or what was agreed with them."""

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
    """What of a service its customers' prices follow from: a service, or a row of its columns."""

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
    """A service at the price of one customer: micro-units per 1000, or of a package."""

    service: Service
    price: int

    @property
    def is_reduced(self) -> bool:
        """Whether the customer pays less than the list price."""
        return self.price < self.service.price


@dataclass(frozen=True, slots=True)
class CustomerTerms:
    """What the prices of one customer follow from. `own`: agreed prices by the service's primary key."""

    discount_bp: int
    own: Mapping[int, int]
    panel: PanelTerms

    def price_of(self, service: Priced) -> int:
        """Micro-units per 1000, or of a package."""
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
            # The minimum margin was raised past any price since the service was read.
            return service.price

    def offer(self, service: Service) -> Offer:
        return Offer(service, self.price_of(service))


def terms_of(*, customer: User, services: Iterable[int] | None = None) -> CustomerTerms:
    """Today's terms of a customer, in two queries; `services` (primary keys) where only theirs are asked for."""
    discount_bp, panel, _ = _read(customer_id=customer.pk, service_id=None)
    own = CustomerPrice.objects.filter(customer=customer).order_by()
    if services is not None:
        own = own.filter(service__in=list(services))
    return CustomerTerms(discount_bp, dict(own.values_list("service_id", "price")), panel)


def offers_for(*, customer: AnyUser, services: Sequence[Service]) -> list[Offer]:
    """The services at the customer's prices today; at list prices, without a query, for a visitor."""
    if not customer.is_authenticated:
        return [Offer(service, service.price) for service in services]
    terms = terms_of(customer=customer, services=[service.pk for service in services])
    return [terms.offer(service) for service in services]


def offer_of(*, customer: User, service: Service) -> Offer:
    """The service at the customer's price today, in one query."""
    discount_bp, panel, own = _read(customer_id=customer.pk, service_id=service.pk)
    return CustomerTerms(discount_bp, {} if own is None else {service.pk: own}, panel).offer(service)


# Written out: it runs at every order and at every key typed into the form, and to put it together from querysets
# takes ten times as long as to run it.
_TERMS = """
    SELECT margin_bp, margin_fixed, minimum_margin_bp, price_step,
        (SELECT discount_bp FROM catalog_customergroup WHERE id =
            (SELECT group_id FROM catalog_groupmember WHERE customer_id = %s)),
        (SELECT price FROM catalog_customerprice WHERE customer_id = %s AND service_id = %s)
    FROM catalog_pricepolicy WHERE id = 1
"""


def _read(*, customer_id: int, service_id: int | None) -> tuple[int, PanelTerms, int | None]:
    """The customer's discount, the panel's terms and the price agreed for the service, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_TERMS, [customer_id, customer_id, service_id])
        row = cursor.fetchone()
    if row is None:
        price_policy()  # Makes it.
        return _read(customer_id=customer_id, service_id=service_id)
    *panel, discount_bp, own = row
    return discount_bp or 0, PanelTerms(*panel), own
