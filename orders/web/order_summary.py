"""What the order form says beside its fields: the charge as typed so far, and what stands against ordering it so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from catalog.models import Service
from catalog.prices.customer_prices import Offer
from orders.checkout.create import Quote, quote_order
from orders.checkout.drip_feeds import quote_drip
from orders.checkout.validation import MOST_RUNS, OrderRefused, Plan
from orders.web.order_form import OrderForm


@dataclass(frozen=True, slots=True)
class Summary:
    """`quote` is of all runs where there is a `plan`. `problem`: why it cannot be ordered so; `hint`: what is missing.

    Both are in the customer's words, and empty where there is nothing to say.
    """

    quote: Quote | None = None
    plan: Plan | None = None
    problem: str = ""
    hint: str = ""

    @property
    def can_order(self) -> bool:
        return self.quote is not None and not self.problem

    @property
    def total(self) -> int | None:
        """The quantity of all runs together."""
        if self.quote is None:
            return None
        return self.quote.quantity * (self.plan.runs if self.plan else 1)

    @property
    def lasts(self) -> int:
        """Seconds from the first run to the last."""
        return (self.plan.runs - 1) * self.plan.interval * 60 if self.plan else 0


def summarize(*, customer: Any, form: OrderForm, offer: Offer | None) -> Summary:
    """What is typed so far; `offer` is the chosen service at the customer's price."""
    quantity = form.typed_quantity()
    if offer is None or quantity is None:
        return Summary()
    plan = form.typed_plan()
    if form.is_drip and plan is None:
        return Summary(hint=f"Enter 2 to {MOST_RUNS:,} runs, and the minutes between them.")
    try:
        if plan is None:
            quote = quote_order(customer=customer, offer=offer, quantity=quantity)
        else:
            quote = quote_drip(customer=customer, offer=offer, quantity=quantity, plan=plan)
    except OrderRefused as refusal:
        return Summary(plan=plan, problem=refusal.message)
    return Summary(quote, plan, problem=_outside_limits(offer.service, quantity))


def _outside_limits(service: Service, quantity: int) -> str:
    if service.is_package:
        return ""
    if quantity < service.lowest_quantity:
        return f"The smallest order of this service is {service.lowest_quantity:,}."
    if quantity > service.highest_quantity:
        return f"The largest order of this service is {service.highest_quantity:,}."
    return ""
