"""The list of customers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from billing.totals import Totals, totals_of
from catalog.models import GroupMember
from panel.accounts.models import User
from panel.lib.keyset_pagination import KeysetPage, page_of
from panel.ops.customers.figures import last_seen, orders_of, refund_share
from panel.ops.customers.states import State, member_of, state_of

SIZE = 50
# An address has no more characters.
MAX_TEXT = 254


@dataclass(frozen=True, slots=True)
class Row:
    """A customer in the list. `money` and `orders` are empty where the person may not see them."""

    user: User
    money: Totals | None
    orders: int | None
    seen_at: datetime | None
    member: GroupMember | None
    state: State

    @property
    def refund_share(self) -> int | None:
        """Return the refunds as a share of all charges, in basis points; None without charges."""
        return refund_share(spent=self.money.spent, refunded=self.money.refunded) if self.money else None


def customers_page(*, text: str, params: Mapping[str, str], with_money: bool, with_orders: bool) -> KeysetPage[Row]:
    """Return customers whose address begins with `text`, the newest first: at most six statements, without a count."""
    # Their own columns alone: a password hash belongs on no page.
    users = User.objects.filter(is_staff=False, is_superuser=False).select_related("price_group__group")
    users = users.defer("password", "first_name", "last_name")
    if text:
        # Addresses are stored in lower case, and PostgreSQL has an index for beginnings.
        users = users.filter(email__startswith=text.lower()[:MAX_TEXT])
    page = page_of(users, params=params, size=SIZE)
    pks = [one.pk for one in page.rows]
    money = totals_of(customers=pks) if with_money else None
    orders = orders_of(customers=pks) if with_orders else None
    seen = last_seen(customers=page.rows)
    rows = [_row(user, money, orders, seen.get(user.pk)) for user in page.rows]
    return KeysetPage(rows, page.previous, page.next)


def _row(user: User, money: dict[int, Totals] | None, orders: dict[int, int] | None, seen_at: datetime | None) -> Row:
    own = None if money is None else money.get(user.pk, Totals())
    return Row(
        user=user,
        money=own,
        orders=None if orders is None else orders.get(user.pk, 0),
        seen_at=seen_at,
        member=member_of(user),
        state=state_of(user, is_held=own is not None and own.is_held),
    )
