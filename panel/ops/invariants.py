"""The invariants of money and submission, checked over the whole database.

Each check is one query for rows that break it; none should ever find any.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from billing import append_only, constraints
from catalog.shop import catalog_version_triggers
from orders.models import Order
from orders.states import ReviewReason, Submission
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, record_heartbeat, resolve_alert
from panel.site import registry as site

MAX_SHOWN = 20
GRACE = timedelta(seconds=60)
HELD_GRACE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant and the first rows that break it, as readable text."""

    invariant: str
    rows: list[str]


# name, query, text for a row
_CHECKS: tuple[tuple[str, str, str], ...] = (
    (
        "balance = sum of entries",
        """SELECT w.id, w.balance, COALESCE(SUM(e.amount), 0) FROM billing_wallet w
           LEFT JOIN billing_entry e ON e.wallet_id = w.id
           GROUP BY w.id, w.balance HAVING w.balance <> COALESCE(SUM(e.amount), 0)""",
        "wallet {}: balance {}, entries sum up to {}",
    ),
    (
        "entries are numbered without a gap",
        """SELECT w.id, w.version, COUNT(e.id), COALESCE(MAX(e.seq), 0) FROM billing_wallet w
           LEFT JOIN billing_entry e ON e.wallet_id = w.id GROUP BY w.id, w.version
           HAVING w.version <> COUNT(e.id) OR w.version <> COALESCE(MAX(e.seq), 0) OR MIN(e.seq) < 1""",
        "wallet {}: entry count {}, {} entries, last number {}",
    ),
    (
        "balances chain from entry to entry",
        """SELECT wallet_id, seq, balance_after, previous + amount FROM (
             SELECT wallet_id, seq, amount, balance_after,
                    COALESCE(LAG(balance_after) OVER (PARTITION BY wallet_id ORDER BY seq), 0) AS previous
             FROM billing_entry) AS chained
           WHERE balance_after <> previous + amount""",
        "wallet {}, entry {}: balance after {}, expected {}",
    ),
    (
        "an order's entries = charge - refunded",
        """SELECT o.id, o.charge, o.refunded, COALESCE(SUM(e.amount), 0) FROM orders_order o
           LEFT JOIN billing_entry e ON e.order_ref = o.id AND e.kind IN ('order', 'refund')
           WHERE o.drip_feed_id IS NULL
           GROUP BY o.id, o.charge, o.refunded
           HAVING -COALESCE(SUM(e.amount), 0) <> o.charge - o.refunded""",
        "order {}: charge {}, refunded {}, entries sum up to {}",
    ),
    (
        "exactly one charge an order, from its customer's wallet",
        """SELECT o.id, COUNT(e.id) FROM orders_order o
           LEFT JOIN billing_wallet w ON w.customer_id = o.customer_id
           LEFT JOIN billing_entry e
             ON e.order_ref = o.id AND e.kind = 'order' AND e.amount = -o.charge AND e.wallet_id = w.id
           WHERE o.drip_feed_id IS NULL
           GROUP BY o.id HAVING COUNT(e.id) <> 1""",
        "order {}: {} charges",
    ),
    (
        "a run's entries are its refunds alone",
        """SELECT o.id, o.refunded, COALESCE(SUM(e.amount), 0) FROM orders_order o
           LEFT JOIN billing_entry e ON e.order_ref = o.id AND e.kind IN ('order', 'refund')
           WHERE o.drip_feed_id IS NOT NULL
           GROUP BY o.id, o.refunded HAVING COALESCE(SUM(e.amount), 0) <> o.refunded""",
        "order {}: refunded {}, entries sum up to {}",
    ),
    (
        "a drip-feed's entries = charge - refunded",
        """SELECT d.id, d.charge, d.refunded, COALESCE(SUM(e.amount), 0) FROM orders_dripfeed d
           LEFT JOIN billing_wallet w ON w.customer_id = d.customer_id
           LEFT JOIN billing_entry e
             ON e.drip_ref = d.id AND e.kind IN ('drip_feed', 'refund') AND e.wallet_id = w.id
           GROUP BY d.id, d.charge, d.refunded
           HAVING -COALESCE(SUM(e.amount), 0) <> d.charge - d.refunded
              OR SUM(CASE WHEN e.kind = 'drip_feed' THEN 1 ELSE 0 END) <> 1""",
        "drip-feed {}: charge {}, refunded {}, entries sum up to {}",
    ),
    (
        "each run that began is one order of the drip-feed, at its charge and of its customer",
        """SELECT d.id, d.begun, COUNT(o.id) FROM orders_dripfeed d
           LEFT JOIN orders_order o ON o.drip_feed_id = d.id
           GROUP BY d.id, d.begun
           HAVING COUNT(o.id) <> d.begun
              OR SUM(CASE WHEN o.charge = d.run_charge AND o.customer_id = d.customer_id AND o.run <= d.begun
                     THEN 1 ELSE 0 END) <> d.begun""",
        "drip-feed {}: {} runs begun, {} orders",
    ),
    (
        "what is paid for a drip-feed is spent on its runs or given back",
        """SELECT id, charge, run_charge * begun, refunded FROM orders_dripfeed
           WHERE charge <> run_charge * runs OR run_charge * begun + refunded > charge
              OR (state <> 'running' AND run_charge * begun + refunded <> charge)""",
        "drip-feed {}: charge {}, runs for {}, refunded {}",
    ),
    (
        "an entry of a drip-feed belongs to a drip-feed of the wallet's customer",
        """SELECT e.id, e.drip_ref, e.wallet_id FROM billing_entry e
           JOIN billing_wallet w ON w.id = e.wallet_id
           LEFT JOIN orders_dripfeed d ON d.id = e.drip_ref AND d.customer_id = w.customer_id
           WHERE (e.kind = 'drip_feed' OR e.drip_ref IS NOT NULL) AND d.id IS NULL""",
        "entry {}: drip-feed {}, wallet {}",
    ),
    (
        "a deposit is credited once, and only when it was approved",
        """SELECT d.id, COALESCE(d.credited, 0) + d.bonus, COALESCE(SUM(e.amount), 0) FROM billing_deposit d
           LEFT JOIN billing_wallet w ON w.customer_id = d.customer_id
           LEFT JOIN billing_entry e ON e.key IN ('deposit:' || d.id, 'deposit:' || d.id || ':bonus')
             AND e.wallet_id = w.id
           GROUP BY d.id, d.credited, d.bonus
           HAVING COALESCE(SUM(e.amount), 0) <> COALESCE(d.credited, 0) + d.bonus""",
        "deposit {}: credited {}, entries sum up to {}",
    ),
    (
        "an entry of an order belongs to an order of the wallet's customer",
        """SELECT e.id, e.order_ref, e.wallet_id FROM billing_entry e
           JOIN billing_wallet w ON w.id = e.wallet_id
           LEFT JOIN orders_order o ON o.id = e.order_ref AND o.customer_id = w.customer_id
           WHERE e.kind IN ('order', 'refund') AND e.drip_ref IS NULL AND o.id IS NULL""",
        "entry {}: order {}, wallet {}",
    ),
    (
        "0 <= refunded <= charge",
        "SELECT id, refunded, charge FROM orders_order WHERE refunded < 0 OR refunded > charge",
        "order {}: refunded {} of {}",
    ),
    (
        "provider and upstream id are unique",
        """SELECT provider_id, upstream_id, COUNT(*) FROM orders_order WHERE upstream_id IS NOT NULL
           GROUP BY provider_id, upstream_id HAVING COUNT(*) > 1""",
        "provider {}, id {}: {} orders",
    ),
)


def prove_books() -> list[Breach]:
    """Return the breaches. Open or resolve their alert, and record the heartbeat."""
    breaches = find_breaches()
    if breaches:
        text = "; ".join(f"{breach.invariant}: {breach.rows[0]}" for breach in breaches)
        raise_alert(cause=Cause.LEDGER, text=f"The books do not balance. {text}", level="danger")
    else:
        resolve_alert(cause=Cause.LEDGER)
    record_heartbeat(task="check_ledger")
    return breaches


def find_breaches() -> list[Breach]:
    """Return the breaches, from one snapshot, so that money moving meanwhile is not mistaken for a breach."""
    breaches = []
    with _one_snapshot():
        for name, query, wording in _CHECKS:
            rows = _rows(query)
            if rows:
                breaches.append(Breach(name, [wording.format(*row) for row in rows]))
        breaches.extend(_overdue())
    if not append_only.installed(connection):
        breaches.append(Breach("entries are append-only", ["a trigger on billing_entry is missing"]))
    if guards := constraints.missing_guards(connection):
        breaches.append(Breach("the database holds each balance to its last entry", guards))
    if not catalog_version_triggers.installed(connection):
        breaches.append(
            Breach("every change of the catalog renews its version", ["a trigger is missing: price lists may be old"])
        )
    return breaches


@contextmanager
def _one_snapshot() -> Iterator[None]:
    """Hold a read-only snapshot of one moment that blocks no writer."""
    if connection.in_atomic_block:
        yield
        return
    if connection.vendor == "sqlite":
        # Django's own transactions take the write lock at once; this one only reads.
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _overdue() -> Iterator[Breach]:
    late = timezone.now() - GRACE
    stuck = Order.objects.filter(submission=Submission.SUBMITTING, lease_until__lt=late)
    doubts = Order.objects.filter(submission=Submission.IN_DOUBT, review_reason="", doubt_until__lt=late)
    limit = timedelta(hours=site.QUEUE_LIMIT_HOURS.value)
    held = Order.objects.filter(
        submission=Submission.QUEUED,
        review_reason__in=("", ReviewReason.WOULD_LOSE),
        queued_at__lt=timezone.now() - limit - HELD_GRACE,
    )
    for name, orders in (
        ("nothing waits in the queue past its limit", held),
        ("nothing is placing past its lease", stuck),
        ("no doubt is past its deadline without review", doubts),
    ):
        rows = [f"order {pk}" for pk in orders.values_list("pk", flat=True)[:MAX_SHOWN]]
        if rows:
            yield Breach(name, rows)


def _rows(query: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchmany(MAX_SHOWN))
