"""The platform of a service or an order, and the mark that shows it. Pure."""

from __future__ import annotations

from typing import Protocol

from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from catalog.link_kinds import guess_target
from catalog.models import Service
from panel.lib.links.places import read_place
from panel.lib.links.platforms import PLATFORMS

# A service of several platforms, or of none that is known.
OTHER = "other"

# Symbols of static/platforms.svg that are not called as their platform is.
_GLYPHS = {
    OTHER: "globe",
    "x": "twitter-x",
    **dict.fromkeys(("apple_music", "audiomack", "deezer", "shazam", "soundcloud"), "music-note-beamed"),
    **dict.fromkeys(("vk", "kick", "rumble", "likee", "kwai", "dailymotion", "tumblr", "ok"), "globe"),
}
SIZES = {20: "", 24: " pf-24", 36: " pf-36"}


class Ordered(Protocol):
    """What an order and a drip-feed have."""

    service_name: str
    link: str


def platform_of(service: Service) -> str:
    """Return the name of the platform in PLATFORMS that a service is for; OTHER without exactly one."""
    return only_platform(service.target.platforms)


def platform_of_order(order: Ordered) -> str:
    """Return the platform of an order by the name of its service, else by its link; OTHER if neither says."""
    named = only_platform(guess_target(service_type="", category="", name=order.service_name).platforms)
    return named if named != OTHER else read_place(order.link).platform or OTHER


def only_platform(platforms: frozenset[str]) -> str:
    """Return the one platform of these; OTHER if there is none, or several."""
    return next(iter(platforms)) if len(platforms) == 1 else OTHER


def platform_label(platform: str) -> str:
    """Return the platform's name for people; "" for OTHER."""
    return PLATFORMS[platform].label if platform in PLATFORMS else ""


def mark_of(platform: str, *, size: int = 20) -> SafeString:
    """Return the platform's glyph on its color, decorative: the text beside it says the same. `size` is of SIZES."""
    return format_html(
        '<span class="pf pf-{}{}" title="{}" aria-hidden="true">'
        '<svg class="icon" focusable="false"><use href="{}#{}"></use></svg></span>',
        platform,
        SIZES[size],
        platform_label(platform),
        static("platforms.svg"),
        _GLYPHS.get(platform, platform),
    )
