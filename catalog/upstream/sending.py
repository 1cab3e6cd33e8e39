"""Send one request to a provider, in its dialect, and return what came without the API key."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from catalog.upstream.cleaning import Redactor, clean_text, decode_body
from catalog.upstream.dialect import READING, Dialect
from catalog.upstream.errors import UpstreamError
from catalog.upstream.evidence import Evidence
from catalog.upstream.results import LIMITED
from catalog.upstream.standard_text import to_standard
from panel.lib.http import transport
from panel.lib.http.calls import CALLS, host_of
from panel.lib.http.exchange import Phase, Request
from panel.lib.lanes import leave_database

MAX_BODY = 1_000_000
_FAILURE = 200
_EXCERPT = 2_048
_MAX_REDIRECT = 200
# What stands for the key where a request is shown.
SHOWN_KEY = "[key]"

# Takes a permit for one request under the provider's limit, for an order if its argument is True. Returns for how many
# seconds to wait before asking again; 0 if it is taken.
TakePermit = Callable[[bool], float]


class Redirected(UpstreamError):
    """The provider redirected instead of answering. The text says where to."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as staff may see it: without the key. `params` are under the provider's names."""

    action: str
    method: str
    address: str
    header: str
    params: tuple[tuple[str, str], ...]


class Sender:
    """Sends requests to one provider. Holds no connection and no state, so threads may share it.

    Raise ValueError if an address, the key or the user agent cannot be used in a request.
    """

    def __init__(
        self,
        *,
        url: str,
        api_key: str,
        dialect: Dialect,
        user_agent: str,
        allow_private: bool,
        connect_timeout: float,
        take_permit: TakePermit | None,
        observe: Callable[[Sent, Evidence], None] | None,
    ) -> None:
        if not user_agent.isascii() or not user_agent.isprintable():
            raise ValueError("The user agent must be printable ASCII.")
        self.address = _parse_address(url)
        self._url = url.strip()
        self._addresses = {action: _parse_address(dialect.address(url, action)) for action in dialect.addresses}
        self._dialect = dialect
        self._api_key = api_key
        self._headers = dialect.headers(api_key=api_key)
        self._redact = Redactor(api_key)
        self._user_agent = user_agent
        self._allow_private = allow_private
        self._connect_timeout = connect_timeout
        self._take_permit = take_permit
        self._observe = observe

    def host(self, action: str) -> str:
        """Return the host that answers the action."""
        return host_of(self._dialect.address(self._url, action))

    def exchange(
        self,
        action: str,
        params: Mapping[str, str],
        *,
        timeout: float,
        max_body: int = MAX_BODY,
        not_after: float | None = None,
    ) -> tuple[str, str, Evidence]:
        """Return the text of the answer, why it is incomplete ("" if whole), and evidence; all without the API key.

        An order does not wait for a permit under the provider's limit: its claim must not run out meanwhile. Raise
        ValueError if the parameters cannot be sent.
        """
        form = self._dialect.form(action, params, api_key=self._api_key)
        body = urlencode(form).encode("ascii")
        deadline = time.monotonic() + timeout
        # What acts keeps time for its answer, without which it would be unknown whether it was carried out.
        begin_until = deadline if action in READING else deadline - timeout / 2
        if not self._gets_permit(begin_until, is_order=action == "add"):
            return "", LIMITED, Evidence(Phase.NEW, None, "", 0)
        host, address = self.host(action), self._addresses.get(action, self.address)
        method: Literal["POST", "GET"] = "GET" if self._gets(action) else "POST"
        request = Request(
            url=address,
            form=body,
            user_agent=self._user_agent,
            allow_private=self._allow_private,
            connect_timeout=self._connect_timeout,
            total_timeout=max(deadline - time.monotonic(), 0.001),
            max_body=max_body,
            not_after=not_after,
            method=method,
            headers=self._headers,
        )
        leave_database(host=host)
        # A list of services takes its time on every panel, and says nothing about how fast the others are.
        with CALLS.watched(host, reads=action in READING and action != "services") as call:
            answer = transport.send_request(request)
            call.answered = answer.http_status is not None
        text = self._redact.before_parsing(decode_body(answer.body))
        evidence = Evidence(
            phase=answer.phase,
            http_status=answer.http_status,
            # Cut first, well beyond the end of the excerpt: the text may be megabytes long.
            body_excerpt=clean_text(self._redact(text[: _EXCERPT * 8]), limit=_EXCERPT, multiline=True),
            elapsed_ms=answer.elapsed_ms,
            redirect=self._target(address, answer.location),
        )
        if not evidence.points_elsewhere:
            evidence = Evidence(evidence.phase, evidence.http_status, evidence.body_excerpt, evidence.elapsed_ms)
        if self._observe is not None:
            self._observe(self._shown(action, method, address, params), evidence)
        failure = self._redact(clean_text(answer.failure, limit=_FAILURE))
        return to_standard(text, self._dialect, action=action), failure, evidence

    def _gets(self, action: str) -> bool:
        # Asked here as well, whatever the dialect says: a GET may be repeated or fetched ahead by anything on its way.
        return action in READING and self._dialect.method(action) == "GET"

    def _gets_permit(self, until: float, *, is_order: bool) -> bool:
        """Return True once the request may be sent under the provider's limit; False if that is after `until`."""
        while self._take_permit is not None and (wait := self._take_permit(is_order)) > 0:
            if is_order or time.monotonic() + wait >= until:
                return False
            time.sleep(wait)
        return True

    def _target(self, address: Url, location: str) -> str:
        """Return where a redirect points to, without query, name and password; "" if it cannot be read."""
        if not location:
            return ""
        try:
            parts = urlsplit(urljoin(address.url, location))
            host = parts.hostname or ""
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            return ""
        if parts.scheme not in ("http", "https") or not host:
            return ""
        place = f"[{host}]" if ":" in host else host
        plain = urlunsplit((parts.scheme, place + port, parts.path, "", ""))
        return clean_text(self._redact(plain), limit=_MAX_REDIRECT)

    def _shown(self, action: str, method: str, address: Url, params: Mapping[str, str]) -> Sent:
        shown = self._dialect.form(action, params, api_key=SHOWN_KEY)
        header = "".join(f"{name}: {value}" for name, value in self._dialect.headers(api_key=SHOWN_KEY).items())
        where = self._redact(address._replace(fragment=None).url)
        return Sent(action, method, where, header, tuple(shown.items()))


def _parse_address(url: str) -> Url:
    try:
        address = parse_url(url.strip())
    except LocationParseError:
        raise ValueError("The provider's address is no URL.") from None
    if address.scheme not in ("http", "https") or not address.host:
        raise ValueError("The provider's address must begin with https://.")
    if address.auth:
        raise ValueError("The provider's address may hold no user name or password.")
    return address
