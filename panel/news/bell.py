"""The customer's news as the pages show them, and how many are unread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import IntegerField, Subquery

from billing.models import Wallet
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.keyset_pagination import KeysetPage, page_of
from panel.news.models import NewsItem

# More unread items are not counted.
MAX_COUNTED = 99
# Marked as read at once; there are at most a few in ten minutes.
MAX_MARKED = 20_000


@dataclass(frozen=True, slots=True)
class Bell:
    """How many items are unread, at most one more than MAX_COUNTED."""

    unread: int

    @property
    def figure(self) -> str:
        return f"{MAX_COUNTED}+" if self.unread > MAX_COUNTED else str(self.unread)


@dataclass(frozen=True, slots=True)
class TopBar:
    """What each page shows at its top: the balance in micro-units, and the bell."""

    balance: int
    bell: Bell


class _CountOf(Subquery):
    """The number of rows of a query, which may have a limit."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def top_bar_of(customer: User) -> TopBar:
    """Return both in one statement, which reads at most a hundred entries of the index of unread items."""
    wallet = Wallet.objects.filter(customer_id=customer.pk).values("balance")
    unread = NewsItem.objects.filter(customer_id=customer.pk, seen_at=None).order_by().values("pk")[: MAX_COUNTED + 1]
    balance, count = User.objects.filter(pk=customer.pk).values_list(Subquery(wallet), _CountOf(unread)).get()
    return TopBar(balance or 0, Bell(count))


def news_of(*, customer: User, params: Mapping[str, str]) -> KeysetPage[NewsItem]:
    """Return the page of the customer's news that `params` select, newest first."""
    return page_of(NewsItem.objects.filter(customer=customer), params=params, key="happened_at")


def mark_seen(*, customer: User, until: datetime | None) -> int:
    """Mark what happened until then as read; None is now. Return how many items were unread."""
    now = clock.now()
    shown = NewsItem.objects.filter(customer=customer, seen_at=None, happened_at__lte=min(until or now, now))
    with transaction.atomic():
        # In the order in which `collect_news` writes them.
        pks = list(shown.select_for_update().order_by("key").values_list("pk", flat=True)[:MAX_MARKED])
        return NewsItem.objects.filter(pk__in=pks).update(seen_at=now)
