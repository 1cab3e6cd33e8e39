"""Find shapes of words in a provider's text, in any of the trade's languages. Pure and linear in the text.

A text is folded into words first: lower case, without accents, vowel signs of Arabic, zero-width marks, apostrophes,
HTML and links; digits become "#". The words of a shape are folded in the same way, so a table may spell them properly.

A shape is written as follows:

    not found          these words, next to each other
    link*              a word that begins with "link"
    link|url           one of these words
    {service}          one phrase of the list of this name
    A ? B              B after A, with at most one word between them
    A ... B            B after A, with at most NEAR words between them
    A ~ B              A ... B, or B ... A
    A $                A at the end of its sentence
    A ;                A at the end of its clause

No shape reaches over the end of a sentence. Sentences consist of clauses, which commas, colons, brackets, tags and
words like "but" end.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

NEAR = 4
MAX_TEXT = 500
_MAX_WORDS = 120

# Only what holds no words: "<order 5512 placed>" must be read.
_TAG = re.compile(
    r"</?(?:a|b|br|center|div|em|font|h[1-6]|hr|i|li|ol|p|pre|small|span|strong|u|ul)"
    r"(?:\s{1,9}(?:class|href|rel|style|target)=[\"'][^\"'<>\s]{0,200}[\"']){0,4}\s{0,9}/?>",
    re.IGNORECASE,
)
_LINK = re.compile(
    r"(?:https?://|www\.)[^\s,;|<>\"]+|(?<![\w.-])[\w-]++(?:\.[\w-]++){1,4}+/[^\s,;|<>\"]*+", re.IGNORECASE
)
_ZERO_WIDTH_NON_JOINER = "\u200c"  # it separates the parts of a Persian word
_APOSTROPHES = "'\u2019\u02bc`"
_SENTENCE_ENDS = ".!?;\u0964\u061f"
_END = "."
_CLAUSE_ENDS = ",:;!?()[]{}<>|=\u2013\u2014\u060c\u061b\n"
_CLAUSE_END = ","
# Words that begin a clause.
_JOINING = frozenset(
    ("but", "however", "and", "then", "но", "и", "а", "ama", "fakat", "ve", "tapi", "tetapi", "dan", "nhung", "va")
    + ("mas", "pero", "y", "लेकिन", "और", "و", "لكن", "اما", "ولي")
)
# Accents, Arabic vowel signs and hamzas, tatweel, Hindi's nukta: people leave them out.
_LEFT_OUT = re.compile("[\u0300-\u036f\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed\u093c]")
# Letters that are typed for one another. The dotless i stands for "I", which is folded to "i" in every language.
_SAME_LETTERS = str.maketrans({"ı": "i", "đ": "d", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ە": "ه", "ھ": "ه"})
# Arabic articles, alone and after a preposition.
_ARTICLES = ("وال", "بال", "لل", "ال")

Occurrences = dict[int, list[int]]


def plain(text: str) -> str:
    """Return a text without HTML and with "…" for each link; MAX_TEXT characters and one if there are more."""
    text = text[: MAX_TEXT * 4]
    if "&" in text:
        text = html.unescape(text)
    return _LINK.sub("…", _TAG.sub("|", text))[: MAX_TEXT + 1]


def fold(text: str) -> list[str]:
    """Return the folded words of a text, with "." for each end of a sentence and "," for that of a clause."""
    return [_without_article(word) for word in _spaced(plain(text)).split()]


def _spaced(text: str) -> str:
    letters = _LEFT_OUT.sub("", unicodedata.normalize("NFD", text.casefold())).translate(_SAME_LETTERS)
    parts: list[str] = []
    for place, letter in enumerate(letters):
        kind = unicodedata.category(letter)
        if kind[0] in "LM":
            parts.append(letter)
        elif kind[0] == "N":
            if parts[-1:] != ["#"]:
                parts.append("#")
        elif letter in _SENTENCE_ENDS:
            is_last = letters[place + 1 : place + 2].strip() == ""
            parts.append(f" {_END} " if is_last else " " if letter == "." else f" {_CLAUSE_END} ")
        elif letter in _CLAUSE_ENDS or (letter == "-" and letters[place - 1 : place + 2] == " - "):
            is_number = letters[place - 1 : place].isdigit() and letters[place + 1 : place + 2].isdigit()
            parts.append(" " if is_number else f" {_CLAUSE_END} ")
        elif letter not in _APOSTROPHES and (kind != "Cf" or letter == _ZERO_WIDTH_NON_JOINER):
            parts.append(" ")
    return "".join(parts)


def _without_article(word: str) -> str:
    for article in _ARTICLES:
        if word.startswith(article) and len(word) >= len(article) + 2:
            return word[len(article) :]
    return word


class Text:
    """The folded words of one text, without the ends of sentences and clauses, which are numbered for each word.

    `is_cut` is True if the text is longer than what is read of it.
    """

    def __init__(self, text: str) -> None:
        self.words: list[str] = []
        self.sentences: list[int] = []
        self.clauses: list[int] = []
        sentence = clause = 0
        folded = fold(text)
        for word in folded[:_MAX_WORDS]:
            if word in (_END, _CLAUSE_END):
                sentence += word == _END
                clause += 1
            else:
                clause += word in _JOINING
                self.words.append(word)
                self.sentences.append(sentence)
                self.clauses.append(clause)
        self.is_cut = len(folded) > _MAX_WORDS or len(text) > MAX_TEXT * 4 or len(plain(text)) > MAX_TEXT
        self.different = frozenset(self.words)
        self._found: dict[Phrases, Occurrences] = {}

    def find(self, phrases: Phrases) -> Occurrences:
        """Return where phrases of a list begin, with the places where they end (exclusive)."""
        if phrases not in self._found:
            self._found[phrases] = phrases.find(self)
        return self._found[phrases]

    def is_one_sentence(self, start: int, end: int) -> bool:
        return self.sentences[start] == self.sentences[end - 1]

    def ends_sentence(self, place: int) -> bool:
        return place == len(self.words) - 1 or self.sentences[place] != self.sentences[place + 1]

    def ends_clause(self, place: int) -> bool:
        return place == len(self.words) - 1 or self.clauses[place] != self.clauses[place + 1]

    def clauses_without(self, places: Iterable[int]) -> list[list[str]]:
        """Return the words of each clause in which none of the places lies."""
        taken = {self.clauses[place] for place in places}
        found: dict[int, list[str]] = {}
        for word, clause in zip(self.words, self.clauses, strict=True):
            if clause not in taken:
                found.setdefault(clause, []).append(word)
        return list(found.values())


class Phrases:
    """A list of phrases. The last letters of a word may be left open: "link*"."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._whole: dict[str, list[tuple[str, ...]]] = {}
        self._stems: dict[str, list[tuple[str, ...]]] = {}
        for phrase in phrases:
            first, *others = (_folded_word(word) for word in phrase.split())
            table = self._stems if first.endswith("*") else self._whole
            table.setdefault(first.rstrip("*"), []).append(tuple(others))
        self._all_stems = tuple(self._stems)

    def find(self, text: Text) -> Occurrences:
        """Return where phrases begin and where each ends, the shortest first."""
        found: Occurrences = {}
        if not self._all_stems and self._whole.keys().isdisjoint(text.different):
            return found  # Nearly all lists, of nearly all texts.
        words = text.words
        for start, word in enumerate(words):
            tails = list(self._whole.get(word, ()))
            if word.startswith(self._all_stems):
                for stem, more in self._stems.items():
                    tails += more if word.startswith(stem) else ()
            ends = {
                end
                for tail in tails
                if (end := start + 1 + len(tail)) <= len(words)
                and all(map(_fits, tail, words[start + 1 : end]))
                and text.is_one_sentence(start, end)
            }
            if ends:
                found[start] = sorted(ends)
        return found


def _folded_word(word: str) -> str:
    if word == "#":
        return word
    stem = "".join(fold(word.rstrip("*")))
    if not stem:
        raise ValueError(f"{word!r} holds no letters.")
    return stem + "*" * word.endswith("*")


def _fits(pattern: str, word: str) -> bool:
    return word.startswith(pattern[:-1]) if pattern.endswith("*") else word == pattern


# A part of a shape: how many words may lie before it, and its phrases.
Part = tuple[int, Phrases]
_GAPS = {"?": 1, "...": NEAR}


class Shape:
    """A compiled shape. Raise ValueError for one that is not well written, KeyError for an unknown list."""

    def __init__(self, shape: str, lists: Mapping[str, Phrases]) -> None:
        self._is_last = shape.endswith(" $")
        self._is_last_of_clause = shape.endswith(" ;")
        sides = shape.removesuffix(" $").removesuffix(" ;").split(" ~ ")
        orders = [sides, sides[::-1]] if len(sides) == 2 else [sides]
        if len(sides) > 2:
            raise ValueError(f"{shape!r} has more than one ~.")
        self._orders = [_parts(" ... ".join(order), lists) for order in orders]

    def find(self, text: Text) -> set[frozenset[int]]:
        """Return the places of the words that make up the shape, for each way in which the text holds it."""
        found = {places for parts in self._orders for places in _matches(text, parts)}
        if self._is_last:
            return {places for places in found if text.ends_sentence(max(places))}
        if self._is_last_of_clause:
            return {places for places in found if text.ends_clause(max(places))}
        return found


def _parts(shape: str, lists: Mapping[str, Phrases]) -> list[Part]:
    parts: list[Part] = []
    gap = 0
    for word in shape.split():
        if word in _GAPS:
            gap = _GAPS[word]
            continue
        phrases = lists[word[1:-1]] if word.startswith("{") else _alternatives(word)
        parts.append((gap, phrases))
        gap = 0
    if not parts or gap:
        raise ValueError(f"{shape!r} has a gap beside no words.")
    return parts


@cache
def _alternatives(words: str) -> Phrases:
    return Phrases(words.split("|"))


def _matches(text: Text, parts: Sequence[Part]) -> set[frozenset[int]]:
    found: set[tuple[int, frozenset[int]]] = set()
    for number, (gap, phrases) in enumerate(parts):
        here = text.find(phrases)
        if not here:
            return set()
        if number == 0:
            found = {(end, frozenset(range(start, end))) for start, ends in here.items() for end in ends}
            continue
        found = {
            (end, places | frozenset(range(start, end)))
            for before, places in found
            for start in range(before, before + gap + 1)
            for end in here.get(start, ())
            if text.is_one_sentence(before - 1, end)
        }
    return {places for _, places in found}
