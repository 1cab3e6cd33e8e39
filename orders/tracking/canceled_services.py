"""Services whose orders their provider cancels: taken off sale until staff have looked.

A service is judged by its last 20 orders that were with the provider and ended since staff last put it on sale. What
customers or staff canceled says nothing about the provider and is left out.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Count, DateTimeField, Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from catalog.imports.canceled import CanceledShare, take_canceled_off_sale
from catalog.models import Service
from catalog.prices.storage import lock_prices
from orders.models import CancelRequest, Order, OrderEvent
from orders.states import EventKind, Status, Submission
from panel.alerts.models import Heartbeat
from panel.lib import clock
from panel.site import registry as site

JUDGED = 20
# Canceled orders of so many customers at least: bad links of one of them prove nothing about the service.
MIN_CUSTOMERS = 3
TASK = "watch_services"
# Orders that ended so long before the last round are looked for again: their transactions may have been open then.
OVERLAP = timedelta(minutes=15)
# Without an earlier round.
FIRST = timedelta(days=1)

_CANCELED = Q(status=Status.CANCELED) | Q(status=Status.PARTIAL, refunded=F("charge"))
_PEOPLE = Count("customer", distinct=True, filter=_CANCELED)
_NEVER = Value(datetime(1970, 1, 1, tzinfo=UTC), output_field=DateTimeField())


def watch_services() -> int:
    """Take the services off sale of whose last orders the provider canceled too many; return how many.

    Only services with an order that it canceled since the last round are judged.
    """
    percent = site.CANCELED_SERVICE_PERCENT.value
    if not percent:
        return 0
    last_round = Heartbeat.objects.filter(task=TASK).values_list("beat_at", flat=True).first()
    now = clock.now()
    since = min(last_round, now) - OVERLAP if last_round else now - FIRST
    lately = canceled_by_provider().filter(service=OuterRef("pk"), finished_at__gte=since)
    suspects = _canceled_too_often(Service.objects.filter(Exists(lately)), percent=percent)
    if not suspects:
        return 0
    with transaction.atomic():
        lock_prices()
        # Staff may have put one on sale again meanwhile: it is judged by later orders alone.
        found = _canceled_too_often(Service.objects.filter(pk__in=suspects), percent=percent)
        return take_canceled_off_sale(shares=found)


def canceled_by_provider() -> QuerySet[Order]:
    """Return accepted orders that ended without delivery, and not because a person asked for it."""
    return _judged_orders().filter(_CANCELED)


def _judged_orders() -> QuerySet[Order]:
    """Return accepted orders that ended, without those that ended undelivered because a person asked for it."""
    asked = Exists(CancelRequest.objects.filter(order=OuterRef("pk")))
    kinds = (EventKind.STATUS, EventKind.STAFF, EventKind.REFUND)
    by_staff = Exists(OrderEvent.objects.filter(order=OuterRef("pk"), actor__isnull=False, kind__in=kinds))
    ended = Order.objects.filter(submission=Submission.ACCEPTED, finished_at__isnull=False).order_by()
    return ended.filter(~_CANCELED | (~asked & ~by_staff))


def _canceled_too_often(services: QuerySet[Service], *, percent: int) -> dict[int, CanceledShare]:
    """Return those of the services on sale of which the provider canceled more than `percent`, by primary key."""
    since = Coalesce(OuterRef(OuterRef("put_on_sale_at")), _NEVER)
    last = (
        _judged_orders()
        .filter(service=OuterRef(OuterRef("pk")), finished_at__gt=since)
        .order_by("-finished_at")
        .values("pk")[:JUDGED]
    )
    counts = Order.objects.filter(pk__in=last).order_by().values("service")
    rows = (
        services.filter(is_on_sale=True)
        .order_by()
        .annotate(ended=Subquery(counts.annotate(count=Count("pk")).values("count")))
        .filter(ended=JUDGED)
        .annotate(canceled=Subquery(counts.annotate(count=Count("pk", filter=_CANCELED)).values("count")))
        .filter(canceled__gt=JUDGED * percent // 100)
        .annotate(people=Subquery(counts.annotate(count=_PEOPLE).values("count")))
        .filter(people__gte=MIN_CUSTOMERS)
    )
    return {pk: CanceledShare(canceled, ended) for pk, canceled, ended in rows.values_list("pk", "canceled", "ended")}
