"""Decide what an error text means, by the shapes of `error_shapes`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from catalog.upstream.error_codes import ErrorCode
from catalog.upstream.error_shapes import CERTAIN_BESIDE, SHAPES, Doubt
from catalog.upstream.error_words import HARMLESS, WORDS
from catalog.upstream.word_shapes import MAX_TEXT, Phrases, Shape, Text

Meaning = ErrorCode | Doubt

_LISTS = {name: Phrases(words.split(",")) for name, words in WORDS.items()}
_HARMLESS = Phrases(HARMLESS.split(","))
_CODES = frozenset(ErrorCode)
_PARTS: frozenset[Meaning] = _CODES | {Doubt.NOTHING, Doubt.WAIT}
_SHAPES = [(meaning, Shape(shape, _LISTS)) for meaning, shapes in SHAPES.items() for shape in shapes]
_TAKEN_SHAPES = [shape for meaning, shape in _SHAPES if meaning in (Doubt.TAKEN, Doubt.DONE)]


def classify_error(text: str) -> ErrorCode:
    """Return the only meaning of an error text; UNRECOGNIZED if it has none, several, or is in doubt itself."""
    return _certain(_meanings(text))


def is_doubtful(text: str) -> bool:
    """Return True if a text speaks of a timeout, a fault, waiting or success, which are never a no."""
    meanings = _meanings(text)
    return not CERTAIN_BESIDE.keys().isdisjoint(meanings) and _certain(meanings) is ErrorCode.UNRECOGNIZED


def _certain(meanings: frozenset[Meaning]) -> ErrorCode:
    codes = [meaning for meaning in meanings if isinstance(meaning, ErrorCode)]
    doubts = [meaning for meaning in meanings if isinstance(meaning, Doubt)]
    if len(codes) != 1 or any(codes[0] not in CERTAIN_BESIDE[doubt] for doubt in doubts):
        return ErrorCode.UNRECOGNIZED
    return codes[0]


def says_taken(text: str) -> bool:
    """Return True if a text holds words of acceptance or of something done, or names an order, whatever else it says.

    It is far quicker than the other functions, for texts that are long.
    """
    words = Text(text)
    return any(shape.find(words) for shape in _TAKEN_SHAPES)


def may_be_taken(text: str) -> bool:
    """Return True if a text is doubtful for another reason than that it asks to wait."""
    meanings = _meanings(text) - {Doubt.WAIT}
    return not CERTAIN_BESIDE.keys().isdisjoint(meanings) and _certain(meanings) is ErrorCode.UNRECOGNIZED


def says_nothing(text: str) -> bool:
    """Return True if a text holds only words that say nothing, such as "Contact us"."""
    words = Text(text)
    return not words.is_cut and _is_harmless(words.words)


def speaks_of_refusal(text: str) -> bool:
    """Return True if a text holds words of any refusal, whatever else it says.

    Not "Invalid argument", which PHP says of its own functions.
    """
    return any(isinstance(meaning, ErrorCode) and meaning is not ErrorCode.PROTOCOL for meaning in _meanings(text))


def _meanings(text: str) -> frozenset[Meaning]:
    return _meanings_of(text[: MAX_TEXT * 4 + 1])


# Rows of one answer often hold the same text.
@lru_cache(maxsize=1_000)
def _meanings_of(text: str) -> frozenset[Meaning]:
    """Return the meanings of which a shape is found, unless one of another meaning holds all its words and more.

    A text that is cut off is in doubt, and so is a refusal with a clause that has no part in it.
    """
    words = Text(text)
    found = [(meaning, places) for meaning, shape in _SHAPES for places in shape.find(words)]
    meanings = {
        meaning
        for meaning, places in found
        if meaning is not Doubt.NOTHING and not any(other is not meaning and places < more for other, more in found)
    }
    if words.is_cut:
        meanings.add(Doubt.NEVER)
    parts = {place for meaning, places in found if meaning in _PARTS for place in places}
    if not _CODES.isdisjoint(meanings) and not all(map(_is_harmless, words.clauses_without(parts))):
        meanings.add(Doubt.ASIDE)
    return frozenset(meanings)


def _is_harmless(words: Sequence[str]) -> bool:
    clause = Text(" ".join(words))
    found = clause.find(_HARMLESS)
    known = {place for start, ends in found.items() for place in range(start, ends[-1])}
    return all(place in known or not any(map(str.isalpha, word)) for place, word in enumerate(clause.words))
