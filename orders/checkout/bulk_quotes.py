"""Bulk orders: check each line of a text, and quote it at the customer's prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2s

from django.utils.translation import gettext as _

from billing.wallets import spendable
from catalog.models import Service
from catalog.prices.customer_prices import CustomerTerms, terms_of
from catalog.prices.floor import alert_below_floor
from catalog.selectors import services_on_sale
from catalog.service_types import SPECS, Kind, TypeSpec
from orders.checkout.bulk_columns import LINE_END, LineRefused, columns_of, fields_of
from orders.checkout.bulk_text import BulkLine, BulkText, read_text
from orders.checkout.create import BelowFloor, charge_of, check_floor
from orders.checkout.questions import link_question
from orders.checkout.validation import (
    BadParam,
    BadQuantity,
    CheckedOrder,
    NotOnSale,
    OrderInput,
    OrderRefused,
    check_order,
)
from orders.models import Order
from orders.states import OPEN
from panel.accounts.models import User
from panel.lib.bulk_sql import in_chunks
from panel.lib.digits import CountError, read_count, whole_number
from panel.lib.links.keys import link_key, link_keys

ROWS = 500


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line with its service and charge, or the reason why it cannot be ordered. Amounts are micro-units.

    `warning` is what to ask about a line that can be ordered; `repeats` is the number of the line that it repeats.
    """

    line: BulkLine
    service: Service | None = None
    checked: CheckedOrder | None = None
    price: int = 0
    charge: int = 0
    error: str = ""
    warning: str = ""
    repeats: int | None = None

    @property
    def needs_form(self) -> bool:
        """Return True if the line can only be ordered in the form for single orders."""
        return self.checked is None and self.service is not None and bool(SPECS[self.service.type].params)

    @property
    def param_texts(self) -> list[tuple[str, str]]:
        """Return the label and the text of each parameter beyond link and quantity."""
        if self.checked is None or self.service is None:
            return []
        found = ((param, self.checked.params.get(param.name, "")) for param in SPECS[self.service.type].params)
        return [(_(param.label), " · ".join(text.splitlines())) for param, text in found if text]


@dataclass(frozen=True)
class BulkQuote:
    """All lines below their `header`, and what the customer can spend. Amounts are micro-units."""

    lines: Sequence[PricedLine]
    available: int
    header: str = ""

    @cached_property
    def ready(self) -> list[PricedLine]:
        """Return the lines that can be ordered."""
        return [one for one in self.lines if not one.error]

    @cached_property
    def failed(self) -> list[PricedLine]:
        return [one for one in self.lines if one.error]

    @cached_property
    def asked(self) -> list[PricedLine]:
        """Return the lines that can be ordered and have a question."""
        return [one for one in self.ready if one.warning]

    @cached_property
    def repeated(self) -> list[PricedLine]:
        """Return the lines that order the same as an earlier line."""
        return [one for one in self.ready if one.repeats]

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
        return f"{fingerprint(one.line for one in self.lines)}:{charges}"

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


# -- quoting -----------------------------------------------------------------------------------------


def quote_bulk(*, customer: User, text: str) -> BulkQuote:
    """Return each line at the customer's prices. The number of queries hardly grows with the lines.

    Raise LinesRefused if the text has no lines or is too long.
    """
    quote = quote_lines(customer, read_text(text), available=spendable(customer=customer))
    return replace(quote, lines=_with_warnings(customer, quote.lines))


def quote_lines(customer: User, text: BulkText, *, available: int) -> BulkQuote:
    """Return each line at the customer's prices, without what to ask about it. `available` is in micro-units."""
    service_ids = sorted({line.service_id for line in text.lines if not line.error})
    services: dict[int, Service] = {}
    for chunk in in_chunks(service_ids, ROWS):
        services.update(services_on_sale().in_bulk(chunk))
    terms = terms_of(customer=customer)
    return BulkQuote([_priced(line, services, terms) for line in text.lines], available, text.header)


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
    except LineRefused as refusal:
        return PricedLine(line, service, error=str(refusal))


def _check_line(service: Service, line: BulkLine) -> CheckedOrder:
    """Return the line cleaned for its service. Raise OrderRefused or LineRefused if it cannot be ordered."""
    spec = SPECS[service.type]
    fields = fields_of(spec=spec, cells=line.cells, columns=line.columns)
    try:
        quantity = read_count(fields.quantity) if fields.quantity else None
    except CountError as error:
        raise BadQuantity(str(error)) from None
    if spec.is_package and quantity not in (None, 1):
        raise BadQuantity(_("This service is sold as a package: leave the quantity out."))
    try:
        checked = check_order(
            service=service, order_input=OrderInput(line.service_id, fields.link, quantity, fields.params)
        )
    except BadParam as refusal:
        if fields.params.get(refusal.field, "").strip():
            raise
        raise BadParam(_missing(spec, refusal.field, line), field=refusal.field) from None
    if spec.lines and quantity not in (None, checked.quantity):
        text = _("The quantity is %(typed)s, but the lines to write are %(count)s. Correct one of the two.")
        raise BadQuantity(text % {"typed": f"{quantity:,}", "count": f"{checked.quantity:,}"})
    return checked


def _missing(spec: TypeSpec, name: str, line: BulkLine) -> str:
    """Return the message for a parameter that a line does not have."""
    [param] = (one for one in spec.params if one.name == name)
    words = {"label": _(param.label), "name": name, "columns": " | ".join(columns_of(spec)), "mark": LINE_END}
    if line.columns:
        return _("“%(label)s” is missing. Its column is named “%(name)s”.") % words
    if param.kind is Kind.LINES:
        return _("“%(label)s” is missing. Write %(columns)s, with %(mark)s before each further line.") % words
    return _("“%(label)s” is missing. Write %(columns)s.") % words


def _with_warnings(customer: User, lines: Sequence[PricedLine]) -> list[PricedLine]:
    """Return the lines with what to ask about repeated and odd links. They can be ordered all the same."""
    running = _running(customer, {key for one in lines if one.checked for key in link_keys(one.checked.link)})
    first: dict[tuple[int, str, str], int] = {}
    found = []
    for one in lines:
        if one.checked is not None and one.service is not None:
            place = (one.line.service_id, link_key(one.checked.link))
            what = (*place, repr(sorted(one.checked.params.items())))
            line = first.get(what)
            warning = _warning(one.service, one.checked.link, line=line, order=running.get(place))
            one = replace(one, warning=warning, repeats=line)
            first.setdefault(what, one.line.number)
        found.append(one)
    return found


def _warning(service: Service, link: str, *, line: int | None, order: int | None) -> str:
    """Return what to ask about a line, "" if nothing; `line` and `order` have the same service and link."""
    if line is not None:
        text = _("The same as line %(number)s. Order it again?")
        if service.one_at_a_time:
            text = _("Waits until line %(number)s has ended, which orders the same. Order it again?")
        return text % {"number": line}
    if order is not None:
        text = _("Your order %(number)s of this service and link is still running. Order more?")
        if service.one_at_a_time:
            text = _("Waits until your order %(number)s of this service and link has ended. Order more?")
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


def fingerprint(lines: Iterable[BulkLine]) -> str:
    """Return what identifies these lines, their numbers and their columns."""
    text = "\n".join(f"{line.number} {','.join(line.columns)} {line.text}" for line in lines)
    return blake2s(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
