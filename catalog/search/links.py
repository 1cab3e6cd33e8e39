"""Find the services that fit a link."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.search.index import SearchIndex, current_index
from panel.lib.links.places import Place, What, read_place
from panel.lib.links.texts import split_address, trim


@dataclass(frozen=True, slots=True)
class LinkResult:
    """The services that fit a link, by primary key: first those for what it leads to, then those that may be for it."""

    place: Place
    ids: list[int]


def read_link(text: str) -> Place | None:
    """Return what a text leads to if it is a link or an @name; None if it is words to search for."""
    link = trim(text)
    if not link or any(one.isspace() for one in link):
        return None
    if link.startswith("@"):
        return Place("", What.PROFILE, link.lower()) if len(link) > 1 else None
    if split_address(link) is None:
        return None
    place = read_place(link)
    return place if place.platform or "://" in link or link.lower().startswith("www.") else None


def find_for_link(text: str) -> LinkResult | None:
    """Return the services on sale that fit a link or an @name; None if `text` is neither."""
    place = read_link(text)
    return None if place is None else LinkResult(place, fitting(current_index(), place))


def fitting(index: SearchIndex, place: Place) -> list[int]:
    """Return the services that fit `place`, in the order of `LinkResult`.

    A name may be of any platform: services for profiles fit it. Another address fits services that name no platform.
    """
    ranked = []
    for number in _of_platform(index, place):
        what = index.target_of(number).what
        if place.what is What.OTHER or what is place.what:
            ranked.append((0, number))
        elif what is What.OTHER and place.platform:
            ranked.append((1, number))
    return [index.rows[number].pk for _rank, number in sorted(ranked)]


def _of_platform(index: SearchIndex, place: Place) -> list[int]:
    if place.platform:
        return [number for number in range(len(index.rows)) if place.platform in index.platforms_of(number)]
    if place.key.startswith("@"):
        return list(range(len(index.rows)))
    return [number for number in range(len(index.rows)) if not index.platforms_of(number)]
