"""Breaks the panel on purpose, to prove that the chaos tests notice. CHAOS_SABOTAGE names the sabotage; children only.

Each sabotage replaces a rule by a plausible mistake.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.utils import timezone

from tests.chaos.crashing import wrap

# The environment variable that names a sabotage.
VARIABLE = "CHAOS_SABOTAGE"


def install() -> None:
    """Install the sabotage that the environment names, if any."""
    name = os.environ.get(VARIABLE, "")
    if name:
        SABOTAGES[name]()


def _requeue() -> None:
    """Put orders with expired leases back into the queue, as if the dead worker had not sent them."""
    from orders.models import Order

    def expire_leases() -> int:
        expired = Order.objects.filter(submission="placing", lease_until__lt=timezone.now())
        return expired.update(submission="queued", claim_token="", lease_until=None)

    wrap("orders.dispatch.timeouts:expire_leases", lambda original: expire_leases)


def _refund() -> None:
    """Refund orders in doubt, so that customers need not wait."""
    from orders.refunds.posting import cancel_unaccepted

    def doubt(order: Any, text: str, **_: Any) -> None:
        cancel_unaccepted(order=order, submission="refused", note=text)

    wrap("orders.dispatch.outcomes:_record_doubt", lambda original: doubt)


def _retry() -> None:
    """Send an order again when its answer is unknown."""
    from catalog.upstream.results import Unknown

    def around(add: Callable[..., Any]) -> Callable[..., Any]:
        def twice(*args: Any, **values: Any) -> Any:
            outcome = add(*args, **values)
            return add(*args, **values) if isinstance(outcome, Unknown) else outcome

        return twice

    wrap("catalog.upstream.client:UpstreamClient.add", around)


def _misbind() -> None:
    """Bind an order in doubt to any id that belongs to no known order."""

    def first(*, orphans: Any, **_: Any) -> int | None:
        return min(orphans, default=None)

    wrap("orders.reconcile.search:sole_match", lambda original: first)


def _forget() -> None:
    """Never expire leases."""
    wrap("orders.dispatch.timeouts:expire_leases", lambda original: lambda: 0)


def _books() -> None:
    """Post refunds of one micro-unit less than the order records."""

    def around(line: Callable[..., Any]) -> Callable[..., Any]:
        def less(refund: Any, *rest: Any) -> Any:
            return line(replace(refund, amount=refund.amount - 1), *rest)

        return less

    wrap("orders.refunds.posting:_line", around)


def _pay() -> None:
    """Refund at the first word, however many orders are canceled at once."""
    wrap("orders.tracking.apply:hold_ends", lambda original: lambda **_: {})


def _trust() -> None:
    """Take every known id for the answer to a repetition."""
    wrap("orders.dispatch.outcomes:_orders_the_same", lambda original: lambda one, other: True)


SABOTAGES: dict[str, Callable[[], None]] = {
    "requeue": _requeue,
    "refund": _refund,
    "retry": _retry,
    "misbind": _misbind,
    "forget": _forget,
    "books": _books,
    "pay": _pay,
    "trust": _trust,
}
