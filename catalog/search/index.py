"""The words of all services on sale, in the memory of each process, for one version of the catalog."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from catalog.catalog_version import catalog_version
from catalog.link_kinds import Target, guess_platforms, guess_target
from catalog.platform_marks import OTHER, only_platform
from catalog.search.words import words_of
from catalog.selectors import SHELF_ORDER, services_on_sale

# Of a name and of a category. Longer ones are found by these.
MAX_NAME_WORDS = 24
MAX_CATEGORY_WORDS = 12


class Row(NamedTuple):
    """What a service is found by."""

    pk: int
    name: str
    category_id: int
    category: str
    type: str
    upstream_category: str


@dataclass
class SearchIndex:
    """Services on sale in the catalog's order: `places` are positions in `rows`.

    `in_names` and `in_categories` hold the places by word, `vocabulary` all of these words in order.
    """

    rows: list[Row]
    in_names: dict[str, array[int]] = field(default_factory=dict)
    in_categories: dict[str, array[int]] = field(default_factory=dict)
    vocabulary: Sequence[str] = ()
    place_of: dict[int, int] = field(default_factory=dict)
    # What rows are for, worked out where it is asked for: reading thousands of names takes long.
    _targets: dict[Row, Target] = field(default_factory=dict)
    _platforms: dict[Row, frozenset[str]] = field(default_factory=dict)

    def target_of(self, place: int) -> Target:
        """Return the platforms of a service, and whether it is for a post or for a profile."""
        row = self.rows[place]
        if (known := self._targets.get(row)) is None:
            known = guess_target(service_type=row.type, category=row.upstream_category, name=row.name)
            self._targets[row] = known
        return known

    def platforms_of(self, place: int) -> frozenset[str]:
        """Return the names of the platforms that a service is for; none if its names tell none."""
        row = self.rows[place]
        if (known := self._platforms.get(row)) is None:
            known = guess_platforms(service_type=row.type, category=row.upstream_category, name=row.name)
            self._platforms[row] = known
        return known

    @cached_property
    def by_platform(self) -> dict[str, list[int]]:
        """Return the places of each platform that has services: those with the most first, OTHER last."""
        places: dict[str, list[int]] = {}
        for place in range(len(self.rows)):
            places.setdefault(only_platform(self.platforms_of(place)), []).append(place)
        return dict(sorted(places.items(), key=lambda one: (one[0] == OTHER, -len(one[1]), one[0])))


def build_index(rows: Iterable[Row], *, before: SearchIndex | None = None) -> SearchIndex:
    """Return the index of `rows`; what `before` knows of a row that stayed the same is kept."""
    index = SearchIndex(list(rows))
    index.place_of = {row.pk: place for place, row in enumerate(index.rows)}
    in_category: dict[str, list[str]] = {}
    for place, row in enumerate(index.rows):
        if row.category not in in_category:
            in_category[row.category] = words_of(row.category, most=MAX_CATEGORY_WORDS)
        _add(index.in_names, words_of(row.name, most=MAX_NAME_WORDS), place)
        _add(index.in_categories, in_category[row.category], place)
    index.vocabulary = sorted(index.in_names.keys() | index.in_categories.keys())
    if before is not None:
        index._targets = {row: before._targets[row] for row in index.rows if row in before._targets}
        index._platforms = {row: before._platforms[row] for row in index.rows if row in before._platforms}
    return index


def _add(places: dict[str, array[int]], words: Iterable[str], place: int) -> None:
    for word in words:
        of_word = places.get(word)
        if of_word is None:
            places[word] = array("I", (place,))
        elif of_word[-1] != place:
            of_word.append(place)


# The index of this process, with the version of the catalog that it was built of.
_built: tuple[str, SearchIndex] | None = None
_building = threading.Lock()


def current_index() -> SearchIndex:
    """Return the index of the catalog as it is now: one query, and one more if the catalog has changed.

    Other threads wait while one builds it. One index is kept, however many versions come and go.
    """
    global _built
    version = catalog_version()
    last = _built
    if version is not None and last is not None and last[0] == version:
        return last[1]
    with _building:
        last = _built
        if version is not None and last is not None and last[0] == version:
            return last[1]
        # The version was read before the rows: they can only be newer, and the next version then builds them again.
        index = build_index(_rows(), before=last[1] if last else None)
        if version is not None:
            _built = version, index
        return index


def _rows() -> Iterable[Row]:
    columns = ("pk", "name", "category_id", "category__name", "upstream__type", "upstream__category")
    services = services_on_sale().select_related(None).order_by(*SHELF_ORDER)
    return (Row(*values) for values in services.values_list(*columns))
