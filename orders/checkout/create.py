"""Creating an order: check, price, save and charge it in one transaction.

Nothing is sent here: the order is committed as queued and a worker submits it later. A crash at any line leaves
either both the order and its charge, or neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, QuerySet
from django.utils.translation import gettext as _

from billing import ledger
from billing.models import Entry, OrderHold, Wallet
from billing.wallets import spendable, wallet_of
from catalog.models import Provider, Service
from catalog.prices.customer_prices import Offer, offer_of
from catalog.prices.floor import alert_below_floor, floor_cost
from catalog.selectors import service_on_sale
from catalog.service_types import is_package_type
from orders.checkout.validation import (
    GONE,
    CheckedOrder,
    NotOnSale,
    OrderInput,
    OrderRefused,
    amount_of,
    check_order,
    clean_content,
)
from orders.common.link_waits import hold_behind_running
from orders.common.timeline import write_event
from orders.common.turns import give_turns
from orders.marks.guard import note_numbers_after_commit
from orders.models import Order
from orders.states import EventKind
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.links.keys import link_key
from panel.lib.money import MAX_MICROS, charge_for, format_money, format_money_up
from panel.lib.task_hints import hint_after_commit


class PriceChanged(OrderRefused):
    """The charge rose above the one that the customer saw. Amounts are micro-units; `seen` may be 0."""

    def __init__(self, *, seen: int, charge: int) -> None:
        was, now = (format_money_up(amount, settings.PANEL_CURRENCY) for amount in (seen, charge))
        if was == now:
            was, now = (format_money(amount, settings.PANEL_CURRENCY, exact=True) for amount in (seen, charge))
        super().__init__(
            _("The charge rose from %(was)s to %(now)s meanwhile. Nothing was charged. Order again to accept it.")
            % {"was": was, "now": now}
        )
        self.seen = seen


class NotEnoughFunds(OrderRefused):
    """The wallet does not cover the charge. `missing` is in micro-units."""

    def __init__(self, *, charge: int, available: int) -> None:
        missing = format_money_up(charge - available, settings.PANEL_CURRENCY)
        super().__init__(
            _("Your balance does not cover this order: %(missing)s is missing. Nothing was charged. Add funds first.")
            % {"missing": missing}
        )
        self.missing = charge - available


class OrdersHeld(OrderRefused):
    """The customer's orders are held: a payment was taken back."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "Your last payment was taken back by its provider, so you cannot order at the moment. Nothing was "
                "charged. Write to us to settle it."
            )
        )


class BelowFloor(NotOnSale):
    """The price is below the cost at the last confirmed exchange rate of `provider`."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(str(GONE), field="service")
        self.provider = provider


class AlreadyOrdered(OrderRefused):
    """The same form created an order before, and now has other contents."""

    def __init__(self, order: Order) -> None:
        super().__init__(
            _("This form has already created order %(number)s. Nothing more was charged. To order it too, order again.")
            % {"number": order.pk}
        )
        self.order = order


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order, or all `runs` of a drip-feed, would cost. Amounts are micro-units."""

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
        """Return the quantity of all runs together."""
        return self.quantity * self.runs

    @property
    def lasts(self) -> int:
        """Return the seconds from the first run to the last; `interval` is in minutes."""
        return (self.runs - 1) * self.interval * 60


@dataclass(frozen=True, slots=True)
class CreatedOrder:
    """The order, or a drip-feed's first run. `created` is False if an earlier request created it."""

    order: Order
    created: bool

    @property
    def charge(self) -> int:
        """Return the charge of the order, or of all runs of its drip-feed, in micro-units."""
        return self.order.drip_feed.charge if self.order.drip_feed else self.order.charge


def charge_of(*, offer: Offer, quantity: int, runs: int = 1) -> int:
    """Return the charge for `runs` times the quantity at the customer's price, in micro-units.

    Raise OrderRefused if it exceeds what a wallet can hold.
    """
    charge = offer.price if offer.service.is_package else charge_for(offer.price, quantity)
    if charge > MAX_MICROS:
        raise OrderRefused(_("This order is too large. Nothing was charged; order less."), field="quantity")
    if charge * runs > MAX_MICROS:
        raise OrderRefused(_("These runs are too large. Nothing was charged; order less or fewer."), field="runs")
    return charge * runs


def check_floor(offer: Offer) -> None:
    """Raise BelowFloor if the offer's price is below the cost that an unconfirmed exchange rate hides."""
    provider = offer.service.upstream.provider
    if offer.price < floor_cost(service=offer.service, provider=provider):
        raise BelowFloor(provider)


def cost_of_order(*, service: Service, quantity: int, service_type: str = "") -> int:
    """Return what an order costs us at today's rate, in micro-units. `service_type`: as sold, if not the service's."""
    return _cost_at(service.cost, quantity=quantity, service_type=service_type or service.type)


def _cost_at(per_1000: int, *, quantity: int, service_type: str) -> int:
    return per_1000 if is_package_type(service_type) else charge_for(per_1000, quantity)


def loss_note(order: Order) -> str:
    """Return why submitting the order now would lose money, for staff; "" if it would not."""
    if order.service.price == 0:
        return "It has no valid cost now."  # A cost out of range is stored as 0.
    cost = cost_now(order)
    if cost <= order.charge:
        return ""
    now, paid = (format_money(amount, settings.PANEL_CURRENCY, exact=True) for amount in (cost, order.charge))
    return f"It would cost {now} now; the customer paid {paid}."


def cost_now(order: Order) -> int:
    """Return what it would cost us at most to submit the order now, in micro-units."""
    # The type may have been given another meaning since. How the provider counts is then not sure: take the worse.
    types = (order.service_type, order.service.type)
    # An exchange rate that nobody confirmed must not hide what it costs.
    per_1000 = max(order.service.cost, floor_cost(service=order.service, provider=order.provider))
    return max(_cost_at(per_1000, quantity=order.quantity, service_type=one) for one in types)


def quote_order(*, customer: User, offer: Offer, quantity: int, runs: int = 1, interval: int = 0) -> Quote:
    """Return the charge and the balance; `offer` is the customer's own. Raise OrderRefused if it is too large."""
    return Quote(
        quantity=quantity,
        charge=charge_of(offer=offer, quantity=quantity, runs=runs),
        balance=spendable(customer=customer),
        is_package=offer.service.is_package,
        runs=runs,
        interval=interval,
    )


def create_order(
    *,
    customer: User,
    order_input: OrderInput,
    request_key: str,
    seen_charge: int | None,
    api_key_ref: int | None = None,
) -> CreatedOrder:
    """Create one order for each `request_key` of a customer, however often the request is sent.

    `seen_charge` is the charge that the customer saw, in micro-units: a higher one is refused. None accepts any charge.
    `api_key_ref` is the id of the API key that orders, None in the browser. Raise OrderRefused or a subclass if the
    order cannot be created; then nothing was changed.
    """
    wallet = wallet_of(customer=customer)

    def create() -> Order:
        checked, offer, charge = check_and_price(customer=customer, order_input=order_input, seen_charge=seen_charge)
        order = new_order(
            customer=customer,
            service=offer.service,
            checked=checked,
            price=offer.price,
            charge=charge,
            request_key=request_key,
            api_key_ref=api_key_ref,
        )
        give_turns(orders=[order])
        hold_behind_running(orders=[order])
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

    return create_once(customer=customer, order_input=order_input, request_key=request_key, create=create)


def create_once(
    *, customer: User, order_input: OrderInput, request_key: str, create: Callable[[], Order]
) -> CreatedOrder:
    """Call `create` in a transaction, unless an earlier request with this key created an order.

    Raise AlreadyOrdered if that order differs from `order_input`, OrdersHeld, and any error of `create`.
    """
    clock.now()  # A transaction measures no offset.
    try:
        with transaction.atomic():
            existing = _lock_and_find(customer, request_key)
            if existing is None:
                order = create()
                note_numbers_after_commit()
                hint_after_commit("orders.tasks.submit_orders")
                return CreatedOrder(order, created=True)
    except BelowFloor as refusal:
        alert_below_floor(refusal.provider)  # Not in the transaction, which is rolled back.
        raise
    except IntegrityError:
        # The other half of a double click committed between our query and our insert.
        existing = _with_key(customer, request_key).first()
        if existing is None:
            raise
    if not _is_same(existing, order_input):
        raise AlreadyOrdered(existing)
    return CreatedOrder(existing, created=False)


def _lock_and_find(customer: User, request_key: str) -> Order | None:
    """Lock the customer's wallet, and return the order that an earlier request with this key created.

    The requests of a customer so take their turns one after another. An order that was committed while this one waited
    may be missing: then its key is found to be used. A hold that was committed meanwhile is in the locked row, and
    seen. Raise OrdersHeld.
    """
    same = _with_key(customer, request_key)
    locked = Wallet.objects.select_for_update(no_key=True).filter(customer=customer)
    # A repetition is rare: to ask whether there is one costs less than to load it.
    is_repeated, order_hold = locked.values_list(Exists(same), "order_hold")[0]
    if is_repeated:
        return same.get()
    if order_hold == OrderHold.HELD:
        raise OrdersHeld
    return None


def _with_key(customer: User, request_key: str) -> QuerySet[Order]:
    return Order.objects.filter(customer=customer, request_key=request_key).select_related("drip_feed")


def _is_same(order: Order, order_input: OrderInput) -> bool:
    """Return True if the input is what the order was created from.

    It is read by the service type at that time and without limits, nor by what the service takes as its link, since a
    later change of the service must not hide the order from a repeated request.
    """
    drip = order.drip_feed
    if (order_input.runs, order_input.interval) != ((drip.runs, drip.interval) if drip else (None, None)):
        return False
    link, params, refusals = clean_content(service_type=order.service_type, order_input=order_input, expected=None)
    if refusals:
        return False
    quantity = amount_of(service_type=order.service_type, quantity=order_input.quantity, params=params)
    sold = (order.service_id, order.link, order.quantity, order.params)
    return sold == (order_input.service_id, link, quantity, params)


def check_and_price(
    *, customer: User, order_input: OrderInput, seen_charge: int | None
) -> tuple[CheckedOrder, Offer, int]:
    """Return the checked order, the customer's offer, and the charge of all runs in micro-units.

    Call it in the transaction that posts the charge, so that a service just hidden or re-priced is not sold as before.
    Raise OrderRefused or a subclass if it cannot be ordered.
    """
    service = service_on_sale(order_input.service_id)
    if service is None:
        raise NotOnSale(str(GONE), field="service")
    checked = check_order(service=service, order_input=order_input)
    offer = offer_of(customer=customer, service=service)
    check_floor(offer)
    charge = charge_of(offer=offer, quantity=checked.quantity, runs=checked.runs or 1)
    if seen_charge is not None and charge > seen_charge:
        raise PriceChanged(seen=seen_charge, charge=charge)
    return checked, offer, charge


def new_order(
    *, customer: User, service: Service, checked: CheckedOrder, price: int, charge: int, request_key: str, **values: Any
) -> Order:
    """Return an unsaved order at this price and charge (micro-units), with its expected cost at today's rate.

    `values` are other columns, such as the `service_type` that was sold if it is not the service's.
    """
    now = clock.now()
    service_type = values.pop("service_type", service.type)
    times = {"created_at": now, "queued_at": now, "next_action_at": now}
    return Order(
        customer=customer,
        service=service,
        service_name=service.name,
        service_type=service_type,
        link=checked.link,
        link_key=link_key(checked.link),
        quantity=checked.quantity,
        params=checked.params,
        price=price,
        charge=charge,
        request_key=request_key,
        provider=service.upstream.provider,
        upstream_service_id=service.upstream.external_id,
        expected_cost=cost_of_order(service=service, quantity=checked.quantity, service_type=service_type),
        exchange_rate=service.upstream.provider.exchange_rate,
        currency=service.upstream.provider.currency,
        **{**times, **values},
    )


def charge_key(order: Order) -> str:
    """Return the key of the order's charge in the ledger."""
    return f"order:{order.pk}:charge"
