"""What comes of an action on many orders, planned or done: the same shape for customers and for staff."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import structlog
from django.utils.translation import gettext_noop

from orders.models import Order

log = structlog.get_logger(__name__)

FAILED = gettext_noop("Something went wrong on our side. Please try again.")
ALREADY = gettext_noop("It is canceled already.")  # Most likely by the first half of a double click.
NOT_REACHED = "not reached in time, select them again"


class TooMany(ValueError):
    """More orders than may be selected at once; nothing was changed. The message is for the user."""


@dataclass(frozen=True, slots=True)
class OrderResult:
    """Outcome for one order: `back` micro-units refunded at once, a request to the provider, or a `reason` why not.

    `way` tells what is done, where an action does one thing to some orders and another to others. `profit` is what the
    order is expected to earn then, in micro-units; None if that does not change.
    """

    order: Order
    back: int = 0
    reason: str = ""
    way: str = ""
    profit: int | None = None

    @property
    def is_asked(self) -> bool:
        return not self.back and not self.reason


@dataclass(frozen=True, slots=True)
class BulkResult:
    """Outcomes for all selected orders, planned or done."""

    results: Sequence[OrderResult]

    @property
    def able(self) -> list[OrderResult]:
        return [one for one in self.results if not one.reason]

    @property
    def withdrawn(self) -> int:
        return sum(one.back > 0 for one in self.results)

    @property
    def asked(self) -> int:
        return sum(one.is_asked for one in self.results)

    @property
    def refunded(self) -> int:
        """Return the micro-units refunded at once."""
        return sum(one.back for one in self.results)

    @property
    def charged(self) -> int:
        """Return what customers paid for the orders that fit, less what was refunded before, in micro-units."""
        return sum(one.order.net_charge for one in self.able)

    @property
    def already(self) -> int:
        return sum(one.reason == ALREADY for one in self.results)

    @property
    def failed(self) -> list[int]:
        return [one.order.pk for one in self.results if one.reason == FAILED]

    @property
    def left(self) -> dict[str, int]:
        """Return the number of unchanged orders by reason, the most common first."""
        reasons = Counter(one.reason for one in self.results if one.reason not in ("", ALREADY))
        return dict(reasons.most_common())

    def of_way(self, way: str) -> list[OrderResult]:
        return [one for one in self.able if one.way == way]

    def orders_left(self, reason: str) -> list[Order]:
        return [one.order for one in self.results if one.reason == reason]


def for_each_order(
    orders: Collection[Order],
    act: Callable[[Order], OrderResult],
    *,
    refusals: tuple[type[Exception], ...],
    seconds: float | None = None,
) -> BulkResult:
    """Act on each order by itself: a refusal or a failure does not stop the others.

    The message of one of `refusals` is the reason why its order is left. After `seconds` the rest is left too.
    """
    stop_at = None if seconds is None else time.monotonic() + seconds
    results = []
    for order in orders:
        try:
            late = stop_at is not None and time.monotonic() >= stop_at
            results.append(OrderResult(order, reason=NOT_REACHED) if late else act(order))
        except refusals as error:
            results.append(OrderResult(order, reason=str(error)))
        except Exception:
            log.exception("order of a bulk action failed", order=order.pk)
            results.append(OrderResult(order, reason=FAILED))
    return BulkResult(results)
