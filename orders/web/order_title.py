"""The title and the mark of a tab with an order's page: both tell how it stands without opening it. Pure."""

from __future__ import annotations

from django.utils.translation import gettext as _

from orders.models import Order
from orders.states import Status

# The mark in the title, and the file of the tab's icon. A pending order has neither.
_MARKS: dict[str, tuple[str, str]] = {
    Status.PROCESSING: ("▶", "running"),
    Status.IN_PROGRESS: ("▶", "running"),
    Status.COMPLETED: ("✓", "completed"),
    Status.PARTIAL: ("◔", "partial"),
    Status.CANCELED: ("✕", "canceled"),
}


def title_of(order: Order) -> str:
    """Return "▶ 84% · Order 4812", "◔ Partial · Order 4812", "✓ Order 4812" or "Order 4812"."""
    name = _("Order %(number)s") % {"number": order.pk}
    mark = _MARKS.get(order.status, ("", ""))[0]
    if order.status in (Status.PARTIAL, Status.CANCELED):
        return f"{mark} {_(Status(order.status).label)} · {name}"
    if mark and not order.is_final and order.delivered is not None and not order.is_package:
        return f"{mark} {order.delivered * 100 // order.quantity}% · {name}"
    return f"{mark} {name}".strip()


def icon_of(order: Order) -> str:
    """Return the static file of the tab's icon; "" for the panel's own."""
    name = _MARKS.get(order.status, ("", ""))[1]
    return f"favicons/{name}.svg" if name else ""
