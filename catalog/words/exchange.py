"""Taught words as a file, to take from one panel to another. An imported file only proposes: a person teaches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction

from catalog.models import Meaning, Provider, ProviderWord
from catalog.upstream.masking import masked
from catalog.words.meanings import meanings_for

MAX_BYTES = 2_000_000
MAX_FILE_WORDS = 5_000
FORMAT = "upmark words 1"


class BadFile(ValueError):
    """The file cannot be read; nothing was changed. The message is for staff."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a file says that a text means."""

    about: str
    text: str
    meaning: str


def words_file(*, words: Iterable[ProviderWord]) -> str:
    """Return the taught ones of the words as the text of a file. It names no provider and holds no example.

    A text that means different things at different providers is left out.
    """
    meanings: dict[tuple[str, str], set[str]] = {}
    for word in words:
        if word.meaning:
            meanings.setdefault((word.about, word.text), set()).add(word.meaning)
    rows = [
        {"about": about, "text": text, "meaning": found.pop()}
        for (about, text), found in sorted(meanings.items())
        if len(found) == 1
    ]
    return json.dumps({"format": FORMAT, "words": rows}, ensure_ascii=False, indent=2) + "\n"


def read_file(content: bytes) -> list[Proposal]:
    """Return the proposals of a file. Raise BadFile with the row that is wrong."""
    if len(content) > MAX_BYTES:
        raise BadFile("The file is too large: 2 MB at most.")
    try:
        data = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        raise BadFile("This is no file of words: it is not JSON.") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT or not isinstance(data.get("words"), list):
        raise BadFile("This is no file of words that this panel can read.")
    if len(data["words"]) > MAX_FILE_WORDS:
        raise BadFile(f"The file has too many words: {MAX_FILE_WORDS:,} at most.")
    return [_proposal(number, row) for number, row in enumerate(data["words"], start=1)]


def _proposal(number: int, row: object) -> Proposal:
    if not isinstance(row, dict):
        raise BadFile(f"Word {number} is no object with “about”, “text” and “meaning”.")
    about, text, meaning = (row.get(name) for name in ("about", "text", "meaning"))
    if about not in ProviderWord.About.values:
        raise BadFile(f"Word {number} is about “{about}”; it can be about “add” or “status”.")
    if not isinstance(text, str) or not masked(text):
        raise BadFile(f"Word {number} has no text.")
    if meaning not in [one.value for one in meanings_for(str(about))]:
        raise BadFile(f"Word {number} has the meaning “{meaning}”, which such a word cannot have.")
    return Proposal(str(about), masked(text), str(meaning))


def propose(*, provider: Provider, proposals: Sequence[Proposal]) -> int:
    """Store the proposals beside the provider's words. Return how many are new; what was taught stays as it is."""
    changed = 0
    with transaction.atomic():
        for one in proposals:
            word, created = ProviderWord.objects.get_or_create(
                provider=provider, about=one.about, text=one.text, defaults={"proposed": one.meaning}
            )
            if created:
                changed += 1
            elif word.meaning != one.meaning:
                same = ProviderWord.objects.filter(pk=word.pk).exclude(proposed=one.meaning)
                changed += same.update(proposed=Meaning(one.meaning))
    return changed
