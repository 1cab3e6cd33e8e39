"""What the account's page shows of orders and money, in a number of statements that does not grow."""

from __future__ import annotations

from dataclasses import dataclass

from billing.statements import Spent, spent_of
from billing.wallets import wallet_of
from catalog.models import GroupMember
from orders.models import Order
from orders.selectors import orders_of
from orders.states import OPEN
from orders.web.selectors import COUNTED, count_by_status
from panel.accounts.models import User
from panel.levels.standing import LevelStanding, level_standing_of

MAX_LATEST = 5


@dataclass(frozen=True, slots=True)
class Overview:
    """Amounts are micro-units.

    `discount_bp` is the discount of the customer's group, 0 without one.
    `level` is None if there are no levels for the customer.
    """

    spent: Spent
    open_orders: int
    are_more_open: bool
    latest: list[Order]
    discount_bp: int
    level: LevelStanding | None


def overview_of(*, customer: User) -> Overview:
    """Return what the customer spent, which orders run, and the latest ones."""
    counts = {status: count for status, count in count_by_status(customer=customer).items() if status in OPEN}
    member = GroupMember.objects.filter(customer=customer).values_list("group__discount_bp", flat=True).first()
    return Overview(
        spent=spent_of(wallet=wallet_of(customer=customer)),
        open_orders=sum(min(count, COUNTED) for count in counts.values()),
        are_more_open=any(count > COUNTED for count in counts.values()),
        latest=list(orders_of(customer=customer)[:MAX_LATEST]),
        discount_bp=member or 0,
        level=level_standing_of(customer=customer),
    )
