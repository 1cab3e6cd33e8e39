"""Statuses in words that are not known here: an alert for each provider and word, and a review where the word stays.

Nothing of the order changes meanwhile, and it is polled as before: many such words are of a step that ends by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Min

from catalog.models import Provider
from catalog.upstream.status_words import word_key
from orders.models import OrderPoll
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert
from panel.lib import clock
from panel.site import registry as site

# More words at once are no words but texts that differ with each order. Those that most orders have get an alert.
MAX_WORDS = 20


class Unknown(NamedTuple):
    """A word that is unknown here, and since when answers about the order hold such words; "" and None if none is."""

    word: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """A word as it was answered, how many orders have it now, and the first of them."""

    word: str
    count: int
    first: int


def unknown_of(poll: OrderPoll, word: str | None, *, now: datetime) -> Unknown:
    """Return what is unknown of the order after an answer with this word; None if the answer is clear."""
    return Unknown("", None) if word is None else Unknown(word, poll.unknown_since or now)


def stays(unknown: Unknown, *, now: datetime) -> bool:
    """Return True if the order has had unknown words for so long that a person must look."""
    return unknown.since is not None and now - unknown.since >= timedelta(hours=site.SILENCE_HOURS.value)


def alert_unknown_words(provider: Provider) -> None:
    """Raise an alert for each unknown word that orders of the provider have now; resolve those that none has."""
    polls = OrderPoll.objects.filter(provider=provider, unknown_since__isnull=False)
    found = polls.values("unknown_word").annotate(count=Count("pk"), first=Min("pk")).order_by("-count", "first")
    words: dict[str, _Seen] = {}
    for word, count, first in found.values_list("unknown_word", "count", "first")[:MAX_WORDS]:
        key = word_key(word) or "?"
        seen = words.get(key, _Seen(word, 0, first))
        words[key] = _Seen(seen.word, seen.count + count, min(seen.first, first))
    hours = site.SILENCE_HOURS.shown(site.SILENCE_HOURS.value)
    for key, seen in sorted(words.items()):
        orders = "1 order" if seen.count == 1 else f"{seen.count:,} orders"
        raise_alert(
            cause=Cause.STATUS_WORD,
            about=provider.pk,
            detail=key,
            text=(
                f"{provider.name} gives {orders} the status “{seen.word}”, which is not known here, such as "
                f"order {seen.first}. Nothing was changed; they are polled as before. You are asked about each after "
                f"{hours}."
            ),
        )
    stored = [Cause.STATUS_WORD.of(provider.pk, key) for key in words]
    opened = Alert.objects.filter(cause__startswith=Cause.STATUS_WORD.of(provider.pk) + ":", resolved_at=None)
    opened.exclude(cause__in=stored).update(resolved_at=clock.now())


def refresh_word_alerts() -> None:
    """Bring the alerts about unknown words up to date, and resolve those of words that no order has any more."""
    prefix, suffix = Cause.STATUS_WORD.value.split("{}")
    opened = Alert.objects.filter(cause__startswith=prefix, cause__contains=f"{suffix}:", resolved_at=None)
    causes = set(opened.values_list("cause", flat=True))
    for provider in Provider.objects.order_by("pk"):
        if any(cause.startswith(Cause.STATUS_WORD.of(provider.pk) + ":") for cause in causes):
            alert_unknown_words(provider)
