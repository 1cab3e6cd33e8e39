"""Find services on sale by what people type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from catalog.search.index import SearchIndex, current_index
from catalog.search.near import MIN_LETTERS, beginning_with, nearest, words_near
from catalog.search.synonyms import MAX_PHRASE, Phrase, Synonyms, synonyms_with
from catalog.search.words import words_of
from panel.lib.digits import ascii_digits, whole_number
from panel.site import registry as site

MAX_QUERY = 100
MAX_WORDS = 8
# Words with a typing mistake that stand for a typed one.
MAX_NEAR = 40


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The services that have all words of a query, by primary key.

    In order: the service whose number was typed; all words as typed; some by another word of the same meaning; some
    with a typing mistake; of each kind names before categories, then in the catalog's order.

    `did_you_mean` is another query that finds services, if this one finds none; else "".
    """

    ids: Sequence[int] = ()
    did_you_mean: str = ""


def find_service_ids(query: str, *, index: SearchIndex | None = None) -> SearchResult:
    """Return the services on sale that match `query`; all of them for one without words. `index`: the current one."""
    return search(index or current_index(), query, same=synonyms_with(site.SEARCH_WORDS.value))


def search(index: SearchIndex, query: str, *, same: Synonyms) -> SearchResult:
    """Return what `find_service_ids` does, from this index and with these words of the same meaning."""
    words = words_of(ascii_digits(query[:MAX_QUERY]), most=MAX_WORDS)
    if not words:
        return SearchResult([row.pk for row in index.rows])
    asked = _Search(index, same)
    found = asked.matching(words, with_mistakes=False) or asked.matching(words, with_mistakes=True)
    number = index.place_of.get(whole_number(words[0]) or 0) if len(words) == 1 else None
    places = sorted(found, key=lambda place: (place != number, found[place], place))
    if places:
        return SearchResult([index.rows[place].pk for place in places])
    return SearchResult(did_you_mean=asked.suggestion(words))


# Places by how well a term fits them: as typed, by another word of the same meaning, with a typing mistake; each in the
# name first, then in the category.
Tiers = list[set[int]]


class _Search:
    """One query, whose words are looked up once, however many combinations of them are tried."""

    def __init__(self, index: SearchIndex, same: Synonyms) -> None:
        self.index = index
        self.same = same
        self._tiers: dict[tuple[Phrase, bool], Tiers] = {}

    def matching(self, words: Sequence[str], *, with_mistakes: bool) -> dict[int, int]:
        """Return the places that match all words, with the tier of the term that fits worst."""
        tiers = []
        found: set[int] | None = None
        # The longest first: it is in the fewest names, most of the time.
        for term in sorted(_terms(words, self.same), key=lambda one: -sum(map(len, one))):
            tiers.append(self._tiers_of(term, with_mistakes))
            places = set().union(*tiers[-1])
            found = places if found is None else found & places
            if not found:
                return {}
        return {place: max(_tier_of(place, one) for one in tiers) for place in found or ()}

    def suggestion(self, words: Sequence[str]) -> str:
        """Return `words` with the unknown ones put right, or without the one that nothing else has; "" for none."""
        mended = [self._mended(word) for word in words]
        kept = [word for word in mended if word]
        shorter = (kept[:place] + kept[place + 1 :] for place in reversed(range(len(kept))))
        for one in (kept, *shorter):
            if one and one != list(words) and self.matching(one, with_mistakes=True):
                return " ".join(one)
        return ""

    def _mended(self, word: str) -> str:
        if self.matching([word], with_mistakes=False):
            return word
        return nearest(word, self.index.vocabulary) or nearest(word, self.same.vocabulary)

    def _tiers_of(self, term: Phrase, with_mistakes: bool) -> Tiers:
        # Shorter words, and phrases, have no mistakes to allow for.
        with_mistakes = with_mistakes and len(term) == 1 and len(term[0]) >= MIN_LETTERS
        known = self._tiers.get((term, with_mistakes))
        if known is None:
            known = self._tiers[term, with_mistakes] = self._look_up(term, with_mistakes)
        return known

    def _look_up(self, term: Phrase, with_mistakes: bool) -> Tiers:
        others = self.same.beginning_with(term[0]) if len(term) == 1 else self.same.phrases[term]
        tiers = [*_of_phrases(self.index, [term], is_typed=True), *_of_phrases(self.index, others)]
        if with_mistakes:
            tiers += _of_phrases(self.index, self._mistyped(term[0]))
        return tiers

    def _mistyped(self, word: str) -> Iterator[Phrase]:
        """Yield the words of the catalog near to `word`, and the phrases that mean the same as a word near to it."""
        for near in words_near(word, self.index.vocabulary)[:MAX_NEAR]:
            yield (near,)
        for near in words_near(word, self.same.vocabulary)[:MAX_NEAR]:
            yield (near,)
            yield from self.same.others[near]


def _terms(words: Sequence[str], same: Synonyms) -> list[Phrase]:
    """Return what is searched for: single words, and phrases that have a meaning together, such as "tik tok"."""
    terms: list[Phrase] = []
    place = 0
    while place < len(words):
        for length in range(min(MAX_PHRASE, len(words) - place), 0, -1):
            phrase = tuple(words[place : place + length])
            if length == 1 or phrase in same.phrases:
                terms.append(phrase)
                place += length
                break
    return terms


def _tier_of(place: int, tiers: Tiers) -> int:
    return next(number for number, places in enumerate(tiers) if place in places)


def _of_phrases(index: SearchIndex, phrases: Iterable[Phrase], *, is_typed: bool = False) -> Tiers:
    """Return the places that have a phrase in the name, and those that have it in name and category."""
    in_names: set[int] = set()
    anywhere: set[int] = set()
    for phrase in phrases:
        found = [_of_word(index, word, is_typed=is_typed) for word in phrase]
        in_names |= set.intersection(*(names for names, _ in found))
        anywhere |= set.intersection(*(names | categories for names, categories in found))
    return [in_names, anywhere]


def _of_word(index: SearchIndex, word: str, *, is_typed: bool) -> tuple[set[int], set[int]]:
    """Return the places that have a word in their names, and in their categories.

    What begins with a word has it, but a short word of the same meaning is that word alone: "x" is not the beginning
    of "xbox". A number that is typed is that of a service, too.
    """
    words = list(beginning_with(word, index.vocabulary)) if is_typed or len(word) > 2 else [word]
    names = set().union(*(index.in_names[one] for one in words if one in index.in_names))
    categories = set().union(*(index.in_categories[one] for one in words if one in index.in_categories))
    if is_typed and (place := index.place_of.get(whole_number(word) or 0)) is not None:
        names.add(place)
    return names, categories
