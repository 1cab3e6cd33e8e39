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
from operator import attrgetter

from django.db.models import (
    Aggregate,
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
from django.db.models.expressions import CombinedExpression
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


@dataclass(frozen=True, slots=True)
class Earned:
    """Figures of some of the orders of one service at one provider."""

    service_id: int
    provider_id: int
    figures: Figures


def of_period(column: str) -> CombinedExpression:
    """Return a column of whole numbers to group the orders of a period by, as an expression.

    By the column itself, SQLite would walk an index over all orders, to have the groups in order.
    """
    return F(column) + 0


_columns = attrgetter(*(one.name for one in fields(Figures)))
_ENDED = Q(status__in=FINAL)
# In the order of Figures. Prefixed, as `refunded` would otherwise hide the column of that name.
_FIGURES: dict[str, Aggregate] = {
    "all_orders": Count("pk", filter=_ENDED),
    "all_charged": Sum("charge", filter=_ENDED, default=0),
    "all_refunded": Sum("refunded", filter=_ENDED, default=0),
    "all_cost": Sum(COST, filter=_ENDED, default=0),
    "all_estimated": Count("pk", filter=_ENDED & ~_NEVER_SENT & _NO_CHARGE),
    "all_open_orders": Count("pk", filter=_IS_OPEN),
    "all_open_charged": Sum("charge", filter=_IS_OPEN, default=0),
    "all_open_refunded": Sum("refunded", filter=_IS_OPEN, default=0),
    "all_open_cost": Sum(COST, filter=_IS_OPEN, default=0),
}


def with_profit(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Annotate each order with `cost`, `profit` (micro-units) and `is_estimated`."""
    return orders.annotate(cost=COST, profit=F("charge") - F("refunded") - F("cost"), is_estimated=IS_ESTIMATED)


def profit_figures(*, since: datetime, until: datetime | None = None) -> list[Earned]:
    """Return figures of all orders created from `since` until before `until`, unsorted. One query."""
    rows = (
        _created(since, until)
        .order_by()
        .annotate(service_number=of_period("service_id"), provider_number=of_period("provider_id"))
        .values_list("service_number", "provider_number")
        .annotate(**_FIGURES)
    )
    return [Earned(service_id, provider_id, Figures(*sums)) for service_id, provider_id, *sums in rows]


def profit_of_all(*, since: datetime, until: datetime | None = None) -> Figures:
    """Return the figures of all these orders together. One query, and one row of it."""
    return Figures(*_created(since, until).order_by().aggregate(**_FIGURES).values())


def profit_by_service(found: Iterable[Earned]) -> dict[int, Figures]:
    """Return the figures summed by the service's primary key."""
    return _summed((one.service_id, one.figures) for one in found)


def profit_by_provider(found: Iterable[Earned]) -> dict[int, Figures]:
    """Return the figures summed by the provider's primary key."""
    return _summed((one.provider_id, one.figures) for one in found)


def profit_in_all(found: Iterable[Earned]) -> Figures:
    """Return the sum of all figures."""
    return _summed((0, one.figures) for one in found).get(0, Figures())


def _created(since: datetime, until: datetime | None) -> QuerySet[Order]:
    return Order.objects.filter(created_at__gte=since, **({"created_at__lt": until} if until else {}))


def _summed(parts: Iterable[tuple[int, Figures]]) -> dict[int, Figures]:
    """Return the sums by key. There is a part for each service at each provider, and most keys have only one."""
    sums: dict[int, list[Figures]] = {}
    for key, figures in parts:
        sums.setdefault(key, []).append(figures)
    return {
        key: some[0] if len(some) == 1 else Figures(*map(sum, zip(*map(_columns, some), strict=True)))
        for key, some in sums.items()
    }
