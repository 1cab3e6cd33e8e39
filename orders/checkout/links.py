"""Whether a text may be the link of a service, by what the service takes. Pure.

Where the owner set the kind, the check is exact. Where it is guessed, whatever is plausible for any kind passes: a
wrong guess would refuse what the provider takes.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.link_kinds import Expected, LinkKind
from panel.lib.links.app_links import APP_SCHEMES
from panel.lib.links.texts import split_address

MAX_LINK = 2_000
MAX_KEYWORD = 200
LINK_TOO_LONG = gettext_lazy("This link is too long: {most} characters at most.")

_HANDLE = re.compile(r"@[\w.\-]{1,100}")
# A name, or the id of a channel.
_NAME = re.compile(r"@?[\w.\-]{1,100}")
# An id, such as -1001234567890 of a chat; or the code of a post, a bar, and the id of what is under it.
_NUMBER = re.compile(r"-?[0-9]{1,40}|[\w\-]{1,100}\|[0-9]{1,40}")
_PHONE = re.compile(r"\+?[0-9(][0-9 ().\-]{4,30}")
_APP = re.compile(r"([a-z][a-z0-9+.\-]{1,40}):[^\s<>\"\\]{1,1900}", re.IGNORECASE)
_DOMAIN = re.compile(r"(?=.{4,253}\Z)[\w\-]+(\.[\w\-]+)+", re.UNICODE)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
# In words, joiners are letters of some languages; marks of direction would show another text than the provider gets.
_NOT_IN_WORDS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

# What a browser would run, read or fetch: no link of an app.
_NO_APPS = frozenset({"http", "https", "javascript", "vbscript", "data", "file", "blob", "about", "ftp"})


def link_problem(*, link: str, expected: Expected) -> str:
    """Return why `link`, already trimmed, cannot be ordered for, in the customer's words; "" if it can."""
    if not link:
        return missing_link(expected.kind)
    if len(link) > MAX_LINK:
        return LINK_TOO_LONG.format(most=f"{MAX_LINK:,}")
    if not expected.is_guess:
        return _problem_of_kind(link, expected.kind)
    problem = _problem_of_kind(link, expected.kind)
    return "" if problem and _is_plausible(link) else problem


def missing_link(kind: LinkKind) -> str:
    """Return the message for a link that is empty."""
    if kind is LinkKind.USERNAME:
        return _("Enter the username to deliver to.")
    if kind is LinkKind.NUMBER:
        return _("Enter the ID to deliver to.")
    if kind is LinkKind.PHONE:
        return _("Enter the phone number to deliver to.")
    if kind in (LinkKind.KEYWORD, LinkKind.TEXT):
        return _("Enter the text for this service.")
    return _("Enter the link to deliver to.")


def _is_plausible(link: str) -> bool:
    """Return True for what some service takes, but for free text: that would be anything."""
    if any(not _problem_of_kind(link, kind) for kind in (LinkKind.ADDRESS, LinkKind.NUMBER, LinkKind.PHONE)):
        return True
    if not _problem_of_kind(link, LinkKind.USERNAME):
        return True
    return _is_app_link(link) and link.partition(":")[0].lower() in APP_SCHEMES


def _problem_of_kind(link: str, kind: LinkKind) -> str:
    if kind in (LinkKind.KEYWORD, LinkKind.TEXT):
        return _problem_of_words(link, kind)
    if kind is LinkKind.PHONE:
        digits = sum(one.isdigit() for one in link)
        if _PHONE.fullmatch(link) and 6 <= digits <= 15:
            return ""
        return _("Write the phone number with its country code, such as +1 212 555 0100.")
    if _UNPRINTABLE.search(link) or any(character.isspace() for character in link):
        return _("A link has no spaces or invisible characters. Copy it again.")
    if kind is LinkKind.USERNAME:
        if _NAME.fullmatch(link) and any(one.isalnum() for one in link):
            return ""
        if split_address(link) is not None:
            return _("This service takes the username alone, such as natgeo, not an address.")
        return _("This is no username. Write it as the platform shows it, such as natgeo.")
    if kind is LinkKind.NUMBER:
        return "" if _NUMBER.fullmatch(link) else _("This service takes a number, such as 123456789, not an address.")
    if kind is LinkKind.APP:
        return "" if _is_app_link(link) else _("Copy the link of the app, such as tg://resolve?domain=name.")
    if _HANDLE.fullmatch(link) or _looks_like_address(link):
        return ""
    return _("This is no link. Copy the full address, such as https://example.com/page.")


def _problem_of_words(text: str, kind: LinkKind) -> str:
    if _NOT_IN_WORDS.search(text):
        return _("This holds an invisible character. Type it again.")
    if kind is LinkKind.TEXT:
        return ""
    if text.lower().startswith(("http://", "https://", "www.")):
        return _("This service takes the words to search for, not an address.")
    if len(text) > MAX_KEYWORD:
        return _("These are too many words: %(most)s characters at most.") % {"most": MAX_KEYWORD}
    return ""


def _is_app_link(link: str) -> bool:
    found = _APP.fullmatch(link)
    return found is not None and found[1].lower() not in _NO_APPS


def _looks_like_address(link: str) -> bool:
    scheme, separator, _rest = link.partition("://")
    if separator and scheme.lower() not in ("http", "https"):
        return False
    try:
        parts = urlsplit(link if separator else f"https://{link}")
        host = parts.hostname or ""
        _port = parts.port
    except ValueError:
        return False
    return "@" not in parts.netloc and _DOMAIN.fullmatch(host) is not None
