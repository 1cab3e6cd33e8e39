"""Addresses of gateways that an owner types: which are taken, and which may be in the own network."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from django.conf import settings
from urllib3.util import Url

from panel.lib.http.addresses import is_public

_USUAL_PORTS = (None, 443, 80)


def may_be_private(url: Url) -> bool:
    """Return True if the address may be private, and reached by http: PAYMENT_PRIVATE_HOSTS names exactly this host.

    Whoever runs the server decides that. If staff could, a gateway's address would open the own network to them.
    """
    return settings.UPSTREAM_ALLOW_PRIVATE or _is_named(url.host or "", url.port)


def _is_named(host: str, port: int | None) -> bool:
    named, host = settings.PAYMENT_PRIVATE_HOSTS, host.lower()
    return f"{host}:{port}" in named or (host in named and port in _USUAL_PORTS)


def clean_address(text: str) -> str:
    """Return the address of a gateway, without a slash at its end. Raise ValueError with words for the owner."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise ValueError("This is no address. Write it as in the browser: https://pay.example.com") from None
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError("Begin with https://, as in https://pay.example.com")
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError("Leave out names, passwords, and what follows “?” or “#”.")
    if not _is_host(host) or quote(parts.path) != parts.path:
        raise ValueError("It has characters that no address has. Write a name with accents in its form with “xn--”.")
    host = f"[{host}]" if ":" in host else host
    may_be_http = settings.UPSTREAM_ALLOW_PRIVATE or _is_named(host, port)
    if parts.scheme == "http" and not may_be_http:
        raise ValueError("It must begin with https://: keys would travel unencrypted. See PAYMENT_PRIVATE_HOSTS.")
    if _is_private(host) and not may_be_http:
        raise ValueError("This address is private. Whoever runs the server allows it with PAYMENT_PRIVATE_HOSTS.")
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def origin_of(address: str) -> str:
    """Return scheme, host and port of an address, "" if it has none. As browsers compare them: in lower case."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.lower()}" if parts.netloc else ""


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return bool(ip_address(host))
        except ValueError:
            return False
    return host.isascii() and all(one.isalnum() or one in ".-" for one in host)


def _is_private(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return host == "localhost"  # What other names lead to, is checked as they are connected to.
    return not is_public(host.strip("[]"))
