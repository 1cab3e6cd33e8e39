"""Offering canceled orders again: each customer reads it on the order's page, and orders anew or not.

Nothing is charged here: the page leads to the order form, filled in, at the price of that moment.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from catalog.selectors import services_on_sale
from orders.common.bulk_results import OrderResult
from orders.common.reorder_offers import OFFER_LASTS, may_be_offered, offered_of, ordered_anew_of
from orders.common.timeline import write_event
from orders.many.actions import BulkAction, Data, StaffReason, own_or
from orders.models import Order
from orders.states import EventKind, Status
from panel.accounts.models import User

NOT_CANCELED = "not canceled"
NOT_REFUNDED = "not refunded in full"
SWITCHED_OFF = "of accounts that are switched off"
NOT_ON_SALE = "of services that are no longer on sale"
ORDERED_ANEW = "ordered anew by their customers already"
OFFERED = f"offered within the last {OFFER_LASTS.days} days"


class ReorderOffer(BulkAction):
    """Writes the offer to the timeline of each canceled order whose service can be ordered now. It moves no money."""

    done = "offered again"

    def plan(self, orders: Collection[Order], *, actor: User | None, data: Data) -> list[OrderResult]:
        sold = services_on_sale().filter(pk__in={order.service_id for order in orders})
        types = {service.pk: service.type for service in sold}
        pks = [order.pk for order in orders]
        offered, anew = offered_of(pks), ordered_anew_of(pks)

        def why_left(order: Order) -> str:
            if why_not := _why_not(order):
                return why_not
            if types.get(order.service_id) != order.service_type:
                return NOT_ON_SALE
            if order.pk in anew:
                return ORDERED_ANEW
            return OFFERED if order.pk in offered else ""

        return [OrderResult(order, reason=own_or(order, actor, why_left(order))) for order in orders]

    def act(self, planned: OrderResult, *, actor: User, data: Data) -> OrderResult:
        order = planned.order
        with transaction.atomic():
            # Two of the staff at once take turns here, and the second finds the first one's offer.
            locked = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
            if not may_be_offered(locked):
                return OrderResult(order, reason=StaffReason.CHANGED)
            if offered_of([order.pk]):
                return OrderResult(order, reason=OFFERED)
            write_event(order_id=order.pk, kind=EventKind.OFFER, text="Our team offers to order it again", actor=actor)
        return planned

    def logged(self, done: OrderResult) -> str:
        return "Offered to its customer again, with others."


def _why_not(order: Order) -> str:
    if order.status != Status.CANCELED:
        return NOT_CANCELED
    if not order.customer.is_active:
        return SWITCHED_OFF
    if order.net_charge:
        return NOT_REFUNDED
    return "" if may_be_offered(order) else StaffReason.IN_REVIEW


OFFER = ReorderOffer()
