"""What one customer pays: the list price, less the discount of their group, or what was agreed with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.db.models import QuerySet, Subquery

from catalog.models import CustomerPrice, GroupMember, PricePolicy, Service
from catalog.pricing import PanelTerms, customer_price
from catalog.repricing import panel_terms, price_policy
from panel.money import MoneyError


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


def terms_of(*, customer: Any, services: Iterable[int] | None = None) -> CustomerTerms:
    """Today's terms of a customer, in two queries; `services` (primary keys) where only theirs are asked for."""
    discount_bp, panel, _ = _read(customer, CustomerPrice.objects.none())
    own = CustomerPrice.objects.filter(customer=customer).order_by()
    if services is not None:
        own = own.filter(service__in=list(services))
    return CustomerTerms(discount_bp, dict(own.values_list("service_id", "price")), panel)


def offers_for(*, customer: Any, services: Sequence[Service]) -> list[Offer]:
    """The services at the customer's prices today; at list prices, without a query, for a visitor."""
    if not customer.is_authenticated:
        return [Offer(service, service.price) for service in services]
    terms = terms_of(customer=customer, services=[service.pk for service in services])
    return [terms.offer(service) for service in services]


def offer_of(*, customer: Any, service: Service) -> Offer:
    """The service at the customer's price today, in one query."""
    discount_bp, panel, own = _read(customer, CustomerPrice.objects.filter(customer=customer, service=service))
    return CustomerTerms(discount_bp, {} if own is None else {service.pk: own}, panel).offer(service)


def _read(customer: Any, agreed: QuerySet[CustomerPrice]) -> tuple[int, PanelTerms, int | None]:
    """The customer's discount, the panel's terms and the one agreed price, in one query."""
    member = GroupMember.objects.filter(customer=customer)
    rows = (
        PricePolicy.objects.filter(pk=1)
        .annotate(discount_bp=Subquery(member.values("group__discount_bp")[:1]))
        .annotate(own=Subquery(agreed.order_by().values("price")[:1]))
    )
    row = rows.first()
    if row is None:
        price_policy()
        row = rows.get()
    return row.discount_bp or 0, panel_terms(row), row.own
