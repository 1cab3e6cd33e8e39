"""What the order form says beside its fields: the charge as typed so far, and what stands against ordering it so."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.models import Service
from catalog.prices.customer_prices import Offer
from orders.checkout.create import Quote, quote_order
from orders.checkout.validation import MAX_RUNS, OrderRefused
from orders.web.order_form import OrderForm
from panel.accounts.models import User


@dataclass(frozen=True, slots=True)
class Summary:
    """`problem`: why it cannot be ordered so; `hint`: what is missing. Both are in the customer's words, or empty."""

    quote: Quote | None = None
    problem: str = ""
    hint: str = ""

    @property
    def can_order(self) -> bool:
        return self.quote is not None and not self.problem


def summarize(*, customer: User, form: OrderForm, offer: Offer | None) -> Summary:
    """Return what is typed so far; `offer` is the chosen service at the customer's price."""
    quantity = form.typed_quantity()
    if offer is None or quantity is None:
        return Summary()
    plan = form.typed_plan()
    if plan is None:
        return Summary(hint=f"Enter 2 to {MAX_RUNS:,} runs, and the minutes between them.")
    runs, interval = plan
    try:
        quote = quote_order(customer=customer, offer=offer, quantity=quantity, runs=runs, interval=interval)
    except OrderRefused as refusal:
        return Summary(problem=refusal.message)
    return Summary(quote, problem=_outside_limits(offer.service, quantity))


def _outside_limits(service: Service, quantity: int) -> str:
    if service.is_package:
        return ""
    if quantity < service.lowest_quantity:
        return f"The smallest order of this service is {service.lowest_quantity:,}."
    if quantity > service.highest_quantity:
        return f"The largest order of this service is {service.highest_quantity:,}."
    return ""
