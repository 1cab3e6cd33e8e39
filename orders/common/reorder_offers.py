"""Offers of staff to order a canceled order again: of which orders, for how long, and which customers did."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from django.db.models import Exists, OuterRef

from orders.models import Order, OrderEvent
from orders.states import EventKind, Status
from panel.lib import clock

# How long the customer reads an offer; until then the order is not offered again.
OFFER_LASTS = timedelta(days=30)


def may_be_offered(order: Order) -> bool:
    """Return True if the order was canceled, all of it was refunded, and nobody has to decide about it."""
    return order.status == Status.CANCELED and order.net_charge == 0 and not order.review_reason


def offered_of(pks: Collection[int]) -> set[int]:
    """Return those of the orders that were offered lately. One statement."""
    lately = OrderEvent.objects.filter(order__in=pks, kind=EventKind.OFFER, created_at__gt=clock.now() - OFFER_LASTS)
    return set(lately.order_by().values_list("order_id", flat=True))


def ordered_anew_of(pks: Collection[int]) -> set[int]:
    """Return those of the ended orders whose customers have since created one for the same service and link.

    One that was canceled as well does not count. One statement.
    """
    anew = Order.objects.filter(
        link_key=OuterRef("link_key"),
        customer=OuterRef("customer"),
        service=OuterRef("service"),
        pk__gt=OuterRef("pk"),
        created_at__gt=OuterRef("finished_at"),
    ).exclude(status=Status.CANCELED)
    orders = Order.objects.filter(Exists(anew), pk__in=pks).exclude(link_key="")
    return set(orders.order_by().values_list("pk", flat=True))


def is_offer_open(order: Order, events: Iterable[OrderEvent]) -> bool:
    """Return True if the customer may take an offer that the order's timeline holds."""
    since = clock.now() - OFFER_LASTS
    is_offered = any(event.kind == EventKind.OFFER and event.created_at > since for event in events)
    return is_offered and may_be_offered(order) and not ordered_anew_of([order.pk])
