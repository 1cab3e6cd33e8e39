"""Noting the words of providers, and reading what was taught about them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping

from django.db import IntegrityError, transaction
from django.db.models import F

from catalog.models import Provider, ProviderWord
from catalog.upstream.masking import masked
from catalog.upstream.results import OrderStatus, Refused, RowError, StatusRow
from catalog.words.meanings import CLEAR_REFUSALS, as_taught, status_as_taught
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock

# Words of one provider that are kept: one whose texts never repeat fills no table.
MAX_WORDS = 500
# The protocol's own statuses need no teaching, and are not counted.
_PROTOCOL = frozenset(status.value.replace("_", " ") for status in OrderStatus)
# A known status is written once in so many seconds by a process: some providers use one in each of their answers.
NOTE_SECONDS = 60.0
_waiting: dict[tuple[int, str], tuple[int, float]] = {}


def note_refusal(*, provider: Provider, refusal: Refused, taught: Mapping[str, str], order_id: int) -> None:
    """Count a refusal of `add` by its text, with an alert if nobody knows what it means."""
    read_as = refusal.code if refusal.code in CLEAR_REFUSALS else ""
    _count(provider, ProviderWord.About.ADD, refusal.text, read_as=read_as, times=1)
    if as_taught(refusal, taught).code not in CLEAR_REFUSALS:
        _alert(provider, f"refused order {order_id} with words that the panel does not know: “{refusal.text}”.")


def note_statuses(*, provider: Provider, rows: Iterable[StatusRow | RowError]) -> None:
    """Count the status words that are not the protocol's own. `rows` are as they were read, before what was taught."""
    found: Counter[str] = Counter()
    examples: dict[str, StatusRow] = {}
    for row in rows:
        if isinstance(row, StatusRow) and not _is_protocol(row):
            word = masked(row.status_text)
            found[word] += 1
            examples[word] = row
    for word, times in sorted(found.items()):
        row = examples[word]
        times = _times_to_write(provider, word, times) if row.status else times
        if times:
            _count(provider, ProviderWord.About.STATUS, row.status_text, read_as=row.status or "", times=times)


def taught_words(*, provider: Provider, about: str) -> dict[str, str]:
    """Return the meanings that the owner taught of the provider's words, by masked text."""
    words = ProviderWord.objects.filter(provider=provider, about=about).exclude(meaning="")
    return dict(words.order_by().values_list("text", "meaning"))


def statuses_as_taught(
    *, provider: Provider, answers: Mapping[str, StatusRow | RowError]
) -> Mapping[str, StatusRow | RowError]:
    """Return the answers by what was taught, and note their words. No query if all are in the protocol's own words."""
    if all(isinstance(row, RowError) or _is_protocol(row) for row in answers.values()):
        return answers
    taught = taught_words(provider=provider, about=ProviderWord.About.STATUS)
    note_statuses(provider=provider, rows=answers.values())
    return {key: status_as_taught(row, taught) for key, row in answers.items()}


def close_alert(*, provider: Provider) -> None:
    """Resolve the alert about unknown words, once none is left."""
    words = ProviderWord.objects.filter(provider=provider, read_as="", meaning="", seen__gt=0)
    if not words.exists():
        resolve_alert(cause=Cause.WORDS, about=provider.pk)


def _is_protocol(row: StatusRow) -> bool:
    return row.status_text.lower() in _PROTOCOL


def _times_to_write(provider: Provider, word: str, times: int) -> int:
    """Return how often a known word was seen since it was last written; 0 if that was a moment ago."""
    key, now = (provider.pk, word), time.monotonic()
    before, since = _waiting.get(key, (0, float("-inf")))
    if now - since < NOTE_SECONDS:
        _waiting[key] = (before + times, since)
        return 0
    _waiting[key] = (0, now)
    return before + times


def _alert(provider: Provider, what: str) -> None:
    text = f"{provider.name} {what} Say what they mean under “Providers' words”."
    raise_alert(cause=Cause.WORDS, about=provider.pk, text=text, level="danger")


def _count(provider: Provider, about: str, text: str, *, read_as: str, times: int) -> None:
    key = masked(text)
    if not key:
        return
    now = clock.now()
    row = ProviderWord.objects.filter(provider=provider, about=about, text=key)
    again = {"seen": F("seen") + times, "last_seen_at": now, "example": text[:500], "read_as": read_as}
    if row.update(**again) or not _make_room(provider, is_known=bool(read_as)):
        return
    try:
        with transaction.atomic():
            ProviderWord.objects.create(
                provider=provider,
                about=about,
                text=key,
                example=text[:500],
                read_as=read_as,
                seen=times,
                first_seen_at=now,
                last_seen_at=now,
            )
    except IntegrityError:
        row.update(**again)


def _make_room(provider: Provider, *, is_known: bool) -> bool:
    """Return True if one more word is kept. An unknown word takes the place of the one that was seen longest ago."""
    words = ProviderWord.objects.filter(provider=provider)
    if words.count() < MAX_WORDS:
        return True
    if is_known:
        return False
    idle = words.filter(meaning="").order_by("last_seen_at", "pk").values_list("pk", flat=True)[:1]
    return bool(ProviderWord.objects.filter(pk__in=list(idle), meaning="").delete()[0])
