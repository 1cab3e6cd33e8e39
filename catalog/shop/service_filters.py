"""What a page of the shop is narrowed to, and its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext_lazy

from catalog.platform_marks import OTHER
from catalog.search.links import read_link
from catalog.service_types import SPECS
from panel.lib.digits import whole_number
from panel.lib.links.platforms import PLATFORMS

# The longest link that an order takes.
MAX_QUERY = 2_000
SORTS = {
    "": gettext_lazy("Most ordered first"),
    "shelf": gettext_lazy("The shop's order"),
    "cheapest": gettext_lazy("Cheapest first"),
    "fastest": gettext_lazy("Fastest first"),
}


@dataclass(frozen=True, slots=True)
class ServiceFilters:
    """Filters of the service list; `category` is a primary key, or 0 for all. `q` may be a link to be delivered to."""

    q: str = ""
    platform: str = ""
    category: int = 0
    type: str = ""
    refill: bool = False
    cancel: bool = False
    favorites: bool = False
    sort: str = ""
    page: int = 1

    @property
    def is_narrowed(self) -> bool:
        """Return True if the filters may leave out a service on sale."""
        return replace(self, sort="", page=1) != ServiceFilters()

    @property
    def link(self) -> str:
        """Return `q` if it is a link or an @name, for the order form; else ""."""
        return self.q if read_link(self.q) else ""

    @property
    def kept(self) -> list[tuple[str, str]]:
        """Return the names and values that a new search keeps; it has fields of its own for the others."""
        return [(name, value) for name, value in self._shown().items() if name not in ("q", "type", "sort", "page")]

    def address(self, **changes: Any) -> str:
        """Return the query string with `changes`; on page 1 unless they set the page."""
        return "?" + urlencode(replace(self, **{"page": 1, **changes})._shown())

    def _shown(self) -> dict[str, str]:
        blank = ServiceFilters()
        values = {name: getattr(self, name) for name in self.__slots__}
        shown = {name: value for name, value in values.items() if value != getattr(blank, name)}
        return {name: "1" if value is True else str(value) for name, value in shown.items()}


def read_filters(params: Mapping[str, str]) -> ServiceFilters:
    """Return the filters in URL parameters. Ignore invalid values."""
    platform, kind, sort = (params.get(name, "") for name in ("platform", "type", "sort"))
    found = ServiceFilters(
        q=params.get("q", "").replace("\x00", "")[:MAX_QUERY].strip(),
        platform=platform if platform == OTHER or platform in PLATFORMS else "",
        category=whole_number(params.get("category", ""), max_digits=9) or 0,
        type=kind if kind in SPECS else "",
        refill=params.get("refill") == "1",
        cancel=params.get("cancel") == "1",
        favorites=params.get("favorites") == "1",
        sort=sort if sort in SORTS else "",
        page=whole_number(params.get("page", ""), max_digits=9) or 1,
    )
    # A link says itself which platform it is of; a name does not.
    place = read_link(found.q)
    return replace(found, platform="", category=0) if place is not None and place.platform else found
