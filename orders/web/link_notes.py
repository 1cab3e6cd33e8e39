"""What is said below the link of the order form: what it was read as. Pure."""

from __future__ import annotations

from django.utils.translation import gettext as _

from panel.lib.links.places import What, read_place
from panel.lib.links.platforms import PLATFORMS
from panel.lib.links.texts import trim

# Platforms on which people call a profile by a name with an @.
_WITH_NAMES = frozenset({"instagram", "threads", "tiktok", "x", "telegram", "youtube", "twitch", "snapchat"})
MAX_SHOWN = 40


def reading_of(link: str) -> str:
    """Return what a link leads to, for people: "Instagram profile · @natgeo"; "" if it is not known."""
    place = read_place(trim(link))
    if not place.platform or place.what is What.OTHER:
        return ""
    platform = PLATFORMS[place.platform].label
    if place.what is What.POST:
        return _("%(platform)s post") % {"platform": platform}
    profile = _("%(platform)s profile") % {"platform": platform}
    name = _name_in(place.key, place.platform)
    return f"{profile} · {name}" if name else profile


def _name_in(key: str, platform: str) -> str:
    """Return the name of a profile in its address; "" for a number or an invitation."""
    _host, _slash, path = key.partition("/")
    if "/" in path or "?" in path or path.startswith("+") or path.isdigit() or len(path) > MAX_SHOWN:
        return ""
    return f"@{path.removeprefix('@')}" if platform in _WITH_NAMES else path
