"""Pings to an address that expects them: whoever runs it tells when they stop, even if this machine is gone."""

from __future__ import annotations

import structlog
from django.conf import settings
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from panel.lib.http.exchange import Request
from panel.lib.http.transport import send_request
from panel.site.names import user_agent

log = structlog.get_logger(__name__)

# Seconds.
TIMEOUT = 5.0


def ping(url: str) -> bool:
    """GET the address. Return True if it answered with 2xx, False if not, or if none is set. Never raises."""
    if not url:
        return False
    try:
        parsed = parse_url(url)
    except LocationParseError:
        log.warning("ping address cannot be read")
        return False
    answer = send_request(
        Request(
            url=parsed,
            form=b"",
            user_agent=user_agent(),
            allow_private=settings.UPSTREAM_ALLOW_PRIVATE,
            connect_timeout=TIMEOUT,
            total_timeout=TIMEOUT,
            max_body=10_000,
            method="GET",
        )
    )
    arrived = answer.http_status is not None and 200 <= answer.http_status < 300
    if not arrived:
        log.warning("ping not taken", status=answer.http_status, failure=answer.failure)
    return arrived
