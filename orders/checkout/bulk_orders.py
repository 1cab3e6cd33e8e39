"""Bulk orders: quote each line, and create all orders that can be created in one transaction.

The wallet's row is locked first, so a request that is sent twice waits for itself there. No other locks are needed:
the orders are new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2s

from django.db import transaction
from django.db.models import Count, Sum
from django.utils.translation import gettext as _

from billing import ledger
from billing.models import Entry, Wallet
from billing.wallets import spendable, wallet_of
from catalog.models import Service
from catalog.prices.customer_prices import CustomerTerms, terms_of
from catalog.prices.floor import alert_below_floor
from catalog.selectors import services_on_sale
from catalog.service_types import SPECS
from orders.checkout.bulk_text import MAX_LINES, BulkLine, read_lines
from orders.checkout.create import BelowFloor, NotEnoughFunds, charge_key, charge_of, check_floor, new_order
from orders.checkout.questions import link_question
from orders.checkout.validation import (
    BadQuantity,
    CheckedOrder,
    NotOnSale,
    OrderInput,
    OrderRefused,
    check_order,
)
from orders.common.link_waits import hold_behind_running
from orders.common.timeline import event_of
from orders.common.turns import give_turns
from orders.marks.guard import note_numbers_after_commit
from orders.models import Order, OrderEvent
from orders.states import OPEN, EventKind
from panel.accounts.models import User
from panel.lib.bulk_sql import in_chunks
from panel.lib.digits import whole_number
from panel.lib.links.keys import link_key, link_keys
from panel.lib.money import MAX_MICROS
from panel.lib.task_hints import hint_after_commit

ROWS = 500


class PreviewChanged(OrderRefused):
    """The lines or their charges differ from what the customer saw. Nothing was charged."""


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line with its service and charge, or the reason why it cannot be ordered. Amounts are micro-units."""

    line: BulkLine
    service: Service | None = None
    checked: CheckedOrder | None = None
    price: int = 0
    charge: int = 0
    error: str = ""
    warning: str = ""

    @property
    def needs_form(self) -> bool:
        """Return True if the line can only be ordered in the form for single orders."""
        return self.checked is None and self.service is not None and bool(SPECS[self.service.type].params)


@dataclass(frozen=True)
class BulkQuote:
    """All lines, and what the customer can spend. Amounts are micro-units."""

    lines: Sequence[PricedLine]
    available: int

    @cached_property
    def ready(self) -> list[PricedLine]:
        """Return the lines that can be ordered."""
        return [one for one in self.lines if not one.error]

    @cached_property
    def failed(self) -> list[PricedLine]:
        return [one for one in self.lines if one.error]

    @cached_property
    def charge(self) -> int:
        return sum(one.charge for one in self.ready)

    @property
    def balance_after(self) -> int:
        return self.available - self.charge

    @property
    def missing(self) -> int:
        return max(0, -self.balance_after)

    @cached_property
    def seal(self) -> str:
        """Return what the customer sees, as a hidden field: the text's fingerprint and each line's charge.

        The charge is empty where the line has an error.
        """
        charges = ",".join("" if one.error else str(one.charge) for one in self.lines)
        return f"{_fingerprint(one.line for one in self.lines)}:{charges}"

    def is_as_seen(self, seal: str) -> bool:
        """Return True if `seal` has the same lines, the same errors, and no charge that has risen since."""
        fingerprint, _, seen = seal.partition(":")
        charges = seen.split(",")
        if fingerprint != self.seal.partition(":")[0] or len(charges) != len(self.lines):
            return False
        return all(
            bool(one.error) if not charge else not one.error and one.charge <= (whole_number(charge) or 0)
            for one, charge in zip(self.lines, charges, strict=True)
        )


@dataclass(frozen=True, slots=True)
class CreatedBulk:
    """The number of orders created, their total charge in micro-units, and the lines `left` that have errors."""

    orders: int
    charge: int
    left: Sequence[BulkLine]


# -- quoting -----------------------------------------------------------------------------------------


def quote_bulk(*, customer: User, text: str) -> BulkQuote:
    """Return each line at the customer's prices. The number of queries hardly grows with the lines.

    Raise LinesRefused if the text has no lines or is too long.
    """
    quote = _quote(customer, read_lines(text), available=spendable(customer=customer))
    return BulkQuote(_with_warnings(customer, quote.lines), quote.available)


def _quote(customer: User, lines: Sequence[BulkLine], *, available: int) -> BulkQuote:
    service_ids = sorted({line.service_id for line in lines if not line.error})
    services: dict[int, Service] = {}
    for chunk in in_chunks(service_ids, ROWS):
        services.update(services_on_sale().in_bulk(chunk))
    terms = terms_of(customer=customer)
    return BulkQuote([_priced(line, services, terms) for line in lines], available)


def _priced(line: BulkLine, services: Mapping[int, Service], terms: CustomerTerms) -> PricedLine:
    if line.error:
        return PricedLine(line, error=line.error)
    service = services.get(line.service_id)
    try:
        if service is None:
            raise NotOnSale(_("There is no service %(number)s on sale.") % {"number": line.service_id})
        checked = _check_line(service, line)
        offer = terms.offer(service)
        check_floor(offer)
        return PricedLine(line, service, checked, offer.price, charge_of(offer=offer, quantity=checked.quantity))
    except BelowFloor as refusal:
        alert_below_floor(refusal.provider)
        return PricedLine(line, service, error=refusal.message)
    except OrderRefused as refusal:
        return PricedLine(line, service, error=refusal.message)


def _check_line(service: Service, line: BulkLine) -> CheckedOrder:
    """Return the line cleaned for its service. Raise OrderRefused if it cannot be ordered."""
    spec = SPECS[service.type]
    if spec.params:
        text = _("%(type)s: this service asks for more than a link and a quantity.")
        raise OrderRefused(text % {"type": _(spec.label)})
    if spec.is_package and line.quantity not in (None, 1):
        raise BadQuantity(_("This service is sold as a package: leave the quantity out."))
    return check_order(service=service, order_input=OrderInput(line.service_id, line.link, line.quantity, {}))


def _with_warnings(customer: User, lines: Sequence[PricedLine]) -> list[PricedLine]:
    """Return the lines with warnings about duplicates and odd links, which can be ordered all the same."""
    running = _running(customer, {key for one in lines if one.checked for key in link_keys(one.checked.link)})
    first: dict[tuple[int, str], int] = {}
    found = []
    for one in lines:
        if one.checked is not None and one.service is not None:
            what = (one.line.service_id, link_key(one.checked.link))
            one = replace(
                one, warning=_warning(one.service, one.checked.link, line=first.get(what), order=running.get(what))
            )
            first.setdefault(what, one.line.number)
        found.append(one)
    return found


def _warning(service: Service, link: str, *, line: int | None, order: int | None) -> str:
    """Return the warning for a line, "" if there is none; `line` and `order` have the same service and link."""
    if line is not None:
        text = _("The same service and link as line %(number)s.")
        if service.one_at_a_time:
            text = _("Waits until line %(number)s has ended, which has the same service and link.")
        return text % {"number": line}
    if order is not None:
        text = _("Order %(number)s of this service and link is still running.")
        if service.one_at_a_time:
            text = _("Waits until your order %(number)s of this service and link has ended.")
        return text % {"number": order}
    return link_question(service=service, link=link)


def _running(customer: User, keys: set[str]) -> dict[tuple[int, str], int]:
    """Return the customer's newest open order by service and link key."""
    found: dict[tuple[int, str], int] = {}
    for chunk in in_chunks(sorted(keys), ROWS):
        orders = Order.objects.filter(customer=customer, link_key__in=chunk, status__in=OPEN)
        for service, link, pk in orders.order_by("pk").values_list("service_id", "link", "pk"):
            found[service, link_key(link)] = pk
    return found


def _fingerprint(lines: Iterable[BulkLine]) -> str:
    text = "\n".join(f"{line.number} {line.text}" for line in lines)
    return blake2s(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


# -- creating ----------------------------------------------------------------------------------------


def create_bulk(*, customer: User, text: str, request_key: str, seal: str) -> CreatedBulk:
    """Create an order for each line without an error, once for each `request_key` and text of a customer.

    A repetition returns what the first request created. `seal` is that of the quote that the customer saw. Raise
    LinesRefused if the text has no lines or is too long, PreviewChanged if the quote is not as seen, NotEnoughFunds
    if the wallet does not cover it, OrderRefused if nothing can be ordered; then nothing was changed.
    """
    lines = read_lines(text)
    # The text is part of the key: the same form with other lines is another request.
    request_key = f"{request_key}.{_fingerprint(lines)}"
    wallet = wallet_of(customer=customer)
    with transaction.atomic():
        # 1. Lock the wallet: a customer's requests run one after another.
        held = Wallet.objects.select_for_update(no_key=True).get(pk=wallet.pk)
        # 2. Return what an earlier request with this key created: if its first order exists, all do.
        if Order.objects.filter(customer=customer, request_key=_key(request_key, 1)).exists():
            return _created_before(customer, request_key, _failed_lines(lines, seal))
        # 3. Quote in this transaction, so that a service just hidden or re-priced is not sold as before.
        quote = _quote(customer, lines, available=held.balance + held.credit_limit)
        _check(quote, seal)
        # 4. Create the orders and their timelines, and charge them.
        orders = _make_orders(customer, quote.ready, request_key)
        try:
            ledger.post_all(lines=[_charge_line(held.pk, order) for order in orders])
        except ledger.InsufficientFunds as error:
            raise NotEnoughFunds(charge=quote.charge, available=error.available) from error
        note_numbers_after_commit()
        hint_after_commit("orders.tasks.submit_orders")
        return CreatedBulk(len(orders), quote.charge, [one.line for one in quote.failed])


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


def _created_before(customer: User, request_key: str, left: Sequence[BulkLine]) -> CreatedBulk:
    keys = [_key(request_key, position) for position in range(1, MAX_LINES + 1)]
    orders = Order.objects.filter(customer=customer, request_key__in=keys)
    totals = orders.aggregate(count=Count("pk"), sum=Sum("charge"))
    return CreatedBulk(totals["count"], totals["sum"], left)


def _failed_lines(lines: Sequence[BulkLine], seal: str) -> list[BulkLine]:
    """Return the lines that had errors in the quote that the customer saw; services may have changed since."""
    charges = seal.partition(":")[2].split(",")
    return [line for line, charge in zip(lines, charges, strict=False) if not charge]
