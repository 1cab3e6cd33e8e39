"""The time zone of whoever reads a page: the account's choice, else the browser's, else the panel's.

A script stores the browser's zone in a cookie. Both names come from outside: only names of the zone database count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

# Of these regions a person finds their city; the other names are abbreviations and old ones.
REGIONS = (
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
)
# Answers without a moment in them that caches keep or programs ask for: the session is not read for them.
ZONELESS = frozenset({"theme_css", "site_file", "healthz", "readyz", "metrics", "api_v2", "api_v2_slash"})


class ReaderTimeZoneMiddleware:
    """Shows times in the reader's zone. The admin keeps the panel's, in which staff speak with each other."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.prefix = reverse("admin:index")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Ends with the request: threads are used again.
        with timezone.override(None):
            return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> None:
        match = request.resolver_match
        if request.path.startswith(self.prefix) or (match and match.url_name in ZONELESS):
            return
        if zone := zone_of(request):
            timezone.activate(zone)


def zone_of(request: HttpRequest) -> ZoneInfo | None:
    """Return the reader's zone; None if neither the account nor the browser names one."""
    # Without a session nobody is signed in, and reading it would make the answer vary by cookie.
    if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
        chosen = zone_named(request.user.time_zone)
        if chosen:
            return chosen
    return browser_zone(request)


def browser_zone(request: HttpRequest) -> ZoneInfo | None:
    """Return the zone that the browser's cookie names."""
    return zone_named(request.COOKIES.get(settings.TIME_ZONE_COOKIE_NAME, ""))


def zone_named(name: str) -> ZoneInfo | None:
    """Return the zone of that name; None if the database of zones has none."""
    return ZoneInfo(name) if name in known_zones() else None


@cache
def known_zones() -> frozenset[str]:
    """Return the names of all zones of this machine's database. Reads its folders once."""
    return frozenset(available_timezones())


@cache
def zones_by_region() -> Mapping[str, list[tuple[str, str]]]:
    """Return for each region its zones as (name, label) pairs, by label; then UTC."""
    found: dict[str, list[tuple[str, str]]] = {}
    for region in REGIONS:
        names = (name for name in known_zones() if name.startswith(f"{region}/"))
        labels = ((name, name.partition("/")[2].replace("/", " · ").replace("_", " ")) for name in names)
        found[region] = sorted(labels, key=lambda one: one[1])
    return found | {"UTC": [("UTC", "UTC")]}
