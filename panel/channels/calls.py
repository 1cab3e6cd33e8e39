"""One guarded call to the server of a channel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from panel.lib.http.exchange import Answer, Phase, Request
from panel.lib.http.transport import send_request
from panel.site.names import user_agent

# Seconds, and bytes.
CONNECT_TIMEOUT, TIMEOUT = 5.0, 15.0
MAX_ANSWER = 200_000
MAX_WORDS = 200


def post_json(url: str, body: bytes, *, headers: Mapping[str, str] | None = None) -> Answer:
    """POST the body and return the answer. Never raises: failures are in the answer."""
    try:
        parsed = parse_url(url)
    except LocationParseError:
        return Answer(Phase.NEW, None, b"", "the address cannot be read", 0)
    return send_request(
        Request(
            url=parsed,
            form=body,
            user_agent=user_agent(),
            allow_private=settings.UPSTREAM_ALLOW_PRIVATE,
            connect_timeout=CONNECT_TIMEOUT,
            total_timeout=TIMEOUT,
            max_body=MAX_ANSWER,
            headers=headers or {},
            content_type="application/json",
        )
    )


def read_json(answer: Answer) -> dict[str, Any]:
    """Return the object in an answer, empty if there is none."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def words_of(answer: Answer) -> str:
    """Return the status, or the failure, with the beginning of what was answered."""
    excerpt = " ".join(answer.body.decode(errors="replace").split())[:MAX_WORDS]
    begin = str(answer.http_status) if answer.http_status else answer.failure
    return f"{begin}: {excerpt}" if excerpt else begin
