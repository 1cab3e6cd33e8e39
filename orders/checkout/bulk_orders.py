"""Many orders at once: what each line would cost, and all that can be ordered as one purchase.

One transaction takes the money and makes the orders, or does nothing. The wallet's row is locked first, so that
the same request sent twice meets itself there; the orders are new, and nobody else can hold them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2s

from django.db import transaction
from django.db.models import Count, Sum

from billing import ledger
from billing.models import Entry, Wallet
from billing.wallets import spendable, wallet_of
from catalog.models import Service
from catalog.prices.customer_prices import CustomerTerms, terms_of
from catalog.selectors import services_on_sale
from catalog.service_types import SPECS
from orders.checkout.bulk_text import MAX_LINES, BulkLine, read_lines
from orders.checkout.create import NotEnoughFunds, charge_key, charge_of, new_order
from orders.checkout.validation import (
    BadQuantity,
    CheckedOrder,
    NotOnSale,
    OrderInput,
    OrderRefused,
    check_order,
    link_key,
)
from orders.common.timeline import event_of
from orders.models import Order, OrderEvent
from orders.states import OPEN, EventKind
from panel.accounts.models import User
from panel.lib.bulk_sql import in_chunks
from panel.lib.digits import whole_number
from panel.lib.money import MAX_MICROS
from panel.lib.task_hints import hint_after_commit

ROWS = 500


class PreviewChanged(OrderRefused):
    """What would be ordered, or what it costs, is not what the customer saw. Nothing was charged."""


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line with what it would be sold as, or why it cannot be. Micro-units."""

    line: BulkLine
    service: Service | None = None
    checked: CheckedOrder | None = None
    price: int = 0
    charge: int = 0
    error: str = ""
    warning: str = ""

    @property
    def needs_form(self) -> bool:
        """Whether the form of single orders could take it."""
        return self.checked is None and self.service is not None and bool(SPECS[self.service.type].params)


@dataclass(frozen=True)
class BulkQuote:
    """All lines, and what the customer can spend. Micro-units."""

    lines: Sequence[PricedLine]
    available: int

    @cached_property
    def ready(self) -> list[PricedLine]:
        """The lines that can be ordered."""
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
        """What the customer sees, for the form to carry: the text's fingerprint and the charge of each line, none
        where it has a mistake."""
        charges = ",".join("" if one.error else str(one.charge) for one in self.lines)
        return f"{_fingerprint(one.line for one in self.lines)}:{charges}"

    def is_as_seen(self, seal: str) -> bool:
        """Whether `seal` was of the same lines, of which the same can be ordered, none for more."""
        print_seen, _, seen = seal.partition(":")
        charges = seen.split(",")
        if print_seen != self.seal.partition(":")[0] or len(charges) != len(self.lines):
            return False
        return all(
            bool(one.error) if not charge else not one.error and one.charge <= (whole_number(charge) or 0)
            for one, charge in zip(self.lines, charges, strict=True)
        )


@dataclass(frozen=True, slots=True)
class CreatedBulk:
    """`orders` in number for `charge` micro-units in all. `left`: the lines that could not be ordered."""

    orders: int
    charge: int
    left: Sequence[BulkLine]


# -- what it would cost ------------------------------------------------------------------------------


def quote_bulk(*, customer: User, text: str) -> BulkQuote:
    """Each line at the customer's prices. A handful of queries, however many lines. Raises LinesRefused."""
    quote = _quote(customer, read_lines(text), available=spendable(customer=customer))
    return BulkQuote(_with_warnings(customer, quote.lines), quote.available)


def _quote(customer: User, lines: Sequence[BulkLine], *, available: int) -> BulkQuote:
    wanted = sorted({line.service_id for line in lines if not line.error})
    services: dict[int, Service] = {}
    for chunk in in_chunks(wanted, ROWS):
        services.update(services_on_sale().in_bulk(chunk))
    terms = terms_of(customer=customer)
    return BulkQuote([_priced(line, services, terms) for line in lines], available)


def _priced(line: BulkLine, services: Mapping[int, Service], terms: CustomerTerms) -> PricedLine:
    if line.error:
        return PricedLine(line, error=line.error)
    service = services.get(line.service_id)
    try:
        if service is None:
            raise NotOnSale(f"There is no service {line.service_id} on sale.")
        checked = _check_line(service, line)
        offer = terms.offer(service)
        return PricedLine(line, service, checked, offer.price, charge_of(offer=offer, quantity=checked.quantity))
    except OrderRefused as refusal:
        return PricedLine(line, service, error=refusal.message)


def _check_line(service: Service, line: BulkLine) -> CheckedOrder:
    """Raises OrderRefused."""
    spec = SPECS[service.type]
    if spec.params:
        raise OrderRefused(f"{spec.label}: this service asks for more than a link and a quantity.")
    if spec.is_package and line.quantity not in (None, 1):
        raise BadQuantity("This service is sold as a package: leave the quantity out.")
    return check_order(service=service, asked=OrderInput(line.service_id, line.link, line.quantity, {}))


def _with_warnings(customer: User, lines: Sequence[PricedLine]) -> list[PricedLine]:
    """Nothing of this keeps a line from being ordered."""
    running = _running(customer, {link_key(one.checked.link) for one in lines if one.checked})
    first: dict[tuple[int, str], int] = {}
    found = []
    for one in lines:
        if one.checked is not None:
            what = (one.line.service_id, link_key(one.checked.link))
            if what in first:
                one = replace(one, warning=f"The same service and link as line {first[what]}.")
            elif what in running:
                one = replace(one, warning=f"Order {running[what]} of this service and link is still running.")
            first.setdefault(what, one.line.number)
        found.append(one)
    return found


def _running(customer: User, keys: set[str]) -> dict[tuple[int, str], int]:
    """The customer's newest order that has not ended, by service and link."""
    found: dict[tuple[int, str], int] = {}
    for chunk in in_chunks(sorted(keys), ROWS):
        orders = Order.objects.filter(customer=customer, link_key__in=chunk, status__in=OPEN)
        for service, key, pk in orders.order_by("pk").values_list("service_id", "link_key", "pk"):
            found[service, key] = pk
    return found


def _fingerprint(lines: Iterable[BulkLine]) -> str:
    written = "\n".join(f"{line.number} {line.text}" for line in lines)
    return blake2s(written.encode("utf-8", "replace"), digest_size=8).hexdigest()


# -- ordering ----------------------------------------------------------------------------------------


def create_bulk(*, customer: User, text: str, request_key: str, seal: str) -> CreatedBulk:
    """Orders all lines that can be ordered, once for each `request_key` of a customer; a repetition tells what the
    first made.

    `seal` is that of the quote which the customer saw. Raises LinesRefused, PreviewChanged where it no longer holds,
    NotEnoughFunds, OrderRefused; then nothing was changed.
    """
    lines = read_lines(text)
    # With the text: the key of a purchase that was made answers for no other lines.
    request_key = f"{request_key}.{_fingerprint(lines)}"
    wallet = wallet_of(customer=customer)
    with transaction.atomic():
        # 1. One purchase of this customer after the other.
        held = Wallet.objects.select_for_update(no_key=True).get(pk=wallet.pk)
        # 2. Sent before? The first order of a purchase tells.
        if Order.objects.filter(customer=customer, request_key=_key(request_key, 1)).exists():
            return _placed_before(customer, request_key, _left_of(lines, seal))
        # 3. Read in this transaction: what was hidden or re-priced a second ago is not sold at the old terms.
        quote = _quote(customer, lines, available=held.balance + held.credit_limit)
        _check(quote, seal)
        # 4. The orders, their charges, their timelines.
        orders = _make_orders(customer, quote.ready, request_key)
        try:
            ledger.post_all(lines=[_charge_line(held.pk, order) for order in orders])
        except ledger.InsufficientFunds as error:
            raise NotEnoughFunds(charge=quote.charge, available=error.available) from error
        hint_after_commit("orders.tasks.submit_orders")
        return CreatedBulk(len(orders), quote.charge, [one.line for one in quote.failed])


def _check(quote: BulkQuote, seal: str) -> None:
    """Raises PreviewChanged, NotEnoughFunds, OrderRefused."""
    if not quote.is_as_seen(seal):
        raise PreviewChanged("The lines or their prices changed since the preview.")
    if not quote.ready:
        raise OrderRefused("None of these lines can be ordered.")
    if quote.charge > MAX_MICROS:
        raise OrderRefused("These orders are too large together. Order fewer at once.")
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
            request_key=_key(request_key, place),
        )
        for place, one in enumerate(ready, start=1)
        if one.service is not None and one.checked is not None
    ]
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


def _key(request_key: str, place: int) -> str:
    """Of the purchase's orders, counted from 1 without a gap: that the first exists means that all do."""
    return f"{request_key}.{place}"


def _placed_before(customer: User, request_key: str, left: Sequence[BulkLine]) -> CreatedBulk:
    keys = [_key(request_key, place) for place in range(1, MAX_LINES + 1)]
    made = Order.objects.filter(customer=customer, request_key__in=keys).aggregate(count=Count("pk"), sum=Sum("charge"))
    return CreatedBulk(made["count"], made["sum"], left)


def _left_of(lines: Sequence[BulkLine], seal: str) -> list[BulkLine]:
    """The lines that could not be ordered when they were seen: what was ordered may be off sale by now."""
    charges = seal.partition(":")[2].split(",")
    return [line for line, charge in zip(lines, charges, strict=False) if not charge]
