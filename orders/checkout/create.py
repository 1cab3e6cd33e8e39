"""Taking an order from a customer: check, price, freeze, debit, in one transaction.

Nothing is sent here. The order is committed as queued, and a worker sends it later; so a crash at any
line leaves either no order and no debit, or both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from billing import ledger
from billing.models import Entry
from billing.wallets import spendable, wallet_of
from catalog.models import Service
from catalog.prices.customer_prices import Offer, offer_of
from catalog.selectors import service_on_sale
from orders.checkout.validation import (
    GONE,
    NotOnSale,
    OrderRefused,
    Wish,
    amount_of,
    check_link,
    check_params,
    check_wish,
    link_key,
)
from orders.common.timeline import write_event
from orders.models import DripFeed, Order
from orders.states import EventKind
from panel.lib.money import MAX_MICROS, charge_for, format_money
from panel.lib.task_hints import hint_after_commit


class PriceChanged(OrderRefused):
    """The charge is above what the customer saw. `charge` is today's, in micro-units."""

    def __init__(self, *, seen: int, charge: int) -> None:
        was = format_money(seen, settings.PANEL_CURRENCY)
        now = format_money(charge, settings.PANEL_CURRENCY)
        super().__init__(
            f"The charge rose from {was} to {now} meanwhile. Nothing was charged; order again to accept it."
        )
        self.charge = charge


class NotEnoughFunds(OrderRefused):
    """The wallet does not cover the charge. Amounts are micro-units."""

    def __init__(self, *, charge: int, available: int) -> None:
        missing = format_money(charge - available, settings.PANEL_CURRENCY, exact=True)
        super().__init__(f"Your balance does not cover this order: {missing} is missing. Nothing was charged.")
        self.missing = charge - available


class AlreadyOrdered(OrderRefused):
    """This form placed an order before, and now asks for something else."""

    def __init__(self, order: Order) -> None:
        super().__init__(
            f"This form has already placed order {order.pk}. Nothing more was charged; "
            "check what you want and order again."
        )
        self.order = order


@dataclass(frozen=True, slots=True)
class Asked:
    """What a customer asks for, as it came. `params`: what the type wants beyond link and quantity."""

    service_id: int
    link: str
    quantity: int | None
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order would cost. Micro-units."""

    quantity: int
    charge: int
    balance: int
    is_package: bool

    @property
    def balance_after(self) -> int:
        return self.balance - self.charge


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """`created` is False when the same request had placed it before."""

    order: Order
    created: bool


def charge_of(*, offer: Offer, quantity: int) -> int:
    """Micro-units for `quantity` at the customer's price. Raises OrderRefused when it exceeds any wallet."""
    charge = offer.price if offer.service.is_package else charge_for(offer.price, quantity)
    if charge > MAX_MICROS:
        raise OrderRefused("This order is too large.", field="quantity")
    return charge


def cost_of_order(*, service: Service, quantity: int) -> int:
    """What the order should cost us at today's rate, in micro-units."""
    return service.cost if service.is_package else charge_for(service.cost, quantity)


def loss_note(order: Order) -> str:
    """Why sending the order now would lose money, for staff; empty when it would not."""
    if order.service.price == 0:
        return "It has no valid cost now."  # A cost out of range is stored as nothing, and is no bargain.
    cost = cost_of_order(service=order.service, quantity=order.quantity)
    if cost <= order.charge:
        return ""
    now, paid = (format_money(amount, settings.PANEL_CURRENCY, exact=True) for amount in (cost, order.charge))
    return f"It would cost {now} now; the customer paid {paid}."


def quote_order(*, customer: Any, offer: Offer, quantity: int) -> Quote:
    """The charge and the balance it would leave; `offer` is the customer's own. Raises OrderRefused."""
    return Quote(
        quantity=quantity,
        charge=charge_of(offer=offer, quantity=quantity),
        balance=spendable(customer=customer),
        is_package=offer.service.is_package,
    )


def place_order(
    *,
    customer: Any,
    service_id: int,
    link: str,
    quantity: int | None,
    params: Mapping[str, str] | None = None,
    request_key: str,
    seen_charge: int | None,
    api_key_ref: int | None = None,
) -> PlacedOrder:
    """Places one order for each `request_key` of a customer, however often it is sent.

    `params` is what the service's type asks for beyond link and quantity. `seen_charge` is the charge that the
    customer saw (micro-units): more than it is asked again, never taken; None accepts today's. `api_key_ref` is the
    number of the API key that orders; None in the browser. Raises OrderRefused and its kin; then nothing was changed.
    """
    asked = Asked(service_id, link, quantity, params or {})
    wallet = wallet_of(customer=customer)
    try:
        with transaction.atomic():
            existing = _ordered_before(customer, request_key)
            if existing is None:
                order = _place(customer, wallet.pk, asked, request_key, seen_charge, api_key_ref)
                hint_after_commit("orders.tasks.submit_orders")
                return PlacedOrder(order, created=True)
    except IntegrityError:
        # The other half of a double click committed between our look and our insert.
        existing = _ordered_before(customer, request_key)
        if existing is None:
            raise
    if existing.drip_feed_id or not is_same(existing, asked, service_type=existing.service_type):
        raise AlreadyOrdered(existing)
    return PlacedOrder(existing, created=False)


def _ordered_before(customer: Any, request_key: str) -> Order | None:
    same = Order.objects.filter(customer=customer, request_key=request_key)
    # Hardly ever: to ask for the row itself would cost more than all else that is asked about it.
    return same.get() if same.exists() else None


def _place(
    customer: Any, wallet_id: int, asked: Asked, request_key: str, seen_charge: int | None, api_key_ref: int | None
) -> Order:
    # Read in this transaction: what was hidden or re-priced a second ago is not sold at the old terms.
    service = sold_service(asked.service_id)
    wish = check_wish(service=service, link=asked.link, quantity=asked.quantity, params=asked.params)
    offer = offer_of(customer=customer, service=service)
    charge = charge_of(offer=offer, quantity=wish.quantity)
    if seen_charge is not None and charge > seen_charge:
        raise PriceChanged(seen=seen_charge, charge=charge)
    order = new_order(
        customer=customer,
        service=service,
        wish=wish,
        price=offer.price,
        charge=charge,
        request_key=request_key,
        api_key_ref=api_key_ref,
    )
    order.save()
    try:
        ledger.post(
            wallet_id=wallet_id,
            amount=-charge,
            kind=Entry.Kind.ORDER,
            key=charge_key(order),
            order_ref=order.pk,
            memo=service.name,
        )
    except ledger.InsufficientFunds as error:
        raise NotEnoughFunds(charge=charge, available=error.available) from error
    write_event(order_id=order.pk, kind=EventKind.ORDERED, new=order.status, text=received(order))
    return order


def received(order: Order) -> str:
    """What the timeline of a new order begins with."""
    return "Order received" if order.api_key_ref is None else "Order received through the API"


def sold_service(service_id: int) -> Service:
    """What is on sale at this moment. Raises NotOnSale."""
    service = service_on_sale(service_id)
    if service is None:
        raise NotOnSale(GONE, field="service")
    return service


def new_order(
    *, customer: Any, service: Service, wish: Wish, price: int, charge: int, request_key: str, **values: Any
) -> Order:
    """An order as it is sold now, not saved: frozen at its price, with what it should cost at today's rate."""
    return Order(
        customer=customer,
        service=service,
        service_name=service.name,
        service_type=service.type,
        link=wish.link,
        link_key=link_key(wish.link),
        quantity=wish.quantity,
        params=wish.params,
        price=price,
        charge=charge,
        request_key=request_key,
        provider=service.upstream.provider,
        upstream_service_id=service.upstream.external_id,
        expected_cost=cost_of_order(service=service, quantity=wish.quantity),
        exchange_rate=service.upstream.provider.exchange_rate,
        currency=service.upstream.provider.currency,
        **values,
    )


def charge_key(order: Order) -> str:
    """The ledger's key of the order's charge."""
    return f"order:{order.pk}:charge"


def is_same(sold: Order | DripFeed, asked: Asked, *, service_type: str) -> bool:
    """Whether a repeated request asks for what was sold; another one under the same key gets an explanation.

    Judged by the type that it was sold as, and by no limits: what changed since must not keep a repetition from
    finding its order, or whoever repeats it would think that nothing was placed.
    """
    if sold.service_id != asked.service_id:
        return False
    try:
        link = check_link(asked.link)
        params = check_params(service_type=service_type, params=asked.params)
    except OrderRefused:
        return False
    quantity = amount_of(service_type=service_type, quantity=asked.quantity, params=params)
    return (link, quantity, params) == (sold.link, sold.quantity, sold.params)
