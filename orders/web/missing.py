"""Ordering once more what an ended order did not deliver."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from catalog.prices.customer_prices import offer_of
from catalog.selectors import service_on_sale
from catalog.service_types import SPECS
from orders.checkout.create import charge_of, check_floor
from orders.checkout.validation import NotOnSale, OrderRefused, check_quantity
from orders.models import Order
from orders.states import Status, Submission, is_end_undecided


@dataclass(frozen=True, slots=True)
class Missing:
    """What was not delivered: it can be ordered for `charge` (micro-units), or not, for the reason `why_not`.

    `is_offered`: staff offered to order it again.
    """

    quantity: int
    charge: int | None = None
    why_not: str = ""
    is_offered: bool = False


def missing_of(*, order: Order, is_offered: bool = False) -> Missing | None:
    """Return what the ended order did not deliver, at today's price for its customer; None if nothing is missing.

    None as well for packages, for types that count the customer's lines (nobody knows which are missing), for what was
    withdrawn, and while staff decide what is refunded. With an open offer of staff (`is_offered`), all of it is,
    whatever its type and whoever canceled it.
    """
    if is_offered:
        return _at_todays_price(order, order.quantity, is_offered=True)
    spec = SPECS.get(order.service_type)
    if order.status not in (Status.PARTIAL, Status.CANCELED) or order.delivered is None:
        return None
    if order.submission == Submission.WITHDRAWN or is_end_undecided(order.status, order.review_reason):
        return None
    quantity = order.quantity - order.delivered
    if spec is None or not spec.takes_quantity or quantity <= 0:
        return None
    return _at_todays_price(order, quantity)


def _at_todays_price(order: Order, quantity: int, *, is_offered: bool = False) -> Missing:
    service = service_on_sale(order.service_id)
    if service is None or service.type != order.service_type:
        return Missing(quantity, why_not=_("This service is no longer on sale."))
    if not is_offered and quantity < service.lowest_quantity:
        words = _("The %(count)s that are missing are too few to order again: this service takes %(low)s or more.")
        why_not = words % {"count": f"{quantity:,}", "low": f"{service.lowest_quantity:,}"}
        return Missing(quantity, why_not=why_not)
    try:
        check_quantity(service=service, quantity=quantity, params=order.params if is_offered else {})
        offer = offer_of(customer=order.customer, service=service)
        check_floor(offer)
        return Missing(quantity, charge=charge_of(offer=offer, quantity=quantity), is_offered=is_offered)
    except NotOnSale:
        return Missing(quantity, why_not=_("This service is no longer on sale."))
    except OrderRefused as refusal:
        return Missing(quantity, why_not=refusal.message)
