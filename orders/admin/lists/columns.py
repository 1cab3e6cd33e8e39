"""The columns of the staff's list of orders: which there are, and which a person chose."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from orders.admin.lists import cells
from orders.admin.order_rows import OrderRow
from orders.models import OrderColumns
from panel.accounts.models import User

# Pixels of the box and of the order's number, which each line has.
_ALWAYS = 172
# The widths of windows differ by steps of so many pixels: see `.fits-` in admin_orders.css.
_STEP, _NARROWEST, _WIDEST = 50, 700, 2_000


@dataclass(frozen=True, slots=True)
class Column:
    """`width` is in pixels; the columns of names share what is left, and have this at least.

    `look` are the classes of its cells, `keeps` is its rank: where the window is too narrow, the highest go first.
    """

    key: str
    title: str
    width: int
    cell: Callable[[OrderRow], SafeString]
    look: str = ""
    keeps: int = 9
    is_first: bool = False
    tells_costs: bool = False
    # Phones show it in their two lines, whatever is chosen.
    is_on_phones: bool = False


COLUMNS = (
    Column("customer", "Customer", 90, cells.customer, "is-name", 3, is_first=True),
    Column("service", "Service", 110, cells.service, "is-name is-service", 2, is_first=True, is_on_phones=True),
    Column("link", "Link", 90, cells.link, "is-name is-link", 6, is_first=True),
    Column("provider", "Provider", 100, cells.provider, "is-name"),
    Column("source", "Ordered with", 96, cells.source, "is-source"),
    Column("start", "Start", 84, cells.start, "is-end is-count"),
    Column("delivered", "Delivered", 156, cells.delivered, "is-end is-delivered", 4, is_first=True),
    Column("charge", "Charge", 80, cells.charge, "is-end is-money", 1, is_first=True, is_on_phones=True),
    Column("refunded", "Refunded", 80, cells.refunded, "is-end is-money"),
    Column("cost", "Cost", 84, cells.cost, "is-end is-money", tells_costs=True),
    Column("profit", "Profit", 84, cells.profit, "is-end is-money", 5, is_first=True, tells_costs=True),
    Column("status", "Status", 122, cells.status, "is-status", 0, is_first=True, is_on_phones=True),
    Column("created", "Created", 132, cells.created, "is-end is-moment"),
    Column("age", "Age", 76, cells.age, "is-end is-age", 7, is_first=True),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A column of somebody's list. `look` are the classes of its cells; it fits from `fits` pixels on."""

    column: Column
    look: str
    fits: int


def offered(*, sees_costs: bool) -> list[Column]:
    """Return the columns that may be chosen."""
    return [column for column in COLUMNS if sees_costs or not column.tells_costs]


def chosen_keys(*, user: User, sees_costs: bool) -> list[str]:
    """Return the keys of the columns that the user chose and may see; the first ones if they chose none."""
    kept = OrderColumns.objects.filter(user=user).values_list("keys", flat=True).first()
    may = offered(sees_costs=sees_costs)
    if not kept:
        return [column.key for column in may if column.is_first]
    return [column.key for column in may if column.key in kept]


def choose_columns(*, user: User, keys: Iterable[str]) -> None:
    """Keep the columns that the user chose; unknown ones are left out, and none means the first ones again."""
    known = [column.key for column in COLUMNS if column.key in set(keys)]
    if known:
        OrderColumns.objects.update_or_create(user=user, defaults={"keys": known})
    else:
        OrderColumns.objects.filter(user=user).delete()


def shown_columns(keys: Collection[str]) -> list[Shown]:
    """Return the columns with these keys in their order, and those that phones show besides."""
    fits = _widths_needed([column for column in COLUMNS if column.key in keys])
    shown = []
    for column in COLUMNS:
        if column.key in keys:
            wide = "" if column.is_on_phones else " is-wide"
            shown.append(Shown(column, f"{column.look}{wide} fits-{fits[column.key]}", fits[column.key]))
        elif column.is_on_phones:
            shown.append(Shown(column, f"{column.look} is-only-narrow", 0))
    return shown


def _widths_needed(columns: Sequence[Column]) -> dict[str, int]:
    """Return how wide the list must be for each column to be shown, in steps."""
    needed, width = {}, _ALWAYS
    for column in sorted(columns, key=lambda one: one.keeps):
        width += column.width
        needed[column.key] = max(_NARROWEST, min(_WIDEST, -(-width // _STEP) * _STEP))
    return needed
