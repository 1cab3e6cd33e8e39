"""Rate limits of the API, by key and by address."""

from __future__ import annotations

from panel.api.errors import Throttled
from panel.lib.request_counts import counted_address, seconds_to_wait
from panel.site import registry as site

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def count_address(address: str | None) -> None:
    """Count a request from the address, with any key. Raise Throttled."""
    _count("address", counted_address(address), site.API_RATE_PER_ADDRESS.value)


def count_key(key_id: int) -> None:
    """Count a request with the key. Raise Throttled."""
    _count("key", str(key_id), site.API_RATE_PER_KEY.value)


def count_customer(customer_id: int) -> None:
    """Count a request that a signed-in customer tries, by the rate of a key. Raise Throttled."""
    _count("customer", str(customer_id), site.API_RATE_PER_KEY.value)


def _count(group: str, value: str, rate: str) -> None:
    most, _, unit = rate.partition("/")
    if wait := seconds_to_wait(name=f"api-{group}:{value}", most=int(most), window=_SECONDS[unit]):
        raise Throttled(retry_after=wait)
