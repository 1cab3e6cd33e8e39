"""What customers spent lately and ordered, and when they were here, for staff. Amounts are micro-units."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.db.models import Count, Max, QuerySet
from django.utils import timezone

from billing.models import Wallet
from billing.statements import with_spent
from orders.models import Order
from orders.states import OPEN
from panel.accounts.models import ApiKey, User
from panel.lib.money import BASIS

LATELY = timedelta(days=30)


def refund_share(*, spent: int, refunded: int) -> int | None:
    """Return the refunds as a share of all charges, in basis points; None without charges. Pure."""
    charged = spent + refunded
    return min(BASIS, max(0, refunded * BASIS // charged)) if charged > 0 else None


def spent_lately(*, customer: User) -> int:
    """Return what the customer spent in the last 30 days; negative if more was refunded."""
    wallet = with_spent(Wallet.objects.filter(customer=customer), since=timezone.now() - LATELY).first()
    return wallet.spent if wallet else 0  # type: ignore[attr-defined]


def orders_of(*, customers: Collection[int], is_open: bool = False) -> dict[int, int]:
    """Return how many orders the customers have, or how many that run; customers without one are not in it."""
    orders: QuerySet[Order] = Order.objects.filter(customer__in=customers)
    if is_open:
        orders = orders.filter(status__in=OPEN)
    return dict(orders.order_by().values_list("customer").annotate(count=Count("pk")))


def last_seen(*, customers: Collection[User]) -> dict[int, datetime]:
    """Return when the customers were last here: signed in, in a session, or by an API key. Two statements."""
    pks = [one.pk for one in customers]
    sessions = UserSession.objects.filter(user__in=pks).order_by().values_list("user").annotate(Max("last_seen_at"))
    keys = ApiKey.objects.filter(customer__in=pks, last_used_at__isnull=False).order_by().values_list("customer")
    seen = {one.pk: one.last_login for one in customers if one.last_login}
    for pk, moment in (*sessions, *keys.annotate(Max("last_used_at"))):
        seen[pk] = max(seen.get(pk, moment), moment)
    return seen
