"""Limits of requests in a window of time, counted in the cache that all processes share.

docs/adr/0020-requests-are-counted-by-one-increment.md explains why allauth's limiter is not used.
"""

from __future__ import annotations

import time
from ipaddress import IPv4Address, ip_address, ip_network

import structlog
from django.core.cache import cache

log = structlog.get_logger(__name__)


def seconds_to_wait(*, name: str, most: int, window: int) -> int:
    """Count one request. Return 0, or if it is beyond the limit, for how many seconds to wait.

    `name` says what is counted and for whom, `most` how many are allowed in `window` seconds. Without a cache nothing
    is limited.
    """
    try:
        number, passed = divmod(int(time.time()), window)
        count = _increment(f"{name}:{window}:{number}", window)
    except Exception as error:  # Any trouble with the cache: orders matter more than rate limits.
        log.warning("requests not counted", error=str(error))
        return 0
    if count is None:
        log.warning("requests not counted", error="the cache does not count")
        return 0
    return window - passed if count > most else 0


def counted_address(address: str | None) -> str:
    """Return the address; for IPv6 its /64, since one machine can use all of it."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, IPv4Address) or found.ipv4_mapped:
        return str(getattr(found, "ipv4_mapped", None) or found)
    return str(ip_network((found, 64), strict=False))


def _increment(name: str, seconds: int) -> int | None:
    """Count in one atomic step, so that simultaneous requests do not overwrite each other. None if it is lost."""
    try:
        return cache.incr(name)
    except ValueError:  # The first of its window.
        cache.add(name, 0, seconds)
        return cache.incr(name)
