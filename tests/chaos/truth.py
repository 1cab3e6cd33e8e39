"""The verdict: every order of the panel against what was really placed.

Written without the product's own judgement of money and states, so as not to share its mistakes.
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
_ENDS = {"Completed": "completed", "Partial": "partial", "Canceled": "canceled"}


def audit(figures: Figures, orders: Iterable[Order], truth: Truth, *, where: str = "", ended: bool = False) -> None:
    """Notes each order that is doubled, lost, given away, bound to another's, or refunded wrongly.

    Nothing hinders sending any more: an order that still waits for it is lost. `ended`: the panel has looked
    at every order since it ended upstream.
    """
    by_link: dict[str, list[OrderSnapshot]] = defaultdict(list)
    by_id: dict[tuple[int, str], OrderSnapshot] = {}
    for provider_id, placed in truth.items():
        for real in placed:
            by_link[real.link].append(real)
            by_id[provider_id, str(real.id)] = real
    for order in orders:
        real = by_link[order.link]
        for kind, text in _findings(order, real, by_id, ended=ended):
            ids = ", ".join(str(one.id) for one in real) or "nothing"
            figures.problem(
                kind, f"{where} order {order.pk} ({order.submission}, {order.status}): {text}; upstream {ids}"
            )


def audit_promise(figures: Figures, provider: Provider, *, where: str) -> None:
    """The sandbox does take one request id once: a provider that lost its parameter was accused falsely."""
    provider.refresh_from_db()
    if not provider.request_id_parameter:
        figures.problem("other trouble", f"{where} accused of taking one request id twice, which it never did")


def audit_books(figures: Figures, *, where: str = "") -> None:
    for breach in find_breaches():
        figures.problem("ledger breaches", f"{where} {breach.invariant}: {breach.rows[0]} ({len(breach.rows)} rows)")


def _findings(
    order: Order, real: list[OrderSnapshot], by_id: Mapping[tuple[int, str], OrderSnapshot], *, ended: bool
) -> Iterable[tuple[str, str]]:
    if len(real) > 1:
        yield "doubles", "placed more than once"
    if real and order.submission == "queued":
        yield "doubles", "waits to be sent, though it was placed"
    if order.upstream_id is not None:
        bound = by_id.get((order.provider_id, order.upstream_id))
        if bound is None or bound.link != order.link:
            whose = bound.link if bound else "nobody of ours"
            yield "misattributed", f"bound to {order.upstream_id}, which belongs to {whose}"
    if real and order.submission in ("refused", "withdrawn"):
        yield "given away", f"refunded {order.refunded} of {order.charge}"
    lost = _why_lost(order)
    if lost:
        yield "lost", lost
    if order.submission == "placed" and len(real) == 1:
        yield from _wrong_refund(order, real[0], ended=ended)
    if order.submission in ("queued", "placing", "in_doubt") and order.refunded:
        yield "given away", f"refunded {order.refunded}, though not ended"


def _why_lost(order: Order) -> str:
    """Why nobody will come back to this order; "" when somebody will, or it has ended."""
    if order.submission in ("placed", "refused", "withdrawn") or order.review_reason:
        return ""
    if order.submission == "in_doubt":
        return "" if order.doubt_until and order.doubt_until > timezone.now() else "in doubt past its deadline"
    if order.submission == "queued":
        return "still queued, though nothing keeps it"
    return "being placed by nobody"


def _wrong_refund(order: Order, real: OrderSnapshot, *, ended: bool) -> Iterable[tuple[str, str]]:
    """Refunds follow what was delivered, to the micro-unit, as soon as the panel knows of the end."""
    due = order.charge * max(0, min(real.remains, order.quantity)) // order.quantity
    if real.status not in ("Partial", "Canceled"):
        due = 0
    known = ended or order.status in _ENDS.values()
    if order.refunded > due or (known and order.refunded != due):
        yield "wrong refunds", f"refunded {order.refunded} of {order.charge}, due {due} ({real.status} upstream)"
    if known and order.status != _ENDS.get(real.status):
        yield "wrong refunds", f"ended otherwise than upstream ({real.status})"
