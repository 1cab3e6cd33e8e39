"""The search over everything, and its page in the admin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from panel.ops.search import exact_keys, texts
from panel.ops.search.hits import MAX_HITS, Finder, Hit
from panel.ops.search.places import find_deeds, find_pages
from panel.ops.search.texts import MIN_TEXT

MAX_TEXT = 300


@dataclass(frozen=True, slots=True)
class Found:
    """Hits in groups, by the group's name, and the names of the places where this person's search looked."""

    groups: dict[str, list[Hit]]
    looked_in: list[str]

    @property
    def lines(self) -> list[tuple[str, Hit]]:
        """Return each hit, the first of a group with the group's name."""
        return [("" if place else name, hit) for name, hits in self.groups.items() for place, hit in enumerate(hits)]


def find_everything(request: HttpRequest, text: str) -> Found:
    """Return what this person may see. Nothing is remembered: what was made a second ago is found."""
    exact = _allowed(request, exact_keys.FINDERS)
    by_text = _allowed(request, texts.FINDERS) if len(text) >= MIN_TEXT else []
    groups = {"Exactly": _distinct(exact, text), "Containing": _distinct(by_text, text)}
    known = {hit.url for hit in groups["Exactly"]}
    groups["Containing"] = [hit for hit in groups["Containing"] if hit.url not in known]
    groups["Go to"] = list(find_pages(request, text))[:MAX_HITS]
    groups["Do"] = list(find_deeds(request, text))[:MAX_HITS]
    return Found(
        {name: hits for name, hits in groups.items() if hits},
        [*(finder.looks_in for finder in (*exact, *by_text)), "pages and settings"],
    )


def _allowed(request: HttpRequest, finders: Iterable[Finder]) -> list[Finder]:
    return [finder for finder in finders if request.user.has_perm(finder.permission)]


def _distinct(finders: Iterable[Finder], text: str) -> list[Hit]:
    found = {hit.url: hit for finder in finders for hit in finder.find(text)}
    return list(found.values())


@never_cache
def search_page(request: HttpRequest) -> HttpResponse:
    """Return the results for the text typed so far, as a part of a page."""
    text = " ".join(request.GET.get("s", "").replace("\0", "").split())[:MAX_TEXT]
    found = find_everything(request, text) if text else None
    return render(request, "unfold/helpers/command_results.html", {"found": found, "text": text})
