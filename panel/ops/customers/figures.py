"""What customers have, spent and ordered, for staff. Amounts are micro-units, shares are basis points."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.db.models import Count, Max, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from billing.models import Deposit, Entry, OrderHold, Wallet
from billing.statements import with_spent
from orders.models import Order
from orders.states import OPEN
from panel.accounts.models import ApiKey, User
from panel.lib.money import BASIS

LATELY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Money:
    """`spent` is what orders cost, less what was `refunded`."""

    balance: int = 0
    spent: int = 0
    refunded: int = 0
    is_held: bool = False

    @property
    def refund_share(self) -> int | None:
        """Return how much of what was charged was refunded; None if nothing was charged."""
        return refund_share(spent=self.spent, refunded=self.refunded)


@dataclass(frozen=True, slots=True)
class PaidIn:
    """The deposits that were added: how many, what came in with them, and the bonuses."""

    count: int
    amount: int
    bonus: int


def refund_share(*, spent: int, refunded: int) -> int | None:
    """Return the refunds as a share of all charges, in basis points; None without charges. Pure."""
    charged = spent + refunded
    return min(BASIS, max(0, refunded * BASIS // charged)) if charged > 0 else None


def money_of(*, customers: Collection[int]) -> dict[int, Money]:
    """Return the money of the customers that have a wallet, in one statement.

    Charges are most of the entries, and none is read: what came in and is not in the balance was spent.
    """
    refunds = Entry.objects.filter(wallet=OuterRef("pk"), kind=Entry.Kind.REFUND).order_by()
    refunded = Subquery(refunds.values("wallet").annotate(total=Sum("amount")).values("total"))
    wallets = with_spent(Wallet.objects.filter(customer_id__in=customers), since=None).annotate(
        refunded=Coalesce(refunded, 0)
    )
    rows = wallets.values_list("customer_id", "balance", "spent", "refunded", "order_hold")
    return {pk: Money(balance, spent, back, hold == OrderHold.HELD) for pk, balance, spent, back, hold in rows}


def spent_lately(*, customer: User) -> int:
    """Return what the customer spent in the last 30 days; negative if more was refunded."""
    wallets = with_spent(Wallet.objects.filter(customer=customer), since=timezone.now() - LATELY)
    return wallets.values_list("spent", flat=True).first() or 0


def orders_of(*, customers: Collection[int], is_open: bool = False) -> dict[int, int]:
    """Return how many orders the customers have, or how many that run; customers without one are not in it."""
    orders: QuerySet[Order] = Order.objects.filter(customer__in=customers)
    if is_open:
        orders = orders.filter(status__in=OPEN)
    return dict(orders.order_by().values_list("customer").annotate(count=Count("pk")))


def paid_in_by(*, customer: User) -> PaidIn:
    added = Deposit.objects.filter(customer=customer, state=Deposit.State.APPROVED).order_by()
    found = added.aggregate(count=Count("pk"), amount=Sum("credited"), bonus=Sum("bonus"))
    return PaidIn(found["count"], found["amount"] or 0, found["bonus"] or 0)


def last_seen(*, customers: Collection[User]) -> dict[int, datetime]:
    """Return when the customers were last here: signed in, in a session, or by an API key. Two statements."""
    pks = [one.pk for one in customers]
    sessions = UserSession.objects.filter(user__in=pks).order_by().values_list("user").annotate(Max("last_seen_at"))
    keys = ApiKey.objects.filter(customer__in=pks, last_used_at__isnull=False).order_by().values_list("customer")
    seen = {one.pk: one.last_login for one in customers if one.last_login}
    for pk, moment in (*sessions, *keys.annotate(Max("last_used_at"))):
        seen[pk] = max(seen.get(pk, moment), moment)
    return seen
