"""How much of an order's charge goes back. Pure: a function of what was sold and what the provider says.

The answer is a *target*, the sum that should have been refunded by now; the posting is the difference to
what was refunded already, so that hearing the same twice moves money once. Micro-units throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from orders.states import Status
from panel.lib.money import format_plain, refund_for

TOLERANCE_PERCENT = 5
# Providers round their charges, many to two decimal places: a cent apart is no contradiction.
TOLERANCE_MICROS = 10_000


class SoldOrder(Protocol):
    """What of an order its refund follows from."""

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
    """Give back `target` in all, for `undelivered` of the quantity."""

    target: int
    undelivered: int


@dataclass(frozen=True, slots=True)
class Contradiction:
    """No money moves; a person looks. `text` shows both numbers."""

    text: str


def refund_due(
    sold: SoldOrder, *, status: str, remains: int | None, upstream_charge: int | None
) -> Refund | Contradiction:
    """The refund target for a status.

    `remains` is the provider's, None where it was unusable; `upstream_charge` its returned charge in
    micro-units of the panel's currency, None where there was none.
    """
    if status == Status.PARTIAL:
        return _partial(sold, remains, upstream_charge)
    if status == Status.CANCELED:
        return _canceled(sold, remains, upstream_charge)
    return Refund(0, 0)


def _partial(sold: SoldOrder, remains: int | None, upstream_charge: int | None) -> Refund | Contradiction:
    if sold.is_package and remains != 0:
        # Of a package that is 1 to us, it may say that 400 remain: of how many, it does not.
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
    # Nothing charged to us, or no sign of delivery: all of it goes back.
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
    """The share of the expected cost that the provider did not charge, in whole units of the quantity.

    Partial means that something was not delivered: a charge for all of it does not tell how much.
    """
    unspent = sold.expected_cost - upstream_charge
    undelivered = unspent * sold.quantity // sold.expected_cost if unspent > 0 else 0
    if not undelivered:
        return Contradiction(f"Partial, and it does not say how many remain. {_charged(sold, upstream_charge)}")
    return _by_remains(sold, undelivered)


def cost_agrees(sold: SoldOrder, undelivered: int, upstream_charge: int) -> bool:
    """Whether the charge is about what the delivered part should have cost."""
    delivered_cost = sold.expected_cost * (sold.quantity - undelivered) // sold.quantity
    return abs(upstream_charge - delivered_cost) <= _tolerance(sold)


def overcharged(sold: SoldOrder, upstream_charge: int) -> bool:
    """Whether the provider charged more than its rate says, beyond rounding. Micro-units."""
    return upstream_charge > sold.expected_cost + _tolerance(sold)


def sold_at_a_loss(sold: SoldOrder, *, refunded: int, upstream_charge: int) -> bool:
    """Whether an order that ended cost more than its customer paid in the end, beyond rounding. Micro-units."""
    return upstream_charge > sold.charge - refunded + _tolerance(sold)


def _tolerance(sold: SoldOrder) -> int:
    return max(sold.expected_cost * TOLERANCE_PERCENT // 100, TOLERANCE_MICROS)


def _contradiction(sold: SoldOrder, remains: int | None, upstream_charge: int) -> Contradiction:
    return Contradiction(f"It says that {_shown(remains)} of {sold.quantity} remain. {_charged(sold, upstream_charge)}")


def _charged(sold: SoldOrder, upstream_charge: int | None) -> str:
    charged = "nothing we could read" if upstream_charge is None else format_plain(upstream_charge)
    return f"It charged {charged} of an expected {format_plain(sold.expected_cost)}."


def _shown(remains: int | None) -> str:
    return "an unknown number" if remains is None else str(remains)


def _clamp(remains: int, quantity: int) -> int:
    return max(0, min(remains, quantity))
