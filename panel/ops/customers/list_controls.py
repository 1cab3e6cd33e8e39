"""What stands above the list of customers: the heads that sort it, and the choices of its filters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from catalog.models import CustomerGroup
from panel.ops.customers.listing import BALANCES, MONEY_SORTS, NEWEST, ORDER_SORTS, STATES, Query

_FILTERS = ("q", "group", "state", "balance")
_SORT_WORDS = {
    "newest": "Newest",
    "-newest": "Oldest",
    "balance": "Highest balance",
    "-balance": "Lowest balance",
    "spent": "Most spent",
    "-spent": "Least spent",
    "orders": "Most orders",
    "-orders": "Fewest orders",
    "refunds": "Highest refund share",
    "-refunds": "Lowest refund share",
    "seen": "Seen last",
    "-seen": "Not seen for longest",
}


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column. `address` sorts by it, the highest first, or the other way if it is so already."""

    label: str
    is_number: bool
    address: str = ""
    sorted: str = ""

    @property
    def arrow(self) -> str:
        return {"descending": "arrow_downward", "ascending": "arrow_upward"}.get(self.sorted, "")


@dataclass(frozen=True, slots=True)
class Choice:
    """One selection: its parameter, its label, and its options as (value, words, whether it is chosen)."""

    name: str
    label: str
    options: list[tuple[str, str, bool]]


def columns_of(
    query: Query, params: Mapping[str, str], *, with_money: bool, with_orders: bool, with_groups: bool
) -> list[Column]:
    """Return the heads that this person sees, in the order of the cells."""
    kept = {name: params[name] for name in _FILTERS if params.get(name)}

    def column(label: str, sort: str, *, is_number: bool = True) -> Column:
        is_on = query.sort == sort
        words = ("ascending" if query.is_up else "descending") if is_on else ""
        value = f"-{sort}" if is_on and not query.is_up else sort
        return Column(label, is_number, f"?{urlencode({**kept, 'sort': value})}", words)

    found = [column("Customer", NEWEST, is_number=False)]
    if with_money:
        found += [column("Balance", "balance"), column("Spent", "spent")]
    if with_orders:
        found.append(column("Orders", "orders"))
    if with_money:
        found.append(column("Refund share", "refunds"))
    found.append(column("Last seen", "seen", is_number=False))
    if with_groups:
        found.append(Column("Group", is_number=False))
    return [*found, Column("State", is_number=False)]


def choices_of(query: Query, *, with_money: bool, with_orders: bool, with_groups: bool) -> list[Choice]:
    """Return the selections that this person may make."""
    return list(_choices(query, with_money, with_orders, with_groups))


def _choices(query: Query, with_money: bool, with_orders: bool, with_groups: bool) -> Iterator[Choice]:
    if with_groups:
        groups = CustomerGroup.objects.order_by("name").values_list("pk", "name")
        chosen = [(str(pk), name, pk == query.group) for pk, name in groups]
        yield Choice("group", "Group", [("", "All groups", not query.group), *chosen])
    states = [(key, words) for key, (words, _) in STATES.items() if with_money or key != "held"]
    yield Choice("state", "State", _options("All states", states, query.state))
    if with_money:
        balances = [(key, words) for key, (words, _) in BALANCES.items()]
        yield Choice("balance", "Balance", _options("Any balance", balances, query.balance))
    hidden = {*(() if with_money else MONEY_SORTS), *(() if with_orders else ORDER_SORTS)}
    sort = f"-{query.sort}" if query.is_up else query.sort
    options = [(key, words, key == sort) for key, words in _SORT_WORDS.items() if key.removeprefix("-") not in hidden]
    yield Choice("sort", "Sorted by", options)


def _options(everything: str, options: list[tuple[str, str]], chosen: str) -> list[tuple[str, str, bool]]:
    return [("", everything, not chosen), *((key, words, key == chosen) for key, words in options)]
