"""What counts for levels: what was spent on orders that have ended for good. Amounts are micro-units."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from billing.models import Wallet
from billing.statements import with_spent
from orders.models import DripFeed, Order
from orders.states import OPEN, DripState


@dataclass(frozen=True, slots=True)
class Spending:
    """`charged` is less refunds. `running` is the part of it for orders that have not ended, or are in review."""

    charged: int = 0
    running: int = 0

    @property
    def counts(self) -> int:
        """Return what counts for levels: a level is kept, so an order that may still be canceled must not reach it."""
        return max(0, self.charged - self.running)


def spending_by_customer(*, customers: Collection[int], since: datetime | None) -> dict[int, Spending]:
    """Return what each of the customers with a wallet spent, in all or since a moment.

    One statement, so that an order which starts or ends meanwhile is in both figures or in neither.
    """
    orders, drips = _running(since)
    wallets = with_spent(Wallet.objects.filter(customer_id__in=customers), since=since).annotate(
        running=_sum(orders, F("charge") - F("refunded")) + _sum(drips, F("charge") - F("run_charge") * F("begun"))
    )
    rows = wallets.values_list("customer_id", "spent", "running")
    return {customer: Spending(spent, running) for customer, spent, running in rows}


def _running(since: datetime | None) -> tuple[QuerySet[Order], QuerySet[DripFeed]]:
    """Return the outer customer's orders that run or are in review, and drip-feeds with runs that have not begun."""
    # The review of an order that ended may still refund it.
    is_open = Q(status__in=OPEN) | ~Q(review_reason="")
    orders = Order.objects.filter(is_open, customer=OuterRef("customer_id"))
    drips = DripFeed.objects.filter(customer=OuterRef("customer_id"), state=DripState.RUNNING)
    if since is not None:
        # A run was paid when its drip-feed started.
        orders = orders.filter(Q(drip_feed=None, created_at__gte=since) | Q(drip_feed__created_at__gte=since))
        drips = drips.filter(created_at__gte=since)
    return orders, drips


def _sum(rows: QuerySet[Any], amount: Any) -> Coalesce:
    return Coalesce(Subquery(rows.order_by().values("customer").annotate(paid=Sum(amount)).values("paid")), 0)
