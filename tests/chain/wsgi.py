"""The panel's WSGI application with hooks for tests: a request can kill its process or disable a guard.

The headers in `tests.chain.wsgi_words` choose for each request.
"""

from __future__ import annotations

import os
import signal
import threading
from itertools import count
from typing import Any
from uuid import uuid4

import django
from django.urls import get_resolver

django.setup()
# Load all URLs now, so that a worker forked in place of a dead one is ready at once.
get_resolver()._populate()

from billing import ledger  # noqa: E402
from orders.models import Order  # noqa: E402
from panel.api import add, endpoint  # noqa: E402
from panel.api.errors import LINK_BUSY, ApiError  # noqa: E402
from panel.wsgi import application as site  # noqa: E402
from tests.chain.wsgi_words import ANSWERED, DEBITED, RECEIVED, REQUEST_IDS, WINDOW  # noqa: E402

# The headers of the request that this thread handles.
_this = threading.local()
# The first two unguarded requests wait for each other after their check.
_checks, _two_have_checked = count(), threading.Barrier(2)


def application(environ: Any, start_response: Any) -> Any:
    _this.dies_at = environ.get("HTTP_X_DIE_AT")
    _this.without = environ.get("HTTP_X_WITHOUT")
    _die(RECEIVED)
    answer = site(environ, start_response)
    _die(ANSWERED)
    return answer


def _die(point: str) -> None:
    if _this.dies_at == point:
        os.kill(os.getpid(), signal.SIGKILL)


_post, _request_key, _add_order = ledger.post, add._request_key, add.add_order


def _post_and_die(**values: Any) -> Any:
    posted = _post(**values)
    _die(DEBITED)
    return posted


def _choose_request_key(key: Any, request_id: str) -> str:
    return f"api:{uuid4().hex}" if _this.without == REQUEST_IDS else _request_key(key, request_id)


def _add(key: Any, params: Any) -> dict[str, int]:
    """Create an order. Without the window, check first and create the order afterwards, with no lock around both.

    The first two requests wait for each other after the check, so that both have seen no order.
    """
    if _this.without != WINDOW:
        return _add_order(key, params)
    is_taken = Order.objects.filter(api_key_ref=key.pk, link=params["link"]).exists()
    if next(_checks) < 2:
        _two_have_checked.wait(120)
    if is_taken:
        raise ApiError(LINK_BUSY)
    return {"order": add._create(key, add._read_order(params), "").order.pk}


ledger.post, add._request_key = _post_and_die, _choose_request_key  # type: ignore[assignment]
endpoint.WRITING["add"] = _add
