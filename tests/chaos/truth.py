"""Compares every order of the panel with what the providers really accepted.

It does not use the product's own rules for money and states, so that it does not share their mistakes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from django.utils import timezone

from catalog.models import Provider
from orders.models import Order
from panel.ops.invariants import find_breaches
from panel.sandbox.server import OrderSnapshot
from tests.chaos.figures import Figures

Truth = Mapping[int, list[OrderSnapshot]]
# Status at the provider → status of the panel's order.
_ENDS = {"Completed": "completed", "Partial": "partial", "Canceled": "canceled"}


def audit(figures: Figures, orders: Iterable[Order], truth: Truth, *, where: str = "", ended: bool = False) -> None:
    """Record a problem for each order that is duplicated, lost, given away, misattributed or wrongly refunded.

    Call it when nothing prevents submitting any more: an order that is still queued counts as lost. `ended`: the panel
    has polled every order since it ended at its provider.
    """
    by_link: dict[str, list[OrderSnapshot]] = defaultdict(list)
    by_id: dict[tuple[int, str], OrderSnapshot] = {}
    for provider_id, accepted in truth.items():
        for real in accepted:
            by_link[real.link].append(real)
            by_id[provider_id, str(real.id)] = real
    for order in orders:
        real = by_link[order.link]
        for kind, text in _findings(order, real, by_id, ended=ended):
            ids = ", ".join(str(one.id) for one in real) or "nothing"
            figures.problem(
                kind, f"{where} order {order.pk} ({order.submission}, {order.status}): {text}; at the provider: {ids}"
            )


def audit_request_ids(figures: Figures, provider: Provider, *, where: str) -> None:
    """Record a problem if the panel stopped using the provider's request ids: the sandbox takes each only once."""
    provider.refresh_from_db()
    if not provider.request_id_parameter:
        figures.problem("other problems", f"{where} lost its request_id_parameter, though it took each id only once")


def audit_ledger(figures: Figures, *, where: str = "") -> None:
    """Record a problem for each breach of an invariant in the ledger."""
    for breach in find_breaches():
        figures.problem("ledger breaches", f"{where} {breach.invariant}: {breach.rows[0]} ({len(breach.rows)} rows)")


def _findings(
    order: Order, real: list[OrderSnapshot], by_id: Mapping[tuple[int, str], OrderSnapshot], *, ended: bool
) -> Iterable[tuple[str, str]]:
    if len(real) > 1:
        yield "duplicates", "accepted more than once"
    if real and order.submission == "queued":
        yield "duplicates", "queued, though it was accepted"
    if order.upstream_id is not None:
        bound = by_id.get((order.provider_id, order.upstream_id))
        if bound is None or bound.link != order.link:
            owner = bound.link if bound else "none of our orders"
            yield "misattributed", f"bound to {order.upstream_id}, which belongs to {owner}"
    if real and order.submission in ("refused", "withdrawn"):
        yield "given away", f"refunded {order.refunded} of {order.charge}"
    lost = _why_lost(order)
    if lost:
        yield "lost", lost
    if order.submission == "placed" and len(real) == 1:
        yield from _wrong_refund(order, real[0], ended=ended)
    if order.submission in ("queued", "placing", "in_doubt") and order.refunded:
        yield "given away", f"refunded {order.refunded}, though it has not ended"


def _why_lost(order: Order) -> str:
    """Return why neither a task nor staff will continue with this order; "" if one will, or if it has ended."""
    if order.submission in ("placed", "refused", "withdrawn") or order.review_reason:
        return ""
    if order.submission == "in_doubt":
        return "" if order.doubt_until and order.doubt_until > timezone.now() else "in doubt past its deadline"
    if order.submission == "queued":
        return "still queued, though nothing prevents submitting"
    return "claimed, though no worker submits it"


def _wrong_refund(order: Order, real: OrderSnapshot, *, ended: bool) -> Iterable[tuple[str, str]]:
    """Yield problems of the refund and the status. Once the panel knows of the end, the refund must be exact."""
    due = order.charge * max(0, min(real.remains, order.quantity)) // order.quantity
    if real.status not in ("Partial", "Canceled"):
        due = 0
    known = ended or order.status in _ENDS.values()
    if order.refunded > due or (known and order.refunded != due):
        yield "wrong refunds", f"refunded {order.refunded} of {order.charge}, due {due} ({real.status} at the provider)"
    if known and order.status != _ENDS.get(real.status):
        yield "wrong refunds", f"the status differs from the provider's ({real.status})"
