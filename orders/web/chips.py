"""Chips above the list of orders: statuses, saved views, and the filters that are on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from orders.models import SavedView
from orders.states import Status
from orders.web import selectors
from orders.web.filters import OrderFilters, filters_in
from panel.lib.formats import day_text


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter as a link. `count` is "" if other filters are set, as it counts without them."""

    key: str
    label: str
    url: str
    is_active: bool = False
    count: str = ""


def status_chips(
    query: QueryDict, counts: Mapping[str, int], wanted: OrderFilters, *, keep: Collection[str] = ()
) -> list[Chip]:
    """Return a chip for all orders and one for each status that has orders, is chosen, or is in `keep`."""

    def chip(key: str, label: str, count: int) -> Chip:
        status = "" if key == "all" else key
        words = "" if wanted.is_narrowed else _counted(count)
        return Chip(key, label, address_of(query, status=status), is_active=status == wanted.status, count=words)

    return [
        chip("all", _("All"), sum(counts.values())),
        *(
            chip(status.value, _(status.label), counts.get(status.value, 0))
            for status in Status
            if counts.get(status.value) or status.value == wanted.status or status.value in keep
        ),
    ]


def _counted(count: int) -> str:
    return f"{selectors.COUNTED:,}+" if count > selectors.COUNTED else f"{count:,}"


def view_chips(views: Iterable[SavedView], query: str) -> list[Chip]:
    """Return a chip for each saved view; the one of `query`, the list's filters, is active."""
    address = reverse("order_list")
    return [
        Chip(f"view-{view.pk}", view.name, f"{address}?{view.query}", is_active=view.query == query) for view in views
    ]


def filter_chips(query: QueryDict, wanted: OrderFilters, *, service: str) -> list[Chip]:
    """Return a chip for each filter but the status; each links to the list without it. `service` is its label."""
    labels = {
        "q": f"“{wanted.text}”" if wanted.text else "",
        "service": service,
        "since": _("From %(day)s") % {"day": day_text(wanted.since)} if wanted.since else "",
        "until": _("To %(day)s") % {"day": day_text(wanted.until)} if wanted.until else "",
    }
    return [Chip(name, label, address_of(query, **{name: ""})) for name, label in labels.items() if label]


def address_of(query: QueryDict, **changes: str) -> str:
    """Return the address of the list's first page with other filters."""
    changed = filters_in(query)
    for name, value in changes.items():
        changed.pop(name, None)
        if value:
            changed[name] = value
    text = changed.urlencode()
    return f"{reverse('order_list')}?{text}" if text else reverse("order_list")
