"""The client of one provider: the actions of API v2, each with an answer that can be acted on.

`add` is sent at most once per call and always ends in one of four outcomes; `cancel` and `refill`
are sent at most once; only reading actions are tried again. A client holds no connection and no
state, and may be used by several threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from catalog.upstream import transport
from catalog.upstream.cleaning import Redactor, clean_text, decode_body, parse_id
from catalog.upstream.errors import UpstreamUnavailable
from catalog.upstream.evidence import Evidence, Phase
from catalog.upstream.judging import judge_add, judge_reading
from catalog.upstream.parsing import parse_balance
from catalog.upstream.parsing_many import (
    parse_cancels,
    parse_refill_statuses,
    parse_refills,
    parse_statuses,
)
from catalog.upstream.parsing_services import parse_services
from catalog.upstream.results import (
    AddOutcome,
    Balance,
    CancelAccepted,
    NotSent,
    RefillAccepted,
    RefillStatusRow,
    RowError,
    ServiceList,
    StatusRow,
)

T = TypeVar("T")

MAX_IDS = 100
MAX_BODY = 1_000_000
MAX_SERVICES_BODY = 64_000_000
_EXCERPT = 2_048
_RETRIES = 2
_FIRST_PAUSE = 0.2


class UpstreamClient:
    """Speaks to one provider. All times are seconds for a whole exchange, retries included.

    `url` is the provider's API address: https, or http with `allow_private`, which also permits
    addresses that are not public (a sandbox on this machine). Raises ValueError for an address or a
    user agent that no request could be made with.
    """

    def __init__(
        self,
        *,
        url: str,
        api_key: str,
        user_agent: str = "Upmark/1",
        allow_private: bool = False,
        connect_timeout: float = 10.0,
        add_timeout: float = 60.0,
        read_timeout: float = 45.0,
        services_timeout: float = 120.0,
    ) -> None:
        if not user_agent.isascii() or not user_agent.isprintable():
            raise ValueError("The user agent must be printable ASCII.")
        self._url = _parse_address(url)
        self._api_key = api_key
        self._redact = Redactor(api_key)
        self._user_agent = user_agent
        self._allow_private = allow_private
        self._connect_timeout = connect_timeout
        self._add_timeout = add_timeout
        self._read_timeout = read_timeout
        self._services_timeout = services_timeout

    def __repr__(self) -> str:
        return f"UpstreamClient({self._url.host})"

    # -- placing -----------------------------------------------------------------------------------

    def add(self, params: Mapping[str, str], *, not_after: float | None = None) -> AddOutcome:
        """Sends one order, once. Never raises for what the provider or the network does.

        `params` as in "`add`, by service type"; `not_after` is the `time.monotonic()` at which the
        lease ends: from then on nothing is sent. Raises ValueError where `params` hold `key` or
        `action`.
        """
        try:
            form = self._form("add", params)
        except UnicodeEncodeError:
            evidence = Evidence(Phase.NEW, None, "", 0)
            return NotSent("the parameters hold characters that cannot be sent", evidence)
        text, failure, evidence = self._exchange(form, timeout=self._add_timeout, not_after=not_after)
        return judge_add(text=text, failure=failure, evidence=evidence)

    # -- asking for something, once ----------------------------------------------------------------

    def cancel(self, order_ids: Sequence[str]) -> dict[str, CancelAccepted | RowError]:
        """Asks to cancel at most 100 orders; an id without an answer is absent. Never sent again.

        Raises ProviderRefused, UpstreamUnavailable, UnreadableAnswer; after the latter two it may
        have been carried out if `evidence.phase.may_have_sent`.
        """
        return self._ask_many("cancel", "orders", order_ids, parse_cancels, retries=0)

    def refill(self, order_ids: Sequence[str]) -> dict[str, RefillAccepted | RowError]:
        """Asks to refill at most 100 orders; as `cancel`."""
        return self._ask_many("refill", "orders", order_ids, parse_refills, retries=0)

    # -- reading -----------------------------------------------------------------------------------

    def services(self) -> ServiceList:
        """The provider's list. Raises ProviderRefused, UpstreamUnavailable, UnreadableAnswer."""
        return self._ask(
            "services",
            {},
            parse_services,
            timeout=self._services_timeout,
            max_body=MAX_SERVICES_BODY,
        )

    def balance(self) -> Balance:
        """What we have there. Raises ProviderRefused, UpstreamUnavailable, UnreadableAnswer."""
        return self._ask("balance", {}, parse_balance)

    def statuses(self, order_ids: Sequence[str]) -> dict[str, StatusRow | RowError]:
        """How at most 100 orders stand, in one call. An id without an answer is absent: "not
        answered".

        Raises ProviderRefused, UpstreamUnavailable, UnreadableAnswer.
        """
        return self._ask_many("status", "orders", order_ids, parse_statuses)

    def refill_statuses(self, refill_ids: Sequence[str]) -> dict[str, RefillStatusRow | RowError]:
        """How at most 100 refills stand, by refill id; as `statuses`."""
        return self._ask_many("refill_status", "refills", refill_ids, parse_refill_statuses)

    # -- one exchange ------------------------------------------------------------------------------

    def _ask_many(
        self,
        action: str,
        parameter: str,
        ids: Sequence[str],
        parse: Callable[[str, Sequence[str]], dict[str, T]],
        *,
        retries: int = _RETRIES,
    ) -> dict[str, T]:
        if isinstance(ids, str) or len(ids) > MAX_IDS:
            raise ValueError(f"Ask for a list of at most {MAX_IDS} ids.")
        # An id that is none, or that holds a comma, would ask for other people's orders.
        if any(not one or parse_id(one) != one for one in ids):
            raise ValueError("An id is empty, too long or holds characters that no id has.")
        asked = list(dict.fromkeys(ids))
        if not asked:
            return {}
        return self._ask(
            action,
            {parameter: ",".join(asked)},
            lambda text: parse(text, asked),
            retries=retries,
        )

    def _ask(
        self,
        action: str,
        params: Mapping[str, str],
        parse: Callable[[str], T],
        *,
        timeout: float | None = None,
        max_body: int = MAX_BODY,
        retries: int = _RETRIES,
    ) -> T:
        form = self._form(action, params)
        deadline = time.monotonic() + (self._read_timeout if timeout is None else timeout)
        pause = _FIRST_PAUSE
        while True:
            left = max(deadline - time.monotonic(), 0.001)
            text, failure, evidence = self._exchange(form, timeout=left, max_body=max_body)
            try:
                return judge_reading(parse, text=text, failure=failure, evidence=evidence)
            except UpstreamUnavailable:
                if retries <= 0 or deadline - time.monotonic() <= pause:
                    raise
            time.sleep(pause)
            retries -= 1
            pause *= 2

    def _form(self, action: str, params: Mapping[str, str]) -> bytes:
        if "key" in params or "action" in params:
            raise ValueError("The parameters may not name the key or the action.")
        return urlencode({"key": self._api_key, "action": action, **params}).encode("ascii")

    def _exchange(
        self,
        form: bytes,
        *,
        timeout: float,
        max_body: int = MAX_BODY,
        not_after: float | None = None,
    ) -> tuple[str, str, Evidence]:
        """The answer's text, to be parsed, and why it is incomplete ("" if whole), without the API key."""
        answer = transport.post(
            transport.Request(
                url=self._url,
                form=form,
                user_agent=self._user_agent,
                allow_private=self._allow_private,
                connect_timeout=self._connect_timeout,
                total_timeout=timeout,
                max_body=max_body,
                not_after=not_after,
            )
        )
        text = self._redact.before_parsing(decode_body(answer.body))
        evidence = Evidence(
            phase=answer.phase,
            http_status=answer.http_status,
            # Cut first, far behind where the excerpt ends: the text may be megabytes long.
            body_excerpt=clean_text(self._redact(text[: _EXCERPT * 8]), limit=_EXCERPT, multiline=True),
            elapsed_ms=answer.elapsed_ms,
        )
        return text, self._redact(answer.failure), evidence


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
