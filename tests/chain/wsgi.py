"""The panel's site with what tests put around it from outside: sudden deaths, and guards that are off.

Each request chooses for itself, by the headers of `tests.chain.wsgi_words`.
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
# Whoever is forked in the place of a dead one is ready at once.
get_resolver()._populate()

from billing import ledger  # noqa: E402
from orders.models import Order  # noqa: E402
from panel.api import add, endpoint  # noqa: E402
from panel.api.errors import LINK_BUSY, ApiError  # noqa: E402
from panel.wsgi import application as site  # noqa: E402
from tests.chain.wsgi_words import ANSWERED, DEBITED, RECEIVED, REQUEST_IDS, WINDOW  # noqa: E402

_this = threading.local()
_lookers, _two_have_looked = count(), threading.Barrier(2)


def application(environ: Any, start_response: Any) -> Any:
    _this.dies_at = environ.get("HTTP_X_DIE_AT")
    _this.without = environ.get("HTTP_X_WITHOUT")
    _die(RECEIVED)
    answer = site(environ, start_response)
    _die(ANSWERED)
    return answer


def _die(here: str) -> None:
    if _this.dies_at == here:
        os.kill(os.getpid(), signal.SIGKILL)


_post, _request_key, _add_order = ledger.post, add._request_key, add.add_order


def _debit(**values: Any) -> Any:
    posted = _post(**values)
    _die(DEBITED)
    return posted


def _forget(key: Any, request_id: str) -> str:
    return f"api:{uuid4().hex}" if _this.without == REQUEST_IDS else _request_key(key, request_id)


def _add(key: Any, params: Any) -> dict[str, int]:
    """Without the window: looks first and places then, with nothing that holds the two together.

    The first two meet when they have looked, so whoever places first has another one that saw no order either.
    """
    if _this.without != WINDOW:
        return _add_order(key, params)
    is_taken = Order.objects.filter(api_key_ref=key.pk, link=params["link"]).exists()
    if next(_lookers) < 2:
        _two_have_looked.wait(120)
    if is_taken:
        raise ApiError(LINK_BUSY)
    return {"order": add._create(key, add._read_order(params), "").order.pk}


ledger.post, add._request_key = _debit, _forget  # type: ignore[assignment]
endpoint.WRITING["add"] = _add
