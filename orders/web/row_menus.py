"""What a customer can do now with each order of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from orders.models import Order
from orders.requests.cancel import cancelable
from orders.requests.refill import refillable
from orders.web.help import chat_link, facts_of, mail_link
from panel.lib import clock
from panel.site import registry


@dataclass(frozen=True, slots=True)
class RowMenu:
    """The menu of one order. `help_url` is "" if the owner set no address."""

    order: Order
    can_refill: bool
    can_cancel: bool
    help_url: str


def menus_of(orders: Sequence[Order]) -> dict[int, RowMenu]:
    """Return the menus by primary key, in two statements. The orders must come with `service.upstream` loaded."""
    may_cancel, may_refill = cancelable(orders), refillable(orders)
    return {
        order.pk: RowMenu(order, order.pk in may_refill, order.pk in may_cancel, help_url(order)) for order in orders
    }


def help_url(order: Order) -> str:
    """Return the owner's address or chat with the order's facts filled in; "" if the owner set none."""
    subject = _("Order %(number)s") % {"number": order.pk}
    text = f"{subject}\n\n\n\n{facts_of(order, now=clock.now())}"
    email = registry.SUPPORT_EMAIL.value
    return mail_link(email, subject, text) if email else chat_link(registry.SUPPORT_URL.value, text)
