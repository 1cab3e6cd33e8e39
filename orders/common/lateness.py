"""Which orders are late: open for much longer than all but the slowest orders of their service take."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, IntegerField, QuerySet, Value
from django.db.models.functions import Cast

from catalog.models import ServiceFigures
from catalog.selectors import ENOUGH_TIMED
from orders.models import Order
from orders.states import Submission

# An order is late from this many times what the slowest quarter of its service's orders exceeds.
TIMES = 2

_ALLOWED = ExpressionWrapper(
    Cast(F("service__figures__slow_seconds"), IntegerField()) * Value(timedelta(seconds=TIMES), DurationField()),
    DurationField(),
)


def late_orders(orders: QuerySet[Order], *, now: datetime) -> QuerySet[Order]:
    """Return those of `orders` that are late. One of a service without enough measured orders never is."""
    return orders.filter(
        submission=Submission.ACCEPTED,
        finished_at=None,
        review_reason="",
        service__figures__timed__gte=ENOUGH_TIMED,
        created_at__lt=ExpressionWrapper(Value(now, DateTimeField()) - _ALLOWED, DateTimeField()),
    )


def late_by(orders: Iterable[Order], *, now: datetime) -> dict[int, timedelta]:
    """Return by how much each late one of `orders` is late, by primary key. One statement."""
    followed = [
        order
        for order in orders
        if order.submission == Submission.ACCEPTED and order.finished_at is None and not order.review_reason
    ]
    figures = ServiceFigures.objects.filter(
        service__in={order.service_id for order in followed}, timed__gte=ENOUGH_TIMED, slow_seconds__isnull=False
    )
    allowed = {pk: timedelta(seconds=TIMES * (slow or 0)) for pk, slow in figures.values_list("pk", "slow_seconds")}
    known = [order for order in followed if order.service_id in allowed]
    over = {order.pk: now - order.created_at - allowed[order.service_id] for order in known}
    return {pk: by for pk, by in over.items() if by > timedelta(0)}
