"""The keys by which links are compared and searched. The customer's own text goes to the provider."""

from __future__ import annotations

from panel.lib.links.places import read_place

MAX_LINK_KEY = 200


def link_key(link: str) -> str:
    """Return the key of a link: links that lead to the same place have the same one."""
    return read_place(link).key[:MAX_LINK_KEY]


def link_keys(link: str) -> list[str]:
    """Return all keys that an order for this link may be stored with: the release before writes its own."""
    return [key for key in dict.fromkeys((link_key(link), _earlier_key(link))) if key]


def _earlier_key(link: str) -> str:
    """Return the key that the release before stores: without scheme, "www." and final slashes."""
    text = link.strip()
    rest = next((text[len(one) :] for one in ("https://", "http://") if text[: len(one)].lower() == one), text)
    host, slash, path = rest.partition("/")
    return f"{host.lower().removeprefix('www.')}{slash}{path}".rstrip("/")[:MAX_LINK_KEY]
