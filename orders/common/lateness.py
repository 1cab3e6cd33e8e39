"""Which orders are late: open for longer than the bound of their service.

The bound of a service is, by what there is, the one that staff set; a multiple of what all but the slowest quarter of
its orders took; or the same of its category or provider, which `orders/reports/borrowed_times.py` stores.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import (
    Case,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    IntegerField,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Greatest

from catalog.models import Service
from catalog.selectors import ENOUGH_TIMED
from orders.models import Order
from orders.states import Submission

# An order is late from this many times what the slowest quarter of its service's orders exceeds.
TIMES = 2
# The same for times of other services, which fit less well.
BORROWED_TIMES = 3
# Nobody misses an order earlier, and providers are asked about most orders only every few minutes.
MIN_SECONDS = 1_800
HOUR = 3_600

# Orders that are on their way. Those in doubt or in review wait for a decision, and have a list of their own; an order
# with a negative turn waits for another one to the same link.
ON_THEIR_WAY = Q(submission__in=(Submission.QUEUED, Submission.ACCEPTED), finished_at=None, review_reason="") & Q(
    turn__gte=0
)


class Basis(StrEnum):
    """Where the bound of a service comes from."""

    STAFF = "staff"
    OWN = "own"
    CATEGORY = "category"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Bound:
    """From how many seconds on an order of a service is late. `usual` is what it rests on; None if staff set it."""

    seconds: int
    basis: Basis
    usual: int | None = None


def bound_of(
    *, late_hours: int | None, timed: int | None, slow: int | None, borrowed: int | None, lender: str
) -> Bound | None:
    """Return the bound of a service with these figures; None if nothing says how long it takes. Pure."""
    if late_hours is not None:
        return Bound(late_hours * HOUR, Basis.STAFF)
    if slow is not None and (timed or 0) >= ENOUGH_TIMED:
        return Bound(max(MIN_SECONDS, TIMES * slow), Basis.OWN, slow)
    if borrowed is not None:
        return Bound(max(MIN_SECONDS, BORROWED_TIMES * borrowed), Basis(lender), borrowed)
    return None


# The same for the database.
_SECONDS = Coalesce(
    F("service__late_hours") * HOUR,
    Case(
        When(
            service__figures__timed__gte=ENOUGH_TIMED,
            service__figures__slow_seconds__isnull=False,
            then=Greatest(F("service__figures__slow_seconds") * TIMES, MIN_SECONDS),
        )
    ),
    Case(
        When(
            service__figures__borrowed_seconds__isnull=False,
            then=Greatest(F("service__figures__borrowed_seconds") * BORROWED_TIMES, MIN_SECONDS),
        )
    ),
    output_field=IntegerField(),
)
_ALLOWED = ExpressionWrapper(
    Cast(_SECONDS, IntegerField()) * Value(timedelta(seconds=1), DurationField()), DurationField()
)


def with_bound(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Return orders for `is_late`. As part of the filter itself, services without figures would be left out."""
    return orders.alias(late_after=_ALLOWED)


def is_late(*, now: datetime) -> Q:
    """Return the condition for orders `with_bound` that are on their way. Without a bound none is late."""
    return Q(created_at__lt=ExpressionWrapper(Value(now, DateTimeField()) - F("late_after"), DateTimeField()))


def late_orders(orders: QuerySet[Order], *, now: datetime) -> QuerySet[Order]:
    """Return those of `orders` that are late."""
    return with_bound(orders).filter(ON_THEIR_WAY, is_late(now=now))


def bounds_of(services: Collection[int]) -> dict[int, Bound]:
    """Return the bounds of the services that have one, by primary key. One statement."""
    names = ("late_hours", "timed", "slow", "borrowed", "lender")
    rows = Service.objects.filter(pk__in=services).values_list(
        *("pk", "late_hours", "figures__timed", "figures__slow_seconds"),
        *("figures__borrowed_seconds", "figures__borrowed_from"),
    )
    found = {pk: bound_of(**dict(zip(names, row, strict=True))) for pk, *row in rows}
    return {pk: bound for pk, bound in found.items() if bound is not None}


def late_by(orders: Iterable[Order], *, now: datetime) -> dict[int, timedelta]:
    """Return by how much each late one of `orders` is late, by primary key. One statement."""
    on_their_way = [order for order in orders if _is_on_its_way(order)]
    bounds = bounds_of({order.service_id for order in on_their_way})
    over = {
        order.pk: now - order.created_at - timedelta(seconds=bounds[order.service_id].seconds)
        for order in on_their_way
        if order.service_id in bounds
    }
    return {pk: by for pk, by in over.items() if by > timedelta(0)}


def _is_on_its_way(order: Order) -> bool:
    is_sent = order.submission == Submission.ACCEPTED or order.submission == Submission.QUEUED
    return is_sent and order.finished_at is None and not order.review_reason and order.turn >= 0
