"""Collects the news of the last days for the customers of the demo, by the panel's own rounds."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F

from panel.news.collect import collect_news
from panel.news.models import NewsItem, NewsProgress

COLLECTED, UNSEEN = timedelta(days=10), timedelta(hours=9)


def write_news(*, now: datetime) -> None:
    """Write the news of COLLECTED; those older than UNSEEN have been seen."""
    since = now - COLLECTED
    NewsProgress.objects.update_or_create(pk=1, defaults={"started_at": since, "collected_until": since})
    while NewsProgress.objects.filter(pk=1, collected_until__lt=now).exists():
        collect_news()
    NewsItem.objects.filter(happened_at__lt=now - UNSEEN).update(seen_at=F("happened_at") + timedelta(minutes=40))
