"""How often may be asked: counted in the shared cache, by key and by address."""

from __future__ import annotations

import structlog
from django.conf import settings
from django_ratelimit.core import get_usage

from panel.api.errors import Throttled

log = structlog.get_logger(__name__)


def count_address(address: str | None) -> None:
    """Counts a request from the address, whatever key it brings. Raises Throttled."""
    _count("address", address or "unknown", settings.API_RATE_PER_ADDRESS)


def count_key(key_id: int) -> None:
    """Counts a request with the key. Raises Throttled."""
    _count("key", str(key_id), settings.API_RATE_PER_KEY)


def _count(group: str, value: str, rate: str) -> None:
    try:
        usage = get_usage(None, group=f"api-{group}", key=lambda *_: value, rate=rate, increment=True)
    except Exception as error:  # Any trouble with the cache: orders are worth more than counting them.
        log.warning("requests not counted", error=str(error))
        return
    if usage and usage["should_limit"] and usage["limit"]:
        raise Throttled(retry_after=max(usage["time_left"], 1))
