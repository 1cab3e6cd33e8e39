"""The invariants of money and submission, checked over the whole database.

Each check is one query for rows that break it; none should ever find any. Those of deposits are in `deposit_proofs.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from django.db import connection, transaction

from billing import append_only, constraints
from catalog.shop import catalog_version_triggers
from orders.models import Order
from orders.states import UNSENT_REVIEWS, Submission
from panel.activity import append_only as activity
from panel.alerts import running
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, record_heartbeat, resolve_alert
from panel.lib import clock
from panel.ops.deposit_proofs import DEPOSIT_CHECKS, PROMISES, broken_promises
from panel.site import registry as site

MAX_SHOWN = 20
GRACE = timedelta(seconds=60)
# No order is refunded for an hour after the clock jumped.
HELD_GRACE = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant and the first rows that break it, as readable text."""

    invariant: str
    rows: list[str]


# The sum of each order's entries. Aggregated before it is joined: there are several entries for each order.
_BY_ORDER = """SELECT order_ref, SUM(amount) AS total FROM billing_entry
               WHERE order_ref IS NOT NULL AND kind IN ('order', 'refund') GROUP BY order_ref"""
# name, query, text for a row
_CHECKS: tuple[tuple[str, str, str], ...] = (
    (
        "balance = sum of entries",
        """SELECT w.id, w.balance, COALESCE(e.total, 0) FROM billing_wallet w
           LEFT JOIN (SELECT wallet_id, SUM(amount) AS total FROM billing_entry GROUP BY wallet_id) AS e
             ON e.wallet_id = w.id
           WHERE w.balance <> COALESCE(e.total, 0)""",
        "wallet {}: balance {}, entries sum up to {}",
    ),
    (
        "entries are numbered without a gap",
        """SELECT w.id, w.version, COALESCE(e.found, 0), COALESCE(e.last, 0) FROM billing_wallet w
           LEFT JOIN (SELECT wallet_id, COUNT(*) AS found, MIN(seq) AS first, MAX(seq) AS last
                      FROM billing_entry GROUP BY wallet_id) AS e ON e.wallet_id = w.id
           WHERE w.version <> COALESCE(e.found, 0) OR w.version <> COALESCE(e.last, 0) OR e.first < 1""",
        "wallet {}: entry count {}, {} entries, last number {}",
    ),
    (
        # Joined to the entry before: sorting all entries for a window would take four times as long. Where the entry
        # before is missing, the check above has found the gap.
        "balances chain from entry to entry",
        """SELECT e.wallet_id, e.seq, e.balance_after, COALESCE(p.balance_after, 0) + e.amount FROM billing_entry e
           LEFT JOIN billing_entry p ON p.wallet_id = e.wallet_id AND p.seq = e.seq - 1
           WHERE e.balance_after <> COALESCE(p.balance_after, 0) + e.amount AND (p.id IS NOT NULL OR e.seq = 1)""",
        "wallet {}, entry {}: balance after {}, expected {}",
    ),
    (
        "an order's entries = charge - refunded",
        f"""SELECT o.id, o.charge, o.refunded, COALESCE(e.total, 0) FROM orders_order o
           LEFT JOIN ({_BY_ORDER}) AS e ON e.order_ref = o.id
           WHERE o.drip_feed_id IS NULL AND -COALESCE(e.total, 0) <> o.charge - o.refunded""",  # noqa: S608
        "order {}: charge {}, refunded {}, entries sum up to {}",
    ),
    (
        "exactly one charge an order, from its customer's wallet",
        """SELECT o.id, COALESCE(e.found, 0) FROM orders_order o
           LEFT JOIN billing_wallet w ON w.customer_id = o.customer_id
           LEFT JOIN (SELECT order_ref, wallet_id, amount, COUNT(*) AS found FROM billing_entry
                      WHERE kind = 'order' GROUP BY order_ref, wallet_id, amount) AS e
             ON e.order_ref = o.id AND e.wallet_id = w.id AND e.amount = -o.charge
           WHERE o.drip_feed_id IS NULL AND COALESCE(e.found, 0) <> 1""",
        "order {}: {} charges",
    ),
    (
        "a run's entries are its refunds alone",
        f"""SELECT o.id, o.refunded, COALESCE(e.total, 0) FROM orders_order o
           LEFT JOIN ({_BY_ORDER}) AS e ON e.order_ref = o.id
           WHERE o.drip_feed_id IS NOT NULL AND COALESCE(e.total, 0) <> o.refunded""",  # noqa: S608
        "order {}: refunded {}, entries sum up to {}",
    ),
    (
        "a drip-feed's entries = charge - refunded",
        """SELECT d.id, d.charge, d.refunded, COALESCE(e.total, 0) FROM orders_dripfeed d
           LEFT JOIN billing_wallet w ON w.customer_id = d.customer_id
           LEFT JOIN (SELECT drip_ref, wallet_id, SUM(amount) AS total,
                             SUM(CASE WHEN kind = 'drip_feed' THEN 1 ELSE 0 END) AS charges
                      FROM billing_entry WHERE drip_ref IS NOT NULL AND kind IN ('drip_feed', 'refund')
                      GROUP BY drip_ref, wallet_id) AS e ON e.drip_ref = d.id AND e.wallet_id = w.id
           WHERE -COALESCE(e.total, 0) <> d.charge - d.refunded OR COALESCE(e.charges, 0) <> 1""",
        "drip-feed {}: charge {}, refunded {}, entries sum up to {}",
    ),
    (
        "each run that began is one order of the drip-feed, at its charge and of its customer",
        """SELECT d.id, d.begun, COALESCE(o.found, 0) FROM orders_dripfeed d
           LEFT JOIN (SELECT o.drip_feed_id, COUNT(*) AS found,
                             SUM(CASE WHEN o.charge = f.run_charge AND o.customer_id = f.customer_id
                                        AND o.run <= f.begun THEN 1 ELSE 0 END) AS fitting
                      FROM orders_order o JOIN orders_dripfeed f ON f.id = o.drip_feed_id
                      GROUP BY o.drip_feed_id) AS o ON o.drip_feed_id = d.id
           WHERE COALESCE(o.found, 0) <> d.begun OR COALESCE(o.fitting, 0) <> d.begun""",
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
        for name, query, wording in (*_CHECKS, *DEPOSIT_CHECKS):
            rows = _rows(query)
            if rows:
                breaches.append(Breach(name, [wording.format(*row) for row in rows]))
        if broken := list(islice(broken_promises(), MAX_SHOWN)):
            breaches.append(Breach(PROMISES, broken))
        breaches.extend(_overdue())
    if not append_only.installed(connection):
        breaches.append(Breach("entries are append-only", ["a trigger on billing_entry is missing"]))
    if not activity.installed(connection):
        breaches.append(Breach("what people did is append-only", ["a trigger on the activity is missing"]))
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
    late = clock.now() - GRACE
    stuck = Order.objects.filter(submission=Submission.SUBMITTING, lease_until__lt=late)
    doubts = Order.objects.filter(submission=Submission.IN_DOUBT, review_reason="", doubt_until__lt=late)
    limit = timedelta(hours=site.QUEUE_LIMIT_HOURS.value)
    held = Order.objects.filter(
        submission=Submission.QUEUED,
        review_reason__in=("", *UNSENT_REVIEWS),
        queued_at__lt=running.overdue_from(limit + HELD_GRACE),
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
