"""The list of customers: its sorts, its filters, and its pages by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from billing.models import OrderHold, Wallet
from billing.totals import Totals, totals_of
from catalog.models import GroupMember
from orders.models import CustomerFigures
from orders.models.customer_figures import NEVER
from panel.accounts.models import User
from panel.lib.digits import whole_number
from panel.lib.keyset_pagination import KeysetPage, name_the_few, page_of
from panel.ops.customers.figures import last_seen, orders_of, refund_share
from panel.ops.customers.states import State, member_of, state_of

SIZE = 50
# An address has no more characters.
MAX_TEXT = 254

# The sorts by their words in the address: the column of the figures, "" for the order in which accounts were made.
NEWEST = "newest"
SORTS = {
    NEWEST: "",
    "balance": "balance",
    "spent": "spent",
    "orders": "orders",
    "refunds": "refund_share",
    "seen": "seen_at",
}
MONEY_SORTS, ORDER_SORTS = ("balance", "spent", "refunds"), ("orders",)
STATES = {
    "active": ("Active", Q(is_active=True) & ~Q(wallet__order_hold=OrderHold.HELD)),
    "held": ("Orders held", Q(is_active=True, wallet__order_hold=OrderHold.HELD)),
    "invited": ("Invited", Q(invited_at__isnull=False, closed_at=None)),
    "blocked": ("Blocked", Q(is_active=False, closed_at=None) & ~Q(blocked_reason="")),
    "closed": ("Closed", Q(closed_at__isnull=False)),
}
BALANCES = {
    "debt": ("In debt", Q(wallet__balance__lt=0)),
    "money": ("Has money", Q(wallet__balance__gt=0)),
    "credit": ("Has a credit limit", Q(wallet__credit_limit__gt=0)),
}


@dataclass(frozen=True, slots=True)
class Query:
    """What the list shows: an address's beginning, filters, and a sort; `is_up`: the lowest, or oldest, first."""

    text: str = ""
    group: int | None = None
    state: str = ""
    balance: str = ""
    sort: str = NEWEST
    is_up: bool = False

    @property
    def is_narrowed(self) -> bool:
        return bool(self.text or self.group or self.state or self.balance)


def read_query(params: Mapping[str, str], *, with_money: bool, with_orders: bool, with_groups: bool) -> Query:
    """Return the query in these parameters, without what is unknown and what this person may not see."""
    sort = params.get("sort", "").removeprefix("-")
    known = sort in SORTS and (with_money or sort not in MONEY_SORTS) and (with_orders or sort not in ORDER_SORTS)
    state, balance = params.get("state", ""), params.get("balance", "")
    return Query(
        text=params.get("q", "").replace("\0", "").strip(),
        group=whole_number(params.get("group", "")) if with_groups else None,
        state=state if state in STATES and (with_money or state != "held") else "",
        balance=balance if with_money and balance in BALANCES else "",
        # Who closed the account has no figures to sort by.
        sort=sort if known and state != "closed" else NEWEST,
        is_up=params.get("sort", "").startswith("-"),
    )


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


def customers_page(*, query: Query, params: Mapping[str, str], with_money: bool, with_orders: bool) -> KeysetPage[Row]:
    """Return a page of the customers in their order: at most eight statements, without a count.

    Figures are the stored ones, but the balance, which is the wallet's. Customers who were not counted yet come last.
    """
    users = _narrowed(query)
    column = SORTS[query.sort]
    if not column:
        page = page_of(_with_parts(users), params=params, size=SIZE, descending=not query.is_up)
        return KeysetPage(_rows(page.rows, with_money, with_orders), page.previous, page.next)
    figures = CustomerFigures.objects.filter(customer__in=users.order_by().values("pk"))
    sorted_page = page_of(figures, params=params, key=column, size=SIZE, descending=not query.is_up)
    by_pk = _with_parts(User.objects.all()).in_bulk([one.pk for one in sorted_page.rows])
    found = [by_pk[one.pk] for one in sorted_page.rows if one.pk in by_pk]
    if sorted_page.next is None:
        found += _with_parts(users.filter(figures=None, closed_at=None)).order_by("-pk")[:SIZE]
    return KeysetPage(_rows(found, with_money, with_orders), sorted_page.previous, sorted_page.next)


def _narrowed(query: Query) -> QuerySet[User]:
    users = User.objects.filter(is_staff=False, is_superuser=False)
    if query.text:
        # Addresses are stored in lower case, and PostgreSQL has an index for beginnings.
        users = users.filter(email__startswith=query.text.lower()[:MAX_TEXT])
    if query.group is not None:
        users = users.filter(price_group__group=query.group)
    for key, choices in ((query.state, STATES), (query.balance, BALANCES)):
        if key:
            users = users.filter(choices[key][1])
    return name_the_few(users) if query.is_narrowed else users


def _with_parts(users: QuerySet[User]) -> QuerySet[User]:
    # Their own columns alone: a password hash belongs on no page.
    return users.select_related("price_group__group", "wallet", "figures").defer("password", "first_name", "last_name")


def _rows(users: Sequence[User], with_money: bool, with_orders: bool) -> list[Row]:
    """Return the lines; what was not counted yet is read here."""
    figures = {one.pk: one.figures for one in users if hasattr(one, "figures")}
    new = [one for one in users if one.pk not in figures]
    money, orders, seen = {}, {}, {}
    if new:
        pks = [one.pk for one in new]
        money = totals_of(customers=pks) if with_money else {}
        orders = orders_of(customers=pks) if with_orders else {}
        seen = last_seen(customers=new)
    found = []
    for user in users:
        wallet: Wallet | None = getattr(user, "wallet", None)
        stored = figures.get(user.pk)
        own = _totals(stored, wallet) if stored else money.get(user.pk, Totals())
        seen_at = stored.seen_at if stored else seen.get(user.pk)
        found.append(
            Row(
                user=user,
                money=own if with_money else None,
                orders=(stored.orders if stored else orders.get(user.pk, 0)) if with_orders else None,
                seen_at=None if seen_at == NEVER else seen_at,
                member=member_of(user),
                state=state_of(user, is_held=with_money and wallet is not None and wallet.order_hold == OrderHold.HELD),
            )
        )
    return found


def _totals(figures: CustomerFigures, wallet: Wallet | None) -> Totals:
    return Totals(balance=wallet.balance if wallet else 0, spent=figures.spent, refunded=figures.refunded)
