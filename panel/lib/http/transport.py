"""One request, sent by POST or GET through its own `requests` session, with its phase recorded.

Whether anything was sent is read from the phase that the socket recorded before its first byte, never from the type
of an exception, which can be wrong in both directions. The session does not retry or redirect, and takes no proxy,
credentials or cookies from anywhere.
"""

from __future__ import annotations

import functools
import ssl
import sys
import time
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.util import Url

from panel.lib.http.connections import MeasuredHTTP, MeasuredHTTPS
from panel.lib.http.exchange import Answer, Exchange, Phase, Request, Stopped

_CHUNK = 65_536
_MAX_FAILURE = 2_000
_MAX_LOCATION = 2_000


class _Pool(HTTPConnectionPool):
    ConnectionCls = MeasuredHTTP


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = MeasuredHTTPS


class _Adapter(HTTPAdapter):
    """Connects through the measured connections of one exchange, without retries."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        self.poolmanager = PoolManager(connections, maxsize=maxsize, ssl_context=_tls_context())
        self.poolmanager.pool_classes_by_scheme = {
            "http": functools.partial(_Pool, exchange=self._exchange),
            "https": functools.partial(_TLSPool, exchange=self._exchange),
        }

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the context verifies, and loading the authorities for each connection takes 20 ms."""


class _Session(requests.Session):
    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self.trust_env = False
        self.adapters.clear()
        self.mount("https://", _Adapter(exchange))
        self.mount("http://", self.adapters["https://"])

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: to follow a redirect, `requests` would read the whole body, without our limit."""


@functools.cache
def _tls_context() -> ssl.SSLContext:
    """Return a context that always verifies certificates and names. Cached: loading authorities takes about 20 ms."""
    return ssl.create_default_context(cafile=certifi.where())


def send_request(request: Request) -> Answer:
    """Send `request` once and read the whole answer. Never raises: failures are in the Answer."""
    exchange = Exchange(request)
    handled = sys.exception()
    body = bytearray()
    failure = location = ""
    # Catch every exception: the phase says what it means, and one that escaped would leave an order that the provider
    # may have accepted without a record of it.
    try:
        exchange.check_lease()
        exchange.phase = Phase.CONNECTING
        if request.url.scheme != "https" and not request.allow_private:
            # The API key would cross the internet unencrypted.
            raise Stopped("only https is allowed")
        with _Session(exchange) as session, session.send(_prepared(request), stream=True) as response:
            location = response.headers.get("Location", "")[:_MAX_LOCATION]
            # In chunks, decompressed: a gzip bomb ends at the limit, and what arrived of a cut answer is kept as
            # evidence.
            while chunk := response.raw.read1(_CHUNK, decode_content=True):
                body += chunk
                if len(body) > request.max_body:
                    raise Stopped(f"the answer is longer than {request.max_body} bytes")
                exchange.remaining()
    except Exception as error:
        failure = _reason(error, handled)
    elapsed_ms = int((time.monotonic() - exchange.started) * 1000)
    whole = bytes(body[: request.max_body])
    return Answer(exchange.phase, exchange.http_status, whole, failure, elapsed_ms, location)


def _prepared(request: Request) -> requests.PreparedRequest:
    """Return the request with the exact configured address: `requests` would normalise it."""
    prepared = requests.PreparedRequest()
    prepared.prepare_method(request.method)
    gets = request.method == "GET"
    prepared.url = _with_query(request.url, request.form) if gets else request.url.url
    headers = {
        "User-Agent": request.user_agent,
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "Connection": "close",
    }
    if gets:
        headers["Cache-Control"] = "no-cache"
    else:
        headers["Content-Type"] = request.content_type
    prepared.prepare_headers({**request.headers, **headers})
    prepared.prepare_cookies({})
    prepared.prepare_body(None if gets else request.form, None)
    return prepared


def _with_query(url: Url, form: bytes) -> str:
    query = "&".join(part for part in (url.query, form.decode("ascii")) if part)
    return url._replace(query=query, fragment=None).url


def _reason(error: Exception, handled: BaseException | None) -> str:
    """Return the root cause: `requests` and urllib3 wrap it in texts that contain the whole address.

    `handled` is the exception that the caller was handling, which is not part of this one.
    """
    root: BaseException = error
    seen = {handled, None}
    while not isinstance(root, Stopped):
        seen.add(root)
        cause = root.__cause__ or (None if root.__suppress_context__ else root.__context__)
        if cause is None or cause in seen:
            break
        root = cause
    text = str(root)[:_MAX_FAILURE]
    if isinstance(root, Stopped):
        return text
    return f"{type(root).__name__}: {text}" if text else type(root).__name__
