"""Profit: charge − refunded − cost, from stored columns alone. Micro-units of the panel's currency.

The cost of an order:

- still open: the expected cost, or the returned charge so far if that is more
- ended, with a returned charge: that charge
- Canceled without one: zero, which is an estimate unless the order was never sent
- Completed or Partial without one, an estimate: the expected cost, or the delivered share of it

An open order's profit may still be refunded, so figures count it separately.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

from django.db.models import (
    BigIntegerField,
    BooleanField,
    Case,
    Count,
    ExpressionWrapper,
    F,
    Func,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Floor, Greatest, Least

from orders.models import Order
from orders.states import FINAL, Status, Submission

_NEVER_SENT = Q(submission__in=(Submission.REFUSED, Submission.WITHDRAWN))
_IS_OPEN = ~Q(status__in=FINAL)
_NO_CHARGE = Q(upstream_charge=None)
_DELIVERED = F("quantity") - Least(Greatest(F("remains"), Value(0)), F("quantity"))
# A cost times a quantity may exceed 64 bits; SQLite then continues with a float, close enough for an estimate.
_WIDE_COST = Func(F("expected_cost"), template="CAST(%(expressions)s AS NUMERIC)", output_field=BigIntegerField())
_DELIVERED_COST = Cast(Floor(_WIDE_COST * _DELIVERED / F("quantity")), BigIntegerField())
COST = Case(
    When(_IS_OPEN, then=Greatest(F("expected_cost"), Coalesce("upstream_charge", Value(0)))),
    When(~_NO_CHARGE, then=F("upstream_charge")),
    When(status=Status.CANCELED, then=Value(0)),
    When(status=Status.PARTIAL, remains__isnull=False, then=_DELIVERED_COST),
    default=F("expected_cost"),
    output_field=BigIntegerField(),
)
IS_ESTIMATED = ExpressionWrapper(~_NEVER_SENT & (_IS_OPEN | _NO_CHARGE), output_field=BooleanField())


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums over orders. Open orders are counted in the `open_` figures alone."""

    orders: int = 0
    charged: int = 0
    refunded: int = 0
    cost: int = 0
    # How many of `orders` have an estimated cost.
    estimated: int = 0
    open_orders: int = 0
    open_charged: int = 0
    open_refunded: int = 0
    open_cost: int = 0

    @property
    def profit(self) -> int:
        return self.charged - self.refunded - self.cost

    @property
    def open_profit(self) -> int:
        """Return what the open orders will earn if they are delivered in full."""
        return self.open_charged - self.open_refunded - self.open_cost

    @property
    def margin_percent(self) -> int | None:
        """Return profit as a share of charges less refunds, in whole percent rounded down; None if that is 0."""
        paid = self.charged - self.refunded
        return self.profit * 100 // paid if paid else None

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(Figures)))


@dataclass(frozen=True, slots=True)
class Earned:
    """Figures of some of the orders of one service at one provider."""

    service_id: int
    provider_id: int
    figures: Figures


def with_profit(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Annotate each order with `cost`, `profit` (micro-units) and `is_estimated`."""
    return orders.annotate(cost=COST, profit=F("charge") - F("refunded") - F("cost"), is_estimated=IS_ESTIMATED)


def profit_figures(*, since: datetime, until: datetime | None = None) -> list[Earned]:
    """Return figures of all orders created from `since` until before `until`, unsorted. One query."""
    made = Order.objects.filter(created_at__gte=since, **({"created_at__lt": until} if until else {}))
    rows = (
        made.order_by()
        .annotate(is_open=ExpressionWrapper(_IS_OPEN, output_field=BooleanField()), is_estimated=IS_ESTIMATED)
        .values_list("service_id", "provider_id", "is_open", "is_estimated")
        .annotate(orders=Count("pk"), charged=Sum("charge"), back=Sum("refunded"), paid=Sum(COST))
    )
    found = []
    for service_id, provider_id, is_open, is_estimated, orders, charged, refunded, cost in rows:
        if is_open:
            figures = Figures(open_orders=orders, open_charged=charged, open_refunded=refunded, open_cost=cost)
        else:
            figures = Figures(orders, charged, refunded, cost, estimated=orders if is_estimated else 0)
        found.append(Earned(service_id, provider_id, figures))
    return found


def profit_by_service(found: Iterable[Earned]) -> dict[int, Figures]:
    """Return the figures summed by the service's primary key."""
    return _summed((one.service_id, one.figures) for one in found)


def profit_by_provider(found: Iterable[Earned]) -> dict[int, Figures]:
    """Return the figures summed by the provider's primary key."""
    return _summed((one.provider_id, one.figures) for one in found)


def profit_in_all(found: Iterable[Earned]) -> Figures:
    """Return the sum of all figures."""
    return sum((one.figures for one in found), start=Figures())


def _summed(parts: Iterable[tuple[int, Figures]]) -> dict[int, Figures]:
    sums: dict[int, Figures] = {}
    for key, figures in parts:
        sums[key] = sums.get(key, Figures()) + figures
    return sums
