"""A trial of a provider: ask it every reading action once, and find out which settings it needs.

Nothing is ordered, canceled or refilled, and nothing is stored. Where an answer is not understood, the same is asked in
other ways, and what works goes on to the next action; the settings in which that differs from the provider's are
proposed. What only a person can know, such as the meaning of a number, is a hint.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction

from catalog.models import Provider
from catalog.provider_accounts import dialect_of, trial_client
from catalog.trial.readings import (
    GOOD,
    Reading,
    read_balance,
    read_list,
    read_refill,
    read_services,
    read_status,
    read_unknown,
)
from catalog.upstream.client import UpstreamClient
from catalog.upstream.dialect import Dialect, DialectError, dialect_from_json, dialect_to_json
from catalog.upstream.errors import UpstreamError
from catalog.upstream.evidence import Evidence
from catalog.upstream.sending import Redirected, Sent
from catalog.upstream.standard_text import with_standard_names

# Seconds for the whole trial, and for one request of it.
MAX_SECONDS = 20.0
MAX_STEP_SECONDS = 8.0
_MIN_LEFT = 0.5
MAX_REQUESTS = 30
# An id that no provider has given.
NO_SUCH_ID = "999999999999"
_KEY_NAMES = ("api_key", "token")
_KEY_HEADERS = ("Authorization: Bearer", "X-Api-Key")
_ID_NAMES = {"status": ("order", ("order_id", "id")), "refill_status": ("refill", ("refill_id", "id"))}
# Names that a refusal asks for, and the parameter that is meant.
_WANTED = {"url": "link", "qty": "quantity", "service_id": "service"}
_WORDS = re.compile(r"[a-z_]+")
_MISSING = frozenset(("required", "missing", "provide", "empty", "specify", "enter"))
_STATUS_NUMBER = re.compile(r'"status"\s*+:\s*+"?(-?[0-9]{1,4})"?\s*+[,}]', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, without the key."""

    sent: Sent
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Step:
    """One question of the trial: `tried` says how, if not as the provider is set up."""

    title: str
    tried: str
    exchanges: tuple[Exchange, ...]
    reading: Reading


@dataclass(frozen=True, slots=True)
class Proposal:
    """One setting to change, from what is stored to what worked; None: as usual."""

    setting: str
    seen: Any
    value: Any


@dataclass(slots=True)
class Trial:
    """What a trial found. `hints` are what a person has to enter. `ran_out`: some actions were not asked."""

    steps: list[Step] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    ran_out: bool = False


class ProposalOutdated(Exception):
    """The setting was changed since the trial."""


def run_trial(*, provider: Provider, order_id: str = "", refill_id: str = "", refusals: Sequence[str] = ()) -> Trial:
    """Ask the provider every reading action, for MAX_SECONDS at most, and return what was found.

    `order_id` and `refill_id` are ids that it knows, "" if there are none. `refusals` are texts with which it refused
    orders. Call it outside of any transaction. Raise ProviderUnusable.
    """
    return _Run(provider).run(order_id, refill_id, refusals)


def take_proposals(*, provider: Provider, proposals: Sequence[Proposal]) -> None:
    """Store the settings, all or none.

    Raise ProposalOutdated if one of them was changed since the trial, DialectError if they do not fit.
    """
    with transaction.atomic():
        row = Provider.objects.select_for_update(no_key=True).get(pk=provider.pk)
        stored = dict(row.dialect or {})
        for one in proposals:
            if stored.get(one.setting) != one.seen:
                raise ProposalOutdated
            stored[one.setting] = one.value
            if one.value is None:
                del stored[one.setting]
        dialect = dialect_to_json(dialect_from_json(stored))
        Provider.objects.filter(pk=provider.pk).update(dialect=dialect or None)


@dataclass(frozen=True, slots=True)
class _Question:
    title: str
    action: str
    ask: Callable[[UpstreamClient], Any]
    read: Callable[[Any], Reading]


class _Run:
    """One trial. `dialect` is what has worked so far."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._first = self.dialect = dialect_of(provider)
        self._stop_at = time.monotonic() + MAX_SECONDS
        self._requests = 0
        self.trial = Trial()

    def run(self, order_id: str, refill_id: str, refusals: Sequence[str]) -> Trial:
        currency = self._provider.currency
        reached = self._settle(
            _Question("Balance", "balance", UpstreamClient.balance, lambda found: read_balance(found, currency))
        )
        if reached:
            self._settle(_Question("Services", "services", UpstreamClient.services, read_services))
            self._ask_about_orders(order_id)
            if refill_id:
                self._settle(
                    _Question(
                        f"Status of refill {refill_id}",
                        "refill_status",
                        lambda client: client.refill_statuses([refill_id]),
                        lambda found: read_refill(found, refill_id),
                    )
                )
        self._add_wanted_names(refusals)
        self.trial.proposals = _proposals(self._first, self.dialect)
        return self.trial

    def _ask_about_orders(self, order_id: str) -> None:
        is_understood = False
        if order_id:
            self._settle(
                _Question(
                    f"Status of order {order_id}",
                    "status",
                    lambda client: client.statuses([order_id]),
                    lambda found: read_status(found, order_id),
                )
            )
            is_understood = self.trial.steps[-1].reading.is_understood
            self._hint_at_numbers()
        unknown = _Question(
            "Status of an order that cannot exist",
            "status",
            lambda client: client.statuses([NO_SUCH_ID]),
            lambda found: read_unknown(found, NO_SUCH_ID),
        )
        self._step(unknown, self.dialect)
        if is_understood and not self.dialect.asks_singly:
            both = _Question(
                "Status of both in one list",
                "status",
                lambda client: client.statuses([order_id, NO_SUCH_ID]),
                lambda found: read_list(found, order_id),
            )
            step = self._step(both, self.dialect)
            if step is not None and (not step.reading.is_understood or len(step.exchanges) > 1):
                self._try(both, "one at a time", replace(self.dialect, asks_singly=True))

    # -- one question --------------------------------------------------------------------------------

    def _settle(self, question: _Question) -> bool:
        """Ask, in other ways too while the answer is not understood. Return False if the provider gave no answer."""
        step = self._step(question, self.dialect)
        if step is None or not step.exchanges:
            return False
        last = step.exchanges[-1].evidence
        if last.http_status is None:
            return False
        if last.redirect:
            return False
        if not step.reading.is_understood:
            for words, dialect in _other_ways(question.action, self.dialect, last, self._takes_key):
                if self._try(question, words, dialect):
                    break
        return True

    @property
    def _takes_key(self) -> bool:
        """Return True if an answer was understood: the key is where the provider wants it."""
        return any(step.reading.is_understood for step in self.trial.steps)

    def _try(self, question: _Question, words: str, dialect: Dialect) -> bool:
        """Ask in another way, and keep to it if that is understood."""
        step = self._step(question, dialect, tried=words)
        if step is None or not step.reading.is_understood:
            return False
        self.dialect = dialect
        return True

    def _step(self, question: _Question, dialect: Dialect, *, tried: str = "") -> Step | None:
        """Ask once and keep the step. Return None if there is no time left for it."""
        left = self._stop_at - time.monotonic()
        if left < _MIN_LEFT or self._requests >= MAX_REQUESTS:
            self.trial.ran_out = True
            return None
        exchanges: list[Exchange] = []
        client = trial_client(
            self._provider,
            dialect=dialect,
            seconds=min(left, MAX_STEP_SECONDS),
            observe=lambda sent, evidence: exchanges.append(Exchange(sent, evidence)),
        )
        try:
            found: Any = question.ask(client)
        except UpstreamError as error:
            found = error
        reading = question.read(found)
        self._requests += len(exchanges)
        if isinstance(found, Redirected) and str(found) not in self.trial.hints:
            self.trial.hints.append(str(found))
        step = Step(question.title, tried, tuple(exchanges), reading)
        self.trial.steps.append(step)
        return step

    # -- what follows from the answers ---------------------------------------------------------------

    def _hint_at_numbers(self) -> None:
        """Hint at numbers in the place of a status, which only a person can give a meaning."""
        if not self.trial.steps or self.trial.steps[-1].reading.mood == GOOD:
            return
        texts = [one.evidence.body_excerpt for one in self.trial.steps[-1].exchanges]
        found = {match[1] for text in texts for match in _STATUS_NUMBER.finditer(text)}
        if new := sorted(found - set(self.dialect.status_codes)):
            self.trial.hints.append(
                f"It states the status of an order as a number ({', '.join(new)}). Enter what each means under “How "
                "it speaks”, as its documentation says."
            )

    def _add_wanted_names(self, refusals: Sequence[str]) -> None:
        names = dict(self.dialect.names)
        for parameter, name in wanted_names(refusals).items():
            names.setdefault(parameter, name)
        with contextlib.suppress(DialectError):  # The name may have another meaning there.
            self.dialect = replace(self.dialect, names=names)


def wanted_names(refusals: Sequence[str]) -> dict[str, str]:
    """Return names of parameters that refusals of orders ask for ("The url field is required"), by the standard's."""
    wanted = {}
    for text in refusals:
        words = set(_WORDS.findall(text[:500].lower()))
        for name, parameter in _WANTED.items():
            if name in words and parameter not in words and words & _MISSING:
                wanted[parameter] = name
    return wanted


def _other_ways(action: str, dialect: Dialect, last: Evidence, takes_key: bool) -> Iterator[tuple[str, Dialect]]:
    """Yield other ways to ask the same, the likeliest first, with words for each."""
    text = last.body_excerpt
    if not dialect.any_case and with_standard_names(text) != text:
        yield "names read in any case", replace(dialect, any_case=True)
    if action == "status" and _STATUS_NUMBER.search(text):
        return  # It answered; what the number means, no other way to ask can tell.
    other = "POST" if action in dialect.get_actions else "GET"
    yield f"by {other}", replace(dialect, get_actions=dialect.get_actions ^ {action})
    if not takes_key:
        for name in _KEY_NAMES:
            yield f"with the key as “{name}”", replace(dialect, names={**dialect.names, "key": name}, key_header="")
        for header in _KEY_HEADERS:
            yield f"with the key in the header “{header}”", replace(dialect, key_header=header)
    if action in _ID_NAMES:
        parameter, names = _ID_NAMES[action]
        if not dialect.asks_singly:
            yield "one at a time", replace(dialect, asks_singly=True)
        for name in names:
            renamed = {**dialect.names, parameter: name}
            yield f"with the id as “{name}”, one at a time", replace(dialect, names=renamed, asks_singly=True)


def _proposals(first: Dialect, last: Dialect) -> list[Proposal]:
    before, after = dialect_to_json(first), dialect_to_json(last)
    return [
        Proposal(setting, before.get(setting), after.get(setting))
        for setting in sorted(before.keys() | after.keys())
        if before.get(setting) != after.get(setting)
    ]
