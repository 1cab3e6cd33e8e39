"""The text of a link: without what nobody sees at its ends, and taken apart as an address."""

from __future__ import annotations

from dataclasses import dataclass

# What copying from a page or a chat leaves at the ends: marks of direction, joiners, fillers, byte order marks.
INVISIBLE = frozenset(
    "\u00ad\u034f\u061c\u115f\u1160\u180e\u3164\ufeff\uffa0"
    + "".join(
        map(chr, (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x2070)))
    )
)

_WEB = ("https://", "http://")
# What a site puts before its name for other screens.
_SCREENS = ("www.", "m.", "mobile.")


def names_of(text: str) -> frozenset[str]:
    """Return the names of a list that spaces separate."""
    return frozenset(text.split())


def trim(text: str) -> str:
    """Return `text` without spaces and invisible marks at its ends."""
    start, end = 0, len(text)
    while start < end and _is_unseen(text[start]):
        start += 1
    while start < end and _is_unseen(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_unseen(character: str) -> bool:
    return character in INVISIBLE or character.isspace()


@dataclass(frozen=True, slots=True)
class Address:
    """An http(s) address in parts. `host` is in lower case, without port, "www.", "m." and "mobile.".

    `path` holds the segments that are not empty; `query` the pairs as they were written, "a=1"; `fragment` may be "".
    """

    host: str
    path: tuple[str, ...]
    query: tuple[str, ...]
    fragment: str

    def value(self, name: str) -> str:
        """Return the value of a parameter as it was written; "" if there is none."""
        for pair in self.query:
            key, _equals, value = pair.partition("=")
            if key.lower() == name:
                return value
        return ""


def split_address(text: str) -> Address | None:
    """Return the address in parts, with or without scheme; None if `text` is no web address."""
    lower = text[:8].lower()
    rest = next((text[len(scheme) :] for scheme in _WEB if lower.startswith(scheme)), text)
    if rest is text and "://" in text.partition("?")[0].partition("#")[0]:
        return None
    rest, _hash, fragment = rest.partition("#")
    rest, _mark, query = rest.partition("?")
    host, _slash, path = rest.partition("/")
    host = _plain_host(host)
    if "." not in host or "@" in host or " " in rest:
        return None
    pairs = (pair for pair in query.split("&") if pair)
    return Address(host, tuple(part for part in path.split("/") if part), tuple(pairs), fragment)


def _plain_host(host: str) -> str:
    name, colon, port = host.lower().partition(":")
    if colon and port not in ("", "80", "443"):
        return host.lower()
    name = name.rstrip(".")
    for screen in _SCREENS:
        if name.startswith(screen) and "." in name.removeprefix(screen):
            name = name.removeprefix(screen)
    return name
