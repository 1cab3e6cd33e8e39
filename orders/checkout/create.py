"""Creating an order: check, price, freeze, debit, in one transaction.

Nothing is sent here. The order is committed as queued, and a worker sends it later; so a crash at any
line leaves either no order and no debit, or both.
"""

from __future__ import annotations

from collections.abc import Callable
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
    CheckedOrder,
    NotOnSale,
    OrderInput,
    OrderRefused,
    amount_of,
    check_order,
    clean_content,
    link_key,
)
from orders.common.timeline import write_event
from orders.models import Order
from orders.states import EventKind
from panel.accounts.models import User
from panel.lib.money import MAX_MICROS, charge_for, format_money
from panel.lib.task_hints import hint_after_commit


class PriceChanged(OrderRefused):
    """The charge is above what the customer saw: 0 where they saw none. Micro-units."""

    def __init__(self, *, seen: int, charge: int) -> None:
        was = format_money(seen, settings.PANEL_CURRENCY)
        now = format_money(charge, settings.PANEL_CURRENCY)
        super().__init__(
            f"The charge rose from {was} to {now} meanwhile. Nothing was charged; order again to accept it."
        )
        self.seen = seen


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
class Quote:
    """What an order, or all `runs` of a drip-feed, would cost. Micro-units."""

    quantity: int
    charge: int
    balance: int
    is_package: bool
    runs: int = 1
    interval: int = 0

    @property
    def balance_after(self) -> int:
        return self.balance - self.charge

    @property
    def total(self) -> int:
        """The quantity of all runs together."""
        return self.quantity * self.runs

    @property
    def lasts(self) -> int:
        """Seconds from the first run to the last; `interval` is in minutes."""
        return (self.runs - 1) * self.interval * 60


@dataclass(frozen=True, slots=True)
class CreatedOrder:
    """The order; of a drip-feed its first run. `created` is False when the same request had created it before."""

    order: Order
    created: bool

    @property
    def charge(self) -> int:
        """What was charged for it, or for all runs of the drip-feed. Micro-units."""
        return self.order.drip_feed.charge if self.order.drip_feed else self.order.charge


def charge_of(*, offer: Offer, quantity: int, runs: int = 1) -> int:
    """Return the micro-units for `runs` times the quantity at the customer's price.

    Raise OrderRefused when they exceed any wallet.
    """
    charge = offer.price if offer.service.is_package else charge_for(offer.price, quantity)
    if charge > MAX_MICROS:
        raise OrderRefused("This order is too large.", field="quantity")
    if charge * runs > MAX_MICROS:
        raise OrderRefused("These runs are too large.", field="runs")
    return charge * runs


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


def quote_order(*, customer: User, offer: Offer, quantity: int, runs: int = 1, interval: int = 0) -> Quote:
    """Return the charge and the balance it would leave; `offer` is the customer's own. Raise OrderRefused."""
    return Quote(
        quantity=quantity,
        charge=charge_of(offer=offer, quantity=quantity, runs=runs),
        balance=spendable(customer=customer),
        is_package=offer.service.is_package,
        runs=runs,
        interval=interval,
    )


def create_order(
    *, customer: User, asked: OrderInput, request_key: str, seen_charge: int | None, api_key_ref: int | None = None
) -> CreatedOrder:
    """Create one order for each `request_key` of a customer, however often it is sent.

    `seen_charge` is the charge that the customer saw (micro-units): more than it is asked again, never taken; None
    accepts today's. `api_key_ref` is the number of the API key that orders; None in the browser. Raise OrderRefused and
    its kin; then nothing was changed.
    """
    wallet = wallet_of(customer=customer)

    def create() -> Order:
        checked, offer, charge = check_and_price(customer=customer, asked=asked, seen_charge=seen_charge)
        order = new_order(
            customer=customer,
            service=offer.service,
            checked=checked,
            price=offer.price,
            charge=charge,
            request_key=request_key,
            api_key_ref=api_key_ref,
        )
        order.save()
        try:
            ledger.post(
                wallet_id=wallet.pk,
                amount=-charge,
                kind=Entry.Kind.ORDER,
                key=charge_key(order),
                order_ref=order.pk,
                memo=order.service_name,
            )
        except ledger.InsufficientFunds as error:
            raise NotEnoughFunds(charge=charge, available=error.available) from error
        text = "Order received" if api_key_ref is None else "Order received through the API"
        write_event(order_id=order.pk, kind=EventKind.ORDERED, new=order.status, text=text)
        return order

    return create_once(customer=customer, asked=asked, request_key=request_key, create=create)


def create_once(*, customer: User, asked: OrderInput, request_key: str, create: Callable[[], Order]) -> CreatedOrder:
    """Call `create` in a transaction, unless the same request had created an order before.

    Raise AlreadyOrdered, and what `create` raises.
    """
    try:
        with transaction.atomic():
            existing = _created_before(customer, request_key)
            if existing is None:
                order = create()
                hint_after_commit("orders.tasks.submit_orders")
                return CreatedOrder(order, created=True)
    except IntegrityError:
        # The other half of a double click committed between our look and our insert.
        existing = _created_before(customer, request_key)
        if existing is None:
            raise
    if not _is_same(existing, asked):
        raise AlreadyOrdered(existing)
    return CreatedOrder(existing, created=False)


def _created_before(customer: User, request_key: str) -> Order | None:
    same = Order.objects.filter(customer=customer, request_key=request_key)
    # Rare. exists() is cheaper than loading the row, so check first.
    return same.select_related("drip_feed").get() if same.exists() else None


def _is_same(order: Order, asked: OrderInput) -> bool:
    """Return True if a repeated request asks for what was sold; another one under its key gets an explanation.

    Judged by the type that it was sold as, and by no limits: what changed since must not keep a repetition from
    finding its order, or whoever repeats it would think that nothing was created.
    """
    drip = order.drip_feed
    if (asked.runs, asked.interval) != ((drip.runs, drip.interval) if drip else (None, None)):
        return False
    link, params, refusals = clean_content(service_type=order.service_type, asked=asked)
    if refusals:
        return False
    quantity = amount_of(service_type=order.service_type, quantity=asked.quantity, params=params)
    sold = (order.service_id, order.link, order.quantity, order.params)
    return sold == (asked.service_id, link, quantity, params)


def check_and_price(*, customer: User, asked: OrderInput, seen_charge: int | None) -> tuple[CheckedOrder, Offer, int]:
    """Return what is ordered, the customer's offer, and the charge of all runs in micro-units. Raise OrderRefused.

    Called in the transaction that takes the charge: what was hidden or re-priced a second ago is not sold at the old
    terms.
    """
    service = service_on_sale(asked.service_id)
    if service is None:
        raise NotOnSale(GONE, field="service")
    checked = check_order(service=service, asked=asked)
    offer = offer_of(customer=customer, service=service)
    charge = charge_of(offer=offer, quantity=checked.quantity, runs=checked.runs or 1)
    if seen_charge is not None and charge > seen_charge:
        raise PriceChanged(seen=seen_charge, charge=charge)
    return checked, offer, charge


def new_order(
    *, customer: User, service: Service, checked: CheckedOrder, price: int, charge: int, request_key: str, **values: Any
) -> Order:
    """Return an unsaved order, frozen at its price, with what it should cost us at today's rate."""
    return Order(
        customer=customer,
        service=service,
        service_name=service.name,
        service_type=service.type,
        link=checked.link,
        link_key=link_key(checked.link),
        quantity=checked.quantity,
        params=checked.params,
        price=price,
        charge=charge,
        request_key=request_key,
        provider=service.upstream.provider,
        upstream_service_id=service.upstream.external_id,
        expected_cost=cost_of_order(service=service, quantity=checked.quantity),
        exchange_rate=service.upstream.provider.exchange_rate,
        currency=service.upstream.provider.currency,
        **values,
    )


def charge_key(order: Order) -> str:
    """The ledger's key of the order's charge."""
    return f"order:{order.pk}:charge"
