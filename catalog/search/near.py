"""Words that differ from another by one typing mistake, or by two. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice

# Shorter words differ by one letter from too many others.
MIN_LETTERS = 4
# Words that are compared letter by letter for a suggestion.
MAX_COMPARED = 400


def is_near(typed: str, word: str) -> bool:
    """Return True if one letter is missing, added, wrong, or has changed places with the next one."""
    short, long = (typed, word) if len(typed) <= len(word) else (word, typed)
    if len(long) - len(short) > 1:
        return False
    at = next((place for place, one in enumerate(short) if one != long[place]), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    return short[at + 1 :] == long[at + 1 :] or (
        short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    )


def begins_near(typed: str, word: str) -> bool:
    """Return True if `word`, or a beginning of it, is near to `typed`: words are found before their end is typed."""
    size = len(typed)
    return any(is_near(typed, word[:length]) for length in (size, size + 1, size - 1) if length <= len(word))


def words_near(typed: str, vocabulary: Sequence[str]) -> list[str]:
    """Return the words of the sorted `vocabulary` that begin near to `typed`; only whole words if there are some."""
    if len(typed) < MIN_LETTERS or typed.isdigit():
        return []
    found = {word for word in _candidates(typed, vocabulary) if begins_near(typed, word)}
    whole = {word for word in found if is_near(typed, word)}
    return sorted(whole or found)


def _candidates(typed: str, vocabulary: Sequence[str]) -> Iterator[str]:
    """Yield the words worth comparing: one mistake leaves most of a word as it is, before it or behind it."""
    half = len(typed) // 2
    yield from beginning_with(typed[:half], vocabulary)
    rest = typed[half + 1 :]
    yield from (word for word in beginning_with(typed[0], vocabulary) if rest in word)
    # The first letter is wrong, missing, too much, or comes second.
    yield from (word for word in vocabulary if word.startswith(typed[1:], 1) or word.startswith(typed, 1))
    yield from beginning_with(typed[1:3], vocabulary)
    yield from beginning_with(typed[1] + typed[0], vocabulary)


def beginning_with(start: str, vocabulary: Sequence[str]) -> Iterator[str]:
    """Yield the words of the sorted `vocabulary` that begin with `start`."""
    place = bisect_left(vocabulary, start)
    while place < len(vocabulary) and vocabulary[place].startswith(start):
        yield vocabulary[place]
        place += 1


def nearest(typed: str, vocabulary: Sequence[str]) -> str:
    """Return the word with the fewest mistakes, two at most; "" if there is none. For suggestions alone."""
    if len(typed) < MIN_LETTERS or typed.isdigit():
        return ""
    if near := words_near(typed, vocabulary):
        return near[0]
    alike = (word for word in vocabulary if abs(len(word) - len(typed)) <= 2 and _shares_ends(typed, word))
    ranked = sorted((distance(typed, word), word) for word in islice(alike, MAX_COMPARED))
    return ranked[0][1] if ranked and ranked[0][0] <= (2 if len(typed) > MIN_LETTERS else 1) else ""


def _shares_ends(typed: str, word: str) -> bool:
    return typed[0] == word[0] or typed[:2] == word[1::-1] or typed[-3:] == word[-3:]


def distance(one: str, other: str) -> int:
    """Return how many letters must be changed, added, removed or swapped to make one word of the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one):
        last, row = row, [place + 1]
        for column, wanted in enumerate(other):
            steps = min(last[column + 1] + 1, row[column] + 1, last[column] + (letter != wanted))
            if place and column and letter == other[column - 1] and one[place - 1] == wanted:
                steps = min(steps, before[column - 1] + 1)
            row.append(steps)
        before = last
    return row[-1]
