"""The orders in doubt after a restore, by what the provider's ids say of them, and decisions about many at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Exists, OuterRef

from catalog.models import Provider
from catalog.provider_accounts import same_account
from catalog.upstream.results import OrderStatus, StatusRow
from orders.common.transitions import OrderMoved
from orders.models import Order, Orphan, PlacementAttempt
from orders.reconcile.findings import evidence_attempt
from orders.reconcile.match import agrees, candidate_of
from orders.reconcile.search import cost_now
from orders.review.decisions import ReviewError, bind_upstream_id, refund_unaccepted, send_again
from orders.states import AttemptOutcome, Submission
from panel.accounts.models import User
from panel.lib.own_account import OwnAccount
from panel.staff.deeds import UNSTATED, AboveLimit, Why

# What one bulk decision takes at most: staff wait for it.
MAX_DECIDED = 500


@dataclass(frozen=True, slots=True)
class Group:
    """Doubts for which the same decision is likely, with their sum in micro-units of the panel's currency."""

    orders: Sequence[Order]

    @property
    def count(self) -> int:
        return len(self.orders)

    @property
    def charged(self) -> int:
        return sum(order.net_charge for order in self.orders)

    @property
    def cost(self) -> int:
        return sum(order.expected_cost for order in self.orders)


@dataclass(frozen=True, slots=True)
class Doubts:
    """A provider's doubts after a restore.

    `found` are orders that agree with exactly one orphan, which agrees with no other: its id is in `ids`, by the
    order's. `missing` agree with no orphan of those that were searched. `unclear` are the others.
    """

    found: Group
    ids: dict[int, str]
    missing: Group
    unclear: Group


@dataclass(frozen=True, slots=True)
class Decided:
    """How many orders a bulk decision changed, their sum in micro-units, and why others stayed, with how many.

    Those `above_limit` of the actor stayed, too.
    """

    count: int
    charged: int
    left: Counter[str]
    above_limit: Sequence[Order] = ()


def doubts_after_restore(*, provider: Provider) -> Doubts:
    """Return the provider's orders that are in doubt since a restore, by what is known of its orphans."""
    orders = list(_doubts(provider))
    orphans = Orphan.objects.filter(provider__in=same_account(provider), state=Orphan.State.OPEN)
    rows = {orphan.upstream_id: _row(orphan) for orphan in orphans}
    matches = {order.pk: [one for one, row in rows.items() if _agrees(order, row)] for order in orders}
    wanted = Counter(one for found in matches.values() for one in found)
    ids = {pk: found[0] for pk, found in matches.items() if len(found) == 1 and wanted[found[0]] == 1}
    return Doubts(
        found=Group([order for order in orders if order.pk in ids]),
        ids=ids,
        missing=Group([order for order in orders if not matches[order.pk]]),
        unclear=Group([order for order in orders if matches[order.pk] and order.pk not in ids]),
    )


def bind_found(*, provider: Provider, seen: Sequence[int], actor: User | None) -> Decided:
    """Bind the orders in `seen`, by primary key, to the orphans that they alone agree with now."""
    doubts = doubts_after_restore(provider=provider)

    def bind(order: Order) -> None:
        upstream_id = doubts.ids[order.pk]
        text = f"Found after the restore: the provider has it as {upstream_id}"
        bind_upstream_id(order=order, upstream_id=upstream_id, actor=actor, text=text)

    return _decide(doubts.found.orders, seen, bind)


def refund_doubts(
    *, provider: Provider, seen: Sequence[int], note: str, actor: User | None, why: Why = UNSTATED
) -> Decided:
    """Cancel and refund the orders in `seen` that are still in doubt. `note` is for the customers, `why` for staff."""

    def refund(order: Order) -> None:
        refund_unaccepted(order=order, note=note, actor=actor, why=why)

    return _decide(_doubts(provider), seen, refund)


def send_doubts_again(*, provider: Provider, seen: Sequence[int], actor: User | None) -> Decided:
    """Queue the orders in `seen` that agree with no orphan: staff made sure that the provider has none of them.

    Those that may be an orphan are decided one by one: to send them all again would double some.
    """
    missing = doubts_after_restore(provider=provider).missing.orders
    return _decide(missing, seen, lambda order: send_again(order=order, actor=actor))


def _doubts(provider: Provider) -> Sequence[Order]:
    after_backup = PlacementAttempt.objects.filter(order=OuterRef("pk"), outcome=AttemptOutcome.AFTER_BACKUP)
    orders = Order.objects.filter(provider=provider, submission=Submission.IN_DOUBT).filter(Exists(after_backup))
    return list(orders.select_related("service__upstream", "provider").order_by("pk"))


def _decide(orders: Sequence[Order], seen: Sequence[int], act: Callable[[Order], None]) -> Decided:
    """Apply the decision to each order that staff saw. One that was decided meanwhile is left, with its reason."""
    chosen = [order for order in orders if order.pk in set(seen)][:MAX_DECIDED]
    left: Counter[str] = Counter()
    charged = 0
    above: list[Order] = []
    for order in chosen:
        try:
            act(order)
        except OrderMoved:
            left["It was decided meanwhile."] += 1
        except AboveLimit:
            above.append(order)
        except (ReviewError, OwnAccount) as error:
            left[str(error)] += 1
        else:
            charged += order.net_charge
    return Decided(len(chosen) - left.total() - len(above), charged, left, above)


def _agrees(order: Order, row: StatusRow) -> bool:
    attempt = evidence_attempt(order)
    sent_at = attempt.started_at if attempt else order.created_at
    return agrees(candidate_of(order=order, sent_at=sent_at, cost_now=cost_now(order)), row)


def _row(orphan: Orphan) -> StatusRow:
    """Return the orphan as the answer that it was made from."""
    return StatusRow(
        order_id=orphan.upstream_id,
        status=OrderStatus(orphan.status) if orphan.status else None,
        status_text=orphan.status_text,
        charge=None if orphan.charge is None else Decimal(orphan.charge).scaleb(-6),
        start_count=orphan.start_count,
        remains=orphan.remains,
        currency=orphan.currency,
    )
