"""A provider's limit of requests a minute, which all processes share.

One row a provider has the time at which all its requests so far would have been spread evenly. It may be ahead of now
by a few requests, which are those that may come at once; so no minute ever holds more than the limit. A permit is taken
by one conditional update. If the database cannot be asked, the request is sent: the provider limits as well.
"""

from __future__ import annotations

from functools import partial

import structlog
from django.db import DatabaseError
from django.db.models import F
from django.db.models.functions import Greatest

from catalog.models import ProviderPace
from catalog.upstream.sending import TakePermit
from panel.lib import clock

log = structlog.get_logger(__name__)

_MINUTE = 60_000_000
_TRIES = 3


def permits_of(*, provider_id: int, limit: int | None) -> TakePermit | None:
    """Return the function that takes permits for requests to the provider; None without a limit."""
    return None if limit is None else partial(_take, provider_id, limit)


def is_permit_free(*, provider_id: int, limit: int) -> bool:
    """Return True if an order could be sent to the provider now. Takes no permit."""
    free_at = ProviderPace.objects.filter(pk=provider_id).values_list("free_at", flat=True).first()
    now = _now()
    return free_at is None or free_at <= now + _slack(limit, for_order=True) or free_at > now + 2 * _MINUTE


def _take(provider_id: int, limit: int, for_order: bool) -> float:
    """Take a permit. Return 0 if it is taken, else in how many seconds one may be free."""
    try:
        return take_permit(provider_id=provider_id, limit=limit, for_order=for_order)
    except DatabaseError as error:
        log.warning("request not counted", provider=provider_id, error=repr(error))
        return 0.0


def take_permit(*, provider_id: int, limit: int, for_order: bool) -> float:
    """Take a permit under the limit of requests a minute. Return 0 if taken, else after how many seconds to try again.

    The last of the permits that are free at once is kept for orders. Where there is one, others take none before
    another would be free.
    """
    rows = ProviderPace.objects.filter(pk=provider_id)
    interval, slack = _interval(limit), _slack(limit, for_order=for_order)
    for _ in range(_TRIES):
        now = _now()
        if rows.filter(free_at__lte=now + slack).update(free_at=Greatest(F("free_at"), now) + interval):
            return 0.0
        free_at = rows.values_list("free_at", flat=True).first()
        if free_at is None:
            ProviderPace.objects.bulk_create([ProviderPace(provider_id=provider_id)], ignore_conflicts=True)
        elif free_at > now + 2 * _MINUTE:
            # The clock was set back.
            rows.filter(free_at=free_at).update(free_at=now)
        elif free_at > now + slack:
            return (free_at - now - slack) / 1_000_000
    return interval / 1_000_000


def _at_once(limit: int) -> int:
    """Return how many requests may come at once: a quarter of the limit."""
    return max(1, limit // 4)


def _interval(limit: int) -> int:
    """Return the time between two requests, in microseconds: with those at once, a minute holds `limit` of them."""
    return -(-_MINUTE // (limit - _at_once(limit) + 1))


def _slack(limit: int, *, for_order: bool) -> int:
    """Return by how much the row's time may be ahead of now, in microseconds. Below 0: it must be behind by that."""
    ahead = _at_once(limit) - 1
    return _interval(limit) * (ahead if for_order else ahead - 1)


def _now() -> int:
    return int(clock.now().timestamp() * 1_000_000)
