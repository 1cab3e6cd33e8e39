"""What a link was read as, in a customer's words: below the link, and above the services that fit it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from catalog.platform_marks import platform_label
from panel.lib.links.places import Place, What, read_place
from panel.lib.links.texts import trim

# Platforms on which people call a profile by a name with an @.
_WITH_NAMES = frozenset({"instagram", "threads", "tiktok", "x", "telegram", "youtube", "twitch", "snapchat"})
MAX_SHOWN = 40

# What people call a post and a profile there.
_VIDEO, _TRACK, _CHANNEL, _ARTIST = "video", "track", "channel", "artist"
_POSTS = {
    **dict.fromkeys(("youtube", "tiktok", "twitch", "vimeo", "rumble", "dailymotion", "kick"), _VIDEO),
    **dict.fromkeys(("spotify", "soundcloud", "deezer", "apple_music", "audiomack", "shazam"), _TRACK),
}
_PROFILES = {**dict.fromkeys(("youtube", "telegram", "twitch"), _CHANNEL), "spotify": _ARTIST}

# Marked here, and translated where they are shown.
_READINGS: Mapping[str, str] = {
    What.POST.value: gettext_noop("%(platform)s post"),
    _VIDEO: gettext_noop("%(platform)s video"),
    _TRACK: gettext_noop("%(platform)s track"),
    What.PROFILE.value: gettext_noop("%(platform)s profile"),
    _CHANNEL: gettext_noop("%(platform)s channel"),
    _ARTIST: gettext_noop("%(platform)s artist"),
}
_HEADINGS: Mapping[str, str] = {
    What.POST.value: gettext_noop("For this %(platform)s post"),
    _VIDEO: gettext_noop("For this %(platform)s video"),
    _TRACK: gettext_noop("For this %(platform)s track"),
    What.PROFILE.value: gettext_noop("For this %(platform)s profile"),
    _CHANNEL: gettext_noop("For this %(platform)s channel"),
    _ARTIST: gettext_noop("For this %(platform)s artist"),
    What.OTHER.value: gettext_noop("For this %(platform)s link"),
}


def reading_of(link: str) -> str:
    """Return what a link leads to, for people: "Instagram profile · @natgeo"; "" if it is not known."""
    place = read_place(trim(link))
    platform = platform_label(place.platform)
    if not platform or place.what is What.OTHER:
        return ""
    reading = _(_READINGS[_word_for(place)]) % {"platform": platform}
    name = _name_in(place.key, place.platform) if place.what is What.PROFILE else ""
    return f"{reading} · {name}" if name else reading


def heading_for(place: Place) -> str:
    """Return the heading of the services that fit a link: "For this YouTube video"."""
    if platform := platform_label(place.platform):
        return _(_HEADINGS[_word_for(place)]) % {"platform": platform}
    return _("For this profile") if place.what is What.PROFILE else _("For this link")


def _word_for(place: Place) -> str:
    own = {What.POST: _POSTS, What.PROFILE: _PROFILES}.get(place.what, {})
    return own.get(place.platform, place.what.value)


def _name_in(key: str, platform: str) -> str:
    """Return the name of a profile in its address; "" for a number or an invitation."""
    _host, _slash, path = key.partition("/")
    if "/" in path or "?" in path or path.startswith("+") or path.isdigit() or len(path) > MAX_SHOWN:
        return ""
    return f"@{path.removeprefix('@')}" if platform in _WITH_NAMES else path
