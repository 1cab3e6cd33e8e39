"""Count the figures by which staff sort customers: of those whose money moved, who ordered, or who were here.

Computing them for the list would read all entries. Posting money is not slowed: only this task writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any

from allauth.usersessions.models import UserSession
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from billing.models import Wallet
from billing.totals import Totals, totals_of
from orders.models import CustomerFigures, Order
from orders.models.customer_figures import NEVER
from panel.accounts.models import ApiKey, User
from panel.alerts.models import Heartbeat
from panel.alerts.services import record_heartbeat
from panel.lib import clock
from panel.lib.bulk_sql import in_chunks, insert_rows, update_rows
from panel.ops.customers.figures import last_seen, orders_of, refund_share

TASK = "count_customers"
# Customers of one round; the next one goes on.
MAX_CUSTOMERS = 20_000
CHUNK = 200
# What happened so long before the last round is looked at again: its transaction may have been open then.
OVERLAP = timedelta(minutes=15)

COLUMNS = ("balance", "spent", "refunded", "refund_share", "orders", "seen_at", "entry_count")


def customers() -> QuerySet[User]:
    """Return the accounts that have figures: neither staff nor closed."""
    return User.objects.filter(is_staff=False, is_superuser=False, closed_at=None)


def count_customers() -> int:
    """Count the figures of customers for whom something moved since the last round. Return how many were counted.

    Two rounds at once are harmless: both store the same, and what moves meanwhile is counted by the next one.
    """
    began = clock.now()
    since = counted_at()
    moved = list(islice(_unique(chain.from_iterable(_moved(since))), MAX_CUSTOMERS))
    for chunk in in_chunks(moved, CHUNK):
        _count(chunk)
    if len(moved) < MAX_CUSTOMERS:
        record_heartbeat(task=TASK, at=began)
    return len(moved)


def counted_at() -> datetime | None:
    """Return as of when all figures are; None until everybody was counted once."""
    return Heartbeat.objects.filter(task=TASK).values_list("beat_at", flat=True).first()


def _moved(since: datetime | None) -> Iterator[Iterable[int]]:
    """Yield the primary keys of customers with something new; those that are found by time come last."""
    pks = customers().order_by("pk").values_list("pk", flat=True)
    yield pks.filter(figures=None)[:MAX_CUSTOMERS]
    moved = Wallet.objects.exclude(entry_count=F("customer__figures__entry_count")).order_by()
    yield moved.filter(customer__figures__isnull=False).values_list("customer_id", flat=True)[:MAX_CUSTOMERS]
    if since is None:
        return
    since = min(since, clock.now()) - OVERLAP
    yield Order.objects.filter(created_at__gte=since).order_by().values_list("customer_id", flat=True).distinct()
    yield UserSession.objects.filter(last_seen_at__gte=since).order_by().values_list("user_id", flat=True).distinct()
    yield ApiKey.objects.filter(last_used_at__gte=since).order_by().values_list("customer_id", flat=True).distinct()
    yield pks.filter(last_login__gte=since)


def _unique(pks: Iterable[int]) -> Iterator[int]:
    return iter(dict.fromkeys(pks))


def _count(pks: Sequence[int]) -> None:
    """Count and store the figures of these customers; leave out who is none, or closed the account meanwhile."""
    now = clock.now()
    # The numbers first: what moves while the rest is read is counted again.
    entries = dict(Wallet.objects.filter(customer__in=pks).values_list("customer_id", "entry_count"))
    money, orders = totals_of(customers=pks), orders_of(customers=pks)
    users = list(customers().filter(pk__in=pks).only("pk", "last_login"))
    seen = last_seen(customers=users)
    wanted = {
        user.pk: _row(money.get(user.pk, Totals()), orders.get(user.pk, 0), seen.get(user.pk), entries.get(user.pk, 0))
        for user in users
    }
    with suppress(IntegrityError), transaction.atomic():  # Another round inserted the same rows.
        # Closing an account locks it, too, and deletes the figures: none is written after that.
        locked = customers().filter(pk__in=wanted).select_for_update(no_key=True).order_by("pk")
        open_ones = set(locked.values_list("pk", flat=True))
        rows = CustomerFigures.objects.filter(pk__in=open_ones).values_list("pk", *COLUMNS)
        stored: dict[int, tuple[Any, ...]] = {pk: tuple(row) for pk, *row in rows}
        stamped = (*COLUMNS, "counted_at")
        changed = [(pk, *wanted[pk], now) for pk, row in stored.items() if row != wanted[pk]]
        update_rows(model=CustomerFigures, columns=stamped, rows=changed)
        new = [(pk, *wanted[pk], now) for pk in sorted(open_ones - stored.keys())]
        insert_rows(model=CustomerFigures, columns=("customer_id", *stamped), rows=new)


def _row(money: Totals, orders: int, seen_at: datetime | None, entry_count: int) -> tuple[Any, ...]:
    share = refund_share(spent=money.spent, refunded=money.refunded) or 0
    return (money.balance, money.spent, money.refunded, share, orders, seen_at or NEVER, entry_count)
