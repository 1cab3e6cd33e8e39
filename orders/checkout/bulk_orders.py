"""Bulk orders: create all orders of a text that can be created, in one transaction.

The wallet's row is locked first, so a request that is sent twice waits for itself there. No other locks are needed:
the orders are new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Sum
from django.utils.translation import gettext as _

from billing import ledger
from billing.models import Entry, OrderHold, Wallet
from billing.wallets import wallet_of
from orders.checkout.bulk_quotes import BulkQuote, PricedLine, fingerprint, quote_lines
from orders.checkout.bulk_text import MAX_LINES, BulkLine, BulkText, read_text
from orders.checkout.create import NotEnoughFunds, OrdersHeld, charge_key, new_order
from orders.checkout.validation import OrderRefused
from orders.common.link_waits import hold_behind_running
from orders.common.timeline import event_of
from orders.common.turns import give_turns
from orders.marks.guard import note_numbers_after_commit
from orders.models import Order, OrderEvent
from orders.states import EventKind
from panel.accounts.models import User
from panel.lib.money import MAX_MICROS
from panel.lib.task_hints import hint_after_commit

ROWS = 500


class PreviewChanged(OrderRefused):
    """The lines or their charges differ from what the customer saw. Nothing was charged."""


@dataclass(frozen=True, slots=True)
class CreatedBulk:
    """The number of orders created, their total charge in micro-units, and the lines `left` that have errors.

    `key` finds the orders again; `numbers` are those of the lines that they come from.
    """

    orders: int
    charge: int
    left: Sequence[BulkLine]
    key: str
    numbers: Sequence[int]
    header: str = ""


def create_bulk(*, customer: User, text: str, request_key: str, seal: str) -> CreatedBulk:
    """Create an order for each line without an error, once for each `request_key` and text of a customer.

    A repetition returns what the first request created. `seal` is that of the quote that the customer saw. Raise
    LinesRefused if the text has no lines or is too long, PreviewChanged if the quote is not as seen, NotEnoughFunds
    if the wallet does not cover it, OrdersHeld, OrderRefused if nothing can be ordered; then nothing was changed.
    """
    written = read_text(text)
    # The text is part of the key: the same form with other lines is another request.
    request_key = f"{request_key}.{fingerprint(written.lines)}"
    wallet = wallet_of(customer=customer)
    with transaction.atomic():
        # 1. Lock the wallet: a customer's requests run one after another.
        held = Wallet.objects.select_for_update(no_key=True).get(pk=wallet.pk)
        # 2. Return what an earlier request with this key created: if its first order exists, all do.
        if Order.objects.filter(customer=customer, request_key=_key(request_key, 1)).exists():
            return _created_before(customer, request_key, written, seal)
        if held.order_hold == OrderHold.HELD:
            raise OrdersHeld
        # 3. Quote in this transaction, so that a service just hidden or re-priced is not sold as before.
        quote = quote_lines(customer, written, available=held.balance + held.credit_limit)
        _check(quote, seal)
        # 4. Create the orders and their timelines, and charge them.
        orders = _make_orders(customer, quote.ready, request_key)
        try:
            ledger.post_all(lines=[_charge_line(held.pk, order) for order in orders])
        except ledger.InsufficientFunds as error:
            raise NotEnoughFunds(charge=quote.charge, available=error.available) from error
        note_numbers_after_commit()
        hint_after_commit("orders.tasks.submit_orders")
        left, numbers = [one.line for one in quote.failed], [one.line.number for one in quote.ready]
        return CreatedBulk(len(orders), quote.charge, left, request_key, numbers, written.header)


def created_orders(*, customer: User, key: str) -> list[Order]:
    """Return the customer's orders that `create_bulk` created for `CreatedBulk.key`, in the sequence of the lines."""
    keys = [_key(key, position) for position in range(1, MAX_LINES + 1)]
    return list(Order.objects.filter(customer=customer, request_key__in=keys).order_by("pk"))


def _check(quote: BulkQuote, seal: str) -> None:
    """Raise PreviewChanged, OrderRefused or NotEnoughFunds if the quote cannot be ordered as the customer saw it."""
    if not quote.is_as_seen(seal):
        raise PreviewChanged(_("The lines or their prices changed since the preview."))
    if not quote.ready:
        raise OrderRefused(_("None of these lines can be ordered."))
    if quote.charge > MAX_MICROS:
        raise OrderRefused(_("These orders are too large together. Order fewer at once."))
    if quote.missing:
        raise NotEnoughFunds(charge=quote.charge, available=quote.available)


def _make_orders(customer: User, ready: Sequence[PricedLine], request_key: str) -> list[Order]:
    orders = [
        new_order(
            customer=customer,
            service=one.service,
            checked=one.checked,
            price=one.price,
            charge=one.charge,
            request_key=_key(request_key, position),
            is_bulk=True,
        )
        for position, one in enumerate(ready, start=1)
        if one.service is not None and one.checked is not None
    ]
    give_turns(orders=orders)
    hold_behind_running(orders=orders)
    Order.objects.bulk_create(orders, batch_size=ROWS)
    events = [
        event_of(order_id=one.pk, kind=EventKind.ORDERED, new=one.status, text="Order received") for one in orders
    ]
    OrderEvent.objects.bulk_create(events, batch_size=ROWS)
    return orders


def _charge_line(wallet_id: int, order: Order) -> ledger.Line:
    return ledger.Line(
        wallet_id=wallet_id,
        amount=-order.charge,
        kind=Entry.Kind.ORDER,
        key=charge_key(order),
        order_ref=order.pk,
        memo=order.service_name,
    )


def _key(request_key: str, position: int) -> str:
    """Return the key of one order of the request; positions count from 1 without a gap."""
    return f"{request_key}.{position}"


def _created_before(customer: User, request_key: str, written: BulkText, seal: str) -> CreatedBulk:
    """Return what an earlier request created. The seal says which lines had errors: services may have changed since."""
    keys = [_key(request_key, position) for position in range(1, MAX_LINES + 1)]
    orders = Order.objects.filter(customer=customer, request_key__in=keys)
    totals = orders.aggregate(count=Count("pk"), sum=Sum("charge"))
    charges = seal.partition(":")[2].split(",")
    left = [line for line, charge in zip(written.lines, charges, strict=False) if not charge]
    numbers = [line.number for line, charge in zip(written.lines, charges, strict=False) if charge]
    return CreatedBulk(totals["count"], totals["sum"], left, request_key, numbers, written.header)
