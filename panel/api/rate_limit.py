"""Rate limits, counted in the shared cache by key and by address.

docs/adr/0020-requests-are-counted-by-one-increment.md explains why allauth's limiter is not used.
"""

from __future__ import annotations

import time
from ipaddress import IPv4Address, ip_address, ip_network

import structlog
from django.core.cache import cache

from panel.api.errors import Throttled
from panel.site import registry as site

log = structlog.get_logger(__name__)

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def count_address(address: str | None) -> None:
    """Count a request from the address, with any key. Raise Throttled."""
    _count("address", _counted(address), site.API_RATE_PER_ADDRESS.value)


def _counted(address: str | None) -> str:
    """Return the address; for IPv6 its /64, since one machine can use all of it."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, IPv4Address) or found.ipv4_mapped:
        return str(getattr(found, "ipv4_mapped", None) or found)
    return str(ip_network((found, 64), strict=False))


def count_key(key_id: int) -> None:
    """Count a request with the key. Raise Throttled."""
    _count("key", str(key_id), site.API_RATE_PER_KEY.value)


def count_customer(customer_id: int) -> None:
    """Count a request that a signed-in customer tries, by the rate of a key. Raise Throttled."""
    _count("customer", str(customer_id), site.API_RATE_PER_KEY.value)


def _count(group: str, value: str, rate: str) -> None:
    try:
        most, seconds = _read_rate(rate)
        window, passed = divmod(int(time.time()), seconds)
        count = _increment(f"api-{group}:{value}:{seconds}:{window}", seconds)
    except Exception as error:  # Any trouble with the cache: orders matter more than rate limits.
        log.warning("requests not counted", error=str(error))
        return
    if count is None:
        log.warning("requests not counted", error="the cache does not count")
    elif count > most:
        raise Throttled(retry_after=seconds - passed)


def _read_rate(rate: str) -> tuple[int, int]:
    """Return the number of requests, and the window in seconds."""
    most, _, unit = rate.partition("/")
    return int(most), _SECONDS[unit]


def _increment(name: str, seconds: int) -> int | None:
    """Count in one atomic step, so that simultaneous requests do not overwrite each other. None if it is lost."""
    try:
        return cache.incr(name)
    except ValueError:  # The first of its window.
        cache.add(name, 0, seconds)
        return cache.incr(name)
