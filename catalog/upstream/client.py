"""Client of one provider: the actions of API v2.

`add` is sent at most once per call and always ends in one of four outcomes. `cancel` and `refill` are never repeated
for an id that may have been carried out. Only reading actions are retried. A client holds no connection and no state,
so threads may share it.

Some panels know only `order` or `refill`, not the lists. Refusing a list carries nothing out, so its ids are then sent
one by one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from catalog.upstream.cleaning import parse_id
from catalog.upstream.dialect import READING, STANDARD, Dialect
from catalog.upstream.errors import (
    PROVIDER_WIDE,
    ErrorCode,
    ProviderRefused,
    UnreadableAnswer,
    UpstreamError,
    UpstreamUnavailable,
)
from catalog.upstream.evidence import Evidence
from catalog.upstream.judging import judge_add, judge_reading
from catalog.upstream.parsing import parse_balance
from catalog.upstream.parsing_many import (
    parse_cancels,
    parse_clear_statuses,
    parse_refill_statuses,
    parse_refills,
    parse_statuses,
)
from catalog.upstream.parsing_services import parse_services
from catalog.upstream.results import (
    LIMITED,
    NONE_UNDERSTOOD,
    NOT_ASKED,
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
from catalog.upstream.rows import malformed
from catalog.upstream.sending import MAX_BODY, Redirected, Sender, Sent, TakePermit
from panel.lib.http.calls import CALLS
from panel.lib.http.exchange import Phase

T = TypeVar("T")

MAX_IDS = 100
# Of a provider that is asked about one id at a time: so many answers come in the time for a batch.
MAX_IDS_SINGLY = 20
MAX_SERVICES_BODY = 64_000_000
_RETRIES = 2
_FIRST_PAUSE = 0.2
_MAX_FAILURES = 3


class UpstreamClient:
    """Client of one provider. All timeouts are in seconds for a whole exchange, retries included.

    `url` is the provider's API address: https. With `allow_private` it may be http, and an address that is not public
    (a sandbox on this machine). `dialect` is how the provider's API differs from the standard. `act_timeout` is that of
    cancels and refills, `read_timeout` by default. `take_permit` keeps the provider's limit of requests. `observe` is
    called after each exchange. `currency` is the provider's, if it is known: in some, a point groups thousands. Raise
    ValueError if an address, the key or the user agent cannot be used in a request.
    """

    def __init__(
        self,
        *,
        url: str,
        api_key: str,
        dialect: Dialect = STANDARD,
        user_agent: str = "Panel/1",
        allow_private: bool = False,
        connect_timeout: float = 10.0,
        add_timeout: float = 60.0,
        read_timeout: float = 45.0,
        act_timeout: float | None = None,
        services_timeout: float = 120.0,
        retries: int = _RETRIES,
        take_permit: TakePermit | None = None,
        observe: Callable[[Sent, Evidence], None] | None = None,
        currency: str = "",
    ) -> None:
        self._sender = Sender(
            url=url,
            api_key=api_key,
            dialect=dialect,
            user_agent=user_agent,
            allow_private=allow_private,
            connect_timeout=connect_timeout,
            take_permit=take_permit,
            observe=observe,
        )
        self._dialect = dialect
        self._add_timeout = add_timeout
        self._read_timeout = read_timeout
        self._act_timeout = read_timeout if act_timeout is None else act_timeout
        self._services_timeout = services_timeout
        self._retries = retries
        self._currency = currency

    def __repr__(self) -> str:
        return f"UpstreamClient({self._sender.address.host})"

    @property
    def max_ids(self) -> int:
        """Return how many ids to ask about in one call."""
        return MAX_IDS_SINGLY if self._dialect.asks_singly else MAX_IDS

    # -- adding ------------------------------------------------------------------------------------

    def add(self, params: Mapping[str, str], *, not_after: float | None = None) -> AddOutcome:
        """Send one order, once. Errors of the provider and the network are returned, never raised.

        `params` are as in "`add`, by service type". `not_after` is the `time.monotonic()` at which the lease ends:
        nothing is sent after it. Raise ValueError if `params` hold `key` or `action`, or two of them have one name at
        the provider.
        """
        try:
            text, failure, evidence = self._sender.exchange(
                "add", params, timeout=self._add_timeout, not_after=not_after
            )
        except UnicodeEncodeError:
            evidence = Evidence(Phase.NEW, None, "", 0)
            return NotSent("the parameters hold characters that cannot be sent", evidence)
        outcome = judge_add(text=text, failure=failure, evidence=evidence)
        if isinstance(outcome, NotSent) and evidence.redirect:
            return NotSent(evidence.redirect_words, evidence)
        return outcome

    # -- cancel and refill -------------------------------------------------------------------------

    def cancel(self, order_ids: Sequence[str]) -> dict[str, CancelAccepted | RowError]:
        """Request cancels of at most 100 orders. An id without an answer is absent: it may have been carried out.

        An id that was not sent for lack of time gets a RowError of code THROTTLED. Raise ProviderRefused,
        UpstreamUnavailable or UnreadableAnswer; the cancels may have been carried out if its `may_have_acted` is True.
        """
        return self._ask_many("cancel", "order", order_ids, parse_cancels, retries=0)

    def refill(self, order_ids: Sequence[str]) -> dict[str, RefillAccepted | RowError]:
        """Request refills of at most 100 orders; answers and errors as in `cancel`.

        A refused list is sent again one by one. If the provider then refuses one because of a recent refill, that may
        be the refill which the list started: it counts as not answered.
        """
        answers = self._ask_many("refill", "order", order_ids, parse_refills, retries=0)
        return {one: answer for one, answer in answers.items() if len(order_ids) == 1 or not _is_too_soon(answer)}

    # -- reading -----------------------------------------------------------------------------------

    def services(self) -> ServiceList:
        """Return the provider's list. Raise ProviderRefused, UpstreamUnavailable or UnreadableAnswer."""
        return self._ask(
            "services",
            {},
            partial(parse_services, currency=self._currency),
            timeout=self._services_timeout,
            max_body=MAX_SERVICES_BODY,
        )

    def balance(self) -> Balance:
        """Return our balance there. Raise ProviderRefused, UpstreamUnavailable or UnreadableAnswer."""
        return self._ask("balance", {}, partial(parse_balance, currency=self._currency))

    def statuses(self, order_ids: Sequence[str]) -> dict[str, StatusRow | RowError]:
        """Return the statuses of at most 100 orders, from one call. An id without an answer is absent.

        A refused list is raised, so that the caller can halve it; a single id is also sent as `order`. Raise
        ProviderRefused, UpstreamUnavailable or UnreadableAnswer.
        """
        return self._ask_many("status", "order", order_ids, self._reads(parse_statuses), most_singly=1)

    def clear_statuses(self, order_ids: Sequence[str]) -> dict[str, StatusRow | RowError]:
        """Return the statuses as `statuses`. Raise UnreadableAnswer if not one of the ids is understood."""
        return self._ask_many("status", "order", order_ids, self._reads(parse_clear_statuses), most_singly=1)

    def statuses_singly(self, order_ids: Sequence[str]) -> dict[str, StatusRow | RowError]:
        """Return the statuses of at most 100 orders, each from a call with `order`; a list of one row is about it.

        An id that was not sent for lack of time gets a RowError of code THROTTLED, and so do the others after three
        failures in a row. Raise as `statuses`, if it is the first id that fails.
        """
        return self._ask_many("status", "order", order_ids, self._reads(parse_clear_statuses), only_singly=True)

    def _reads(self, parse: Callable[..., dict[str, T | RowError]]) -> Callable[..., dict[str, T | RowError]]:
        return partial(parse, currency=self._currency)

    def refill_statuses(self, refill_ids: Sequence[str]) -> dict[str, RefillStatusRow | RowError]:
        """Return the statuses of at most 100 refills, by refill id; answers and errors as in `statuses`."""
        return self._ask_many("refill_status", "refill", refill_ids, parse_refill_statuses)

    # -- one exchange ------------------------------------------------------------------------------

    def _ask_many(
        self,
        action: str,
        parameter: str,
        ids: Sequence[str],
        parse: Callable[..., dict[str, T | RowError]],
        *,
        retries: int = _RETRIES,
        most_singly: int = MAX_IDS,
        only_singly: bool = False,
    ) -> dict[str, T | RowError]:
        """Send all ids as a list. If the list is refused and has at most `most_singly` ids, send them one by one.

        One id of a reading action is also sent alone if the list brought no answer about it that is understood: a row
        without an id may be about another.
        """
        if isinstance(ids, str) or len(ids) > MAX_IDS:
            raise ValueError(f"Ask for a list of at most {MAX_IDS} ids.")
        # An invalid id, or one with a comma, would reach other people's orders.
        if any(not one or parse_id(one) != one for one in ids):
            raise ValueError("An id is empty, too long or holds characters that no id has.")
        asked = list(dict.fromkeys(ids))
        if not asked:
            return {}
        # Only what may be asked again may be given up early.
        patience = self._patience(action) if retries else self._act_timeout
        deadline = time.monotonic() + patience
        # Leave time for the answer of the last call.
        begin_until = deadline - patience / 4

        def ask(name: str, part: Sequence[str]) -> dict[str, T | RowError]:
            left = max(deadline - time.monotonic(), 0.001)
            read = partial(parse, singly=True) if action == "status" and name == parameter else parse
            return self._ask(
                action,
                {name: ",".join(part)},
                lambda text: read(text, part),
                timeout=left,
                retries=retries,
                doubt=None if retries else _doubted,
            )

        if self._dialect.asks_singly:
            return _one_by_one(lambda one: ask(parameter, [one]), asked, begin_until, reads=action in READING)
        may_ask_singly = len(asked) <= most_singly
        is_unclear = False
        answers: dict[str, T | RowError] = {}
        try:
            if not only_singly:
                answers = ask(f"{parameter}s", asked)
                is_unclear = _is_unclear(answers.get(asked[0]))
        except ProviderRefused as error:
            if not may_ask_singly or error.code in PROVIDER_WIDE or error.may_have_acted:
                raise
            only_singly = True
        except UnreadableAnswer as error:
            if len(asked) > 1 or action != "status" or error.reason != NONE_UNDERSTOOD:
                raise
            is_unclear = True
        if only_singly:
            return _one_by_one(lambda one: ask(parameter, [one]), asked, begin_until)
        is_unknown = _is_unknown(answers.get(asked[0]))
        if len(asked) == 1 and may_ask_singly and (is_unknown or (is_unclear and action == "status")):
            try:
                return ask(parameter, asked)
            except ProviderRefused:
                if not is_unknown:
                    raise
                # It knows only lists: keep its answer to the list.
        return answers

    def _ask(
        self,
        action: str,
        params: Mapping[str, str],
        parse: Callable[[str], T],
        *,
        timeout: float | None = None,
        max_body: int = MAX_BODY,
        retries: int = _RETRIES,
        doubt: Callable[[T], T] | None = None,
    ) -> T:
        """Return what `parse` reads in the answer, or what `doubt` makes of it if the provider says that it crashed."""
        retries = min(retries, self._retries)
        deadline = time.monotonic() + (self._patience(action) if timeout is None else timeout)
        pause = _FIRST_PAUSE
        failed: UpstreamUnavailable | None = None
        while True:
            left = max(deadline - time.monotonic(), 0.001)
            text, failure, evidence = self._sender.exchange(action, params, timeout=left, max_body=max_body)
            try:
                answer = judge_reading(parse, text=text, failure=failure, evidence=evidence)
                return doubt(answer) if doubt and is_crash(evidence.http_status) else answer
            except UpstreamUnavailable as error:
                if failed and error.reason == LIMITED:
                    raise failed from None  # The provider did fail, before our own limit kept us from asking again.
                failed = error
                if evidence.redirect:
                    raise Redirected(evidence.redirect_words, evidence) from None
                if retries <= 0 or deadline - time.monotonic() <= pause:
                    raise
            time.sleep(pause)
            retries -= 1
            pause *= 2

    def _patience(self, action: str) -> float:
        """Return for how many seconds to wait for an answer to a reading call: less where answers come quickly."""
        return CALLS.patience(self._sender.host(action), longest=self._read_timeout)


def _one_by_one(
    ask: Callable[[str], dict[str, T | RowError]], ids: Sequence[str], begin_until: float, *, reads: bool = False
) -> dict[str, T | RowError]:
    """Send each id once. An id that may have been carried out without an answer is absent.

    Raise the error of the first id if it applies to all of them. With `reads`, raise the last one if no id has an
    answer.
    """
    answers: dict[str, T | RowError] = {}
    failures = 0
    last: UpstreamError | None = None
    for place, one in enumerate(ids):
        if failures >= _MAX_FAILURES or time.monotonic() >= begin_until:
            if reads and last and not answers:
                raise last
            return answers | _not_asked(ids[place:])
        try:
            answers |= ask(one)
            failures = 0
        except UpstreamError as error:
            last = error
            is_first = place == 0
            if is_first and (len(ids) == 1 or not error.may_have_acted) and not _speaks_of_id(error):
                raise
            if error.may_have_acted:
                failures += 1
            elif isinstance(error, ProviderRefused) and error.code not in PROVIDER_WIDE:
                answers[one] = RowError(one, error.code, error.text)
            else:
                return answers | _not_asked(ids[place:])
    if reads and last and not answers:
        raise last
    return answers


def _speaks_of_id(error: UpstreamError) -> bool:
    """Return True if the error is about this id, and not about the provider or the form of the request."""
    about_all = (*PROVIDER_WIDE, ErrorCode.PROTOCOL)
    return isinstance(error, ProviderRefused) and error.code not in about_all and not error.may_have_acted


def _not_asked(ids: Sequence[str]) -> dict[str, RowError]:
    return {one: RowError(one, ErrorCode.THROTTLED, NOT_ASKED) for one in ids}


def _doubted(answers: dict[str, T | RowError]) -> dict[str, T | RowError]:
    """Return the answers of a provider that crashed: what it refuses may have been carried out."""
    return {
        one: malformed(one, answer.text) if isinstance(answer, RowError) else answer for one, answer in answers.items()
    }


def is_crash(http_status: int | None) -> bool:
    """Return True if the request may have failed halfway, or later than the answer."""
    return http_status is not None and (http_status >= 500 or http_status == 408)


def _is_unclear(answer: object) -> bool:
    return answer is None or (isinstance(answer, RowError) and answer.is_malformed)


def _is_too_soon(answer: object) -> bool:
    return isinstance(answer, RowError) and "24 hours" in answer.text


def _is_unknown(answer: object) -> bool:
    return isinstance(answer, RowError) and answer.code in (ErrorCode.UNKNOWN_ORDER, ErrorCode.UNKNOWN_REFILL)
