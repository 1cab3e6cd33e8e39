"""How much of an order's charge is refunded. Pure: computed from the sale and the provider's answer.

The result is a *target*, the total that should be refunded by now. The posting is the difference to what was
refunded before, so the same answer twice moves money once. All amounts are micro-units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from orders.states import Status
from panel.lib.money import format_plain, refund_for

TOLERANCE_PERCENT = 5
# Many providers round charges to two decimal places: a cent of difference is no contradiction.
TOLERANCE_MICROS = 10_000


class SoldOrder(Protocol):
    """The part of an order that its refund depends on. Amounts are micro-units."""

    @property
    def quantity(self) -> int: ...

    @property
    def charge(self) -> int: ...

    @property
    def expected_cost(self) -> int: ...

    @property
    def is_package(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund of `target` micro-units in total, for `undelivered` of the quantity."""

    target: int
    undelivered: int


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Remains and charge that cannot both be true: no refund, but a review. `text` shows both numbers to staff."""

    text: str


def refund_due(
    sold: SoldOrder, *, status: str, remains: int | None, upstream_charge: int | None
) -> Refund | Contradiction:
    """Return the refund for a status, or the contradiction that forbids one.

    `remains` is None where the provider's was unusable. `upstream_charge` is the returned charge in micro-units of
    the panel's currency, None where there was none.
    """
    if status == Status.PARTIAL:
        return _partial(sold, remains, upstream_charge)
    if status == Status.CANCELED:
        return _canceled(sold, remains, upstream_charge)
    return Refund(0, 0)


def _partial(sold: SoldOrder, remains: int | None, upstream_charge: int | None) -> Refund | Contradiction:
    if sold.is_package and remains != 0:
        # The provider may count 400 remaining in what is one package to us, but not out of how many.
        return Contradiction(f"Partial, and {_shown(remains)} of a package remain. {_charged(sold, upstream_charge)}")
    if remains is None:
        if upstream_charge is None:
            return Contradiction("Partial with neither remains nor charge.")
        return _by_charge(sold, upstream_charge)
    undelivered = _clamp(remains, sold.quantity)
    if upstream_charge is not None and not cost_agrees(sold, undelivered, upstream_charge):
        return _contradiction(sold, remains, upstream_charge)
    return _by_remains(sold, undelivered)


def _canceled(sold: SoldOrder, remains: int | None, upstream_charge: int | None) -> Refund | Contradiction:
    everything = Refund(sold.charge, sold.quantity)
    # No charge, or no sign of a delivery: refund everything.
    if not upstream_charge:
        return everything
    if sold.is_package:
        return _contradiction(sold, remains, upstream_charge)
    if remains is None or remains >= sold.quantity:
        return everything
    undelivered = _clamp(remains, sold.quantity)
    if undelivered == 0 or not cost_agrees(sold, undelivered, upstream_charge):
        return _contradiction(sold, remains, upstream_charge)
    return _by_remains(sold, undelivered)


def _by_remains(sold: SoldOrder, undelivered: int) -> Refund:
    return Refund(refund_for(sold.charge, undelivered=undelivered, quantity=sold.quantity), undelivered)


def _by_charge(sold: SoldOrder, upstream_charge: int) -> Refund | Contradiction:
    """Return the refund for the share of the expected cost that was not charged, to the nearest unit of the quantity.

    The nearest, because providers round their charges. A Partial order was not delivered in full, so a charge for all
    of it is a contradiction.
    """
    unspent, cost = sold.expected_cost - upstream_charge, sold.expected_cost
    undelivered = (2 * unspent * sold.quantity + cost) // (2 * cost) if unspent > 0 else 0
    if not undelivered:
        return Contradiction(f"Partial, and it does not say how many remain. {_charged(sold, upstream_charge)}")
    return _by_remains(sold, undelivered)


def cost_agrees(sold: SoldOrder, undelivered: int, upstream_charge: int, *, cost: int | None = None) -> bool:
    """Return True if the returned charge is what the delivered part should have cost, within the tolerance.

    `cost` is that of the whole order, its expected cost by default. Micro-units.
    """
    delivered_cost = _delivered_cost(sold, undelivered, sold.expected_cost if cost is None else cost)
    return abs(upstream_charge - delivered_cost) <= _tolerance(sold)


def _delivered_cost(sold: SoldOrder, undelivered: int, cost: int) -> int:
    return cost * (sold.quantity - undelivered) // sold.quantity


def charges_beyond(sold: SoldOrder, undelivered: int, upstream_charge: int) -> bool:
    """Return True if the returned charge is for more than was delivered, beyond the tolerance. Micro-units.

    If nothing was delivered, any charge is.
    """
    if undelivered >= sold.quantity:
        return upstream_charge > 0
    return upstream_charge > _delivered_cost(sold, undelivered, sold.expected_cost) + _tolerance(sold)


def overcharged(sold: SoldOrder, upstream_charge: int, *, percent: int = TOLERANCE_PERCENT) -> bool:
    """Return True if the provider charged more than the expected cost, by more than `percent` and a cent. Micro-units.

    Nothing but an alert follows, so that the owner may choose `percent`.
    """
    return upstream_charge > sold.expected_cost + _tolerance(sold, percent)


def sold_at_a_loss(sold: SoldOrder, *, refunded: int, upstream_charge: int) -> bool:
    """Return True if an ended order cost more than the customer's net charge, beyond the tolerance. Micro-units."""
    return upstream_charge > sold.charge - refunded + _tolerance(sold)


def _tolerance(sold: SoldOrder, percent: int = TOLERANCE_PERCENT) -> int:
    return max(sold.expected_cost * percent // 100, TOLERANCE_MICROS)


def _contradiction(sold: SoldOrder, remains: int | None, upstream_charge: int) -> Contradiction:
    return Contradiction(f"It says that {_shown(remains)} of {sold.quantity} remain. {_charged(sold, upstream_charge)}")


def _charged(sold: SoldOrder, upstream_charge: int | None) -> str:
    charged = "nothing we could read" if upstream_charge is None else format_plain(upstream_charge)
    return f"It charged {charged} of an expected {format_plain(sold.expected_cost)}."


def _shown(remains: int | None) -> str:
    return "an unknown number" if remains is None else str(remains)


def _clamp(remains: int, quantity: int) -> int:
    return max(0, min(remains, quantity))
