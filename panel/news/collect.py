"""Collect what happened for customers, in rounds that look back a little and may be repeated or killed anywhere.

The tables of orders and money are only read, outside of any transaction of theirs. A round begins before the end of
the last one, because a transaction may commit late: what it finds again has the same key, and the database keeps one
item per customer and key. An item whose count grew is written again, and is unread again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from panel.lib import clock
from panel.news.choices import Pace, choices_of, next_digest, pace_of
from panel.news.found import MAX_COMMIT, SPAN, Finding, find_between, span_begin
from panel.news.models import NewsChoice, NewsItem, NewsProgress

# How much time one round collects: after a long standstill, several rounds share the rest.
MAX_SPAN = timedelta(hours=1)
BATCH = 1_000
# After the end of a span, until its mail goes out: one more round finds the last of it.
SETTLED = timedelta(minutes=1)
_WRITTEN_AGAIN = ("count", "number", "name", "amount", "change_bp", "happened_at", "seen_at")


def collect_news() -> int:
    """Collect what is new. Return how many items were written."""
    now = clock.now()
    progress, _ = NewsProgress.objects.get_or_create(pk=1, defaults={"started_at": now, "collected_until": now})
    since = max(progress.started_at, span_begin(progress.collected_until - MAX_COMMIT))
    until = min(now, progress.collected_until + MAX_SPAN)
    news = _unwritten(find_between(since, until), since)
    choices = choices_of(one.customer_id for one in news)
    NewsItem.objects.bulk_create(
        [_item(one, choices.get(one.customer_id), now) for one in news],
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=("customer", "key"),
        update_fields=_WRITTEN_AGAIN,
    )
    # Only from where this round began: another one may have come further meanwhile.
    NewsProgress.objects.filter(pk=1, collected_until=progress.collected_until).update(collected_until=until)
    return len(news)


def _unwritten(found: list[Finding], since: datetime) -> list[Finding]:
    """Return the findings that no item has yet, or only in part."""
    if not found:
        return []
    written = {
        (customer, key): count
        for customer, key, count in NewsItem.objects.filter(happened_at__gte=since)
        .order_by()
        .values_list("customer_id", "key", "count")
    }
    news = [one for one in found if len(one.about) > written.get((one.customer_id, one.key), 0)]
    # Always in the same order, as `mark_seen` locks them: two that wait for each other's rows would never end.
    return sorted(news, key=lambda one: (one.customer_id, one.key))


def _item(one: Finding, choice: NewsChoice | None, now: datetime) -> NewsItem:
    return NewsItem(
        customer_id=one.customer_id,
        kind=one.kind,
        key=one.key,
        word=one.word,
        count=len(one.about),
        number=one.number if one.is_one else None,
        name=one.name if one.is_one else "",
        amount=one.amount,
        change_bp=one.change_bp if one.is_one else None,
        happened_at=one.happened_at,
        mail_at=_mail_at(one, choice, now),
    )


def _mail_at(one: Finding, choice: NewsChoice | None, now: datetime) -> datetime | None:
    """Return when the item goes into a mail: at once means once it is complete."""
    pace = pace_of(choice, one.kind)
    if pace == Pace.AT_ONCE:
        return max(now, span_begin(one.happened_at) + SPAN + SETTLED)
    return next_digest(now) if pace == Pace.DAILY else None
