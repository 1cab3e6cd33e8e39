"""Looking for doubtful orders by their ids, at providers where that can be trusted.

Most providers count their orders up for all their customers and answer `status` for a key's own orders alone.
There an order that was placed unknown to us lies between the last id known before it was sent and the first
known after, and is the only one in between that answers. That this holds is checked before each look, with
ids that are known to be ours and ids that are known not to be (`calibrate`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from django.conf import settings
from django.db.models import Exists, F, OuterRef, QuerySet

from catalog.models import Provider
from catalog.provider_accounts import account_of
from catalog.service_types import SPECS
from catalog.upstream.client import MAX_IDS, UpstreamClient
from catalog.upstream.errors import ErrorCode, ProviderRefused
from catalog.upstream.results import RowError, StatusRow
from orders.models import Order, PlacementAttempt
from orders.reconcile.match import Suspect, Window, explained
from orders.states import MAYBE_TAKEN, AttemptOutcome, Placement

WIDEST = 2_000
"""Ids that one look asks about at most: 20 calls."""
KNOWN = 20
FEWEST_KNOWN = 3
FEWEST_FOREIGN = 3
FAR = 10**9
LATE = timedelta(hours=1)
"""How late a provider may carry out a request that we gave up on."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether ids can be looked for; `note` says why not, `is_final` that waiting changes nothing."""

    works: bool
    note: str
    is_final: bool = False


def calibrate(*, client: UpstreamClient, provider: Provider, accounts: Sequence[int]) -> Calibration:
    """Checks that ids count up, that ours answer, and that ids of others are "Incorrect order ID".

    `accounts`: `same_account(provider)`. Raises UpstreamError when the provider does not answer.
    """
    known = list(
        _plainly_placed(account_of(provider))
        .order_by("-started_at")
        .values_list("order__upstream_number", "started_at", "finished_at")[:KNOWN]
    )
    numbered = [(number, began, ended) for number, began, ended in known if number is not None]
    if len(numbered) < len(known):
        return Calibration(False, "Its order ids are no plain numbers.", is_final=True)
    if len(numbered) < FEWEST_KNOWN:
        return Calibration(False, f"Fewer than {FEWEST_KNOWN} of its order ids are known yet.")
    for (later, began, _), (earlier, _, ended) in pairwise(numbered):
        if ended is not None and ended <= began and earlier >= later:
            return Calibration(False, "Its order ids do not count up.", is_final=True)
    numbers = sorted({number for number, _, _ in numbered})
    ours, between = numbers[-FEWEST_KNOWN:], _between(numbers, accounts)
    nobodys = [numbers[-1] + FAR + step for step in range(FEWEST_FOREIGN)]
    try:
        answers = client.statuses([str(number) for number in (*ours, *between, *nobodys)])
    except ProviderRefused as error:
        if error.code is not ErrorCode.UNKNOWN_ORDER:
            raise
        return Calibration(False, "It refuses a whole list for one id that is not ours.", is_final=True)
    if not all(isinstance(answers.get(str(number)), StatusRow) for number in ours):
        return Calibration(False, "It does not answer for orders that are surely ours.")
    maybe_ours = suspects_of(accounts=accounts, since=min(began for _, began, _ in numbered))

    def is_told_apart(number: int) -> bool:
        answer = answers.get(str(number))
        if number in between and isinstance(answer, StatusRow):
            # Perhaps an order of ours that nobody found: a doubt of its own, not a stranger's.
            return explained(answer, maybe_ours)
        return is_unknown(answer)

    if not all(map(is_told_apart, (*between, *nobodys))):
        return Calibration(False, 'It does not say "Incorrect order ID" for ids that are not ours.', is_final=True)
    if sum(is_unknown(answers.get(str(number))) for number in between) < FEWEST_FOREIGN:
        return Calibration(False, "Too few ids between ours are known to be other people's.")
    return Calibration(True, "Ids count up, and only ours are answered for.")


def _between(numbers: Sequence[int], accounts: Sequence[int]) -> list[int]:
    """Ids between ours: other people's, if the provider counts for all."""
    between = [
        number for low, high in reversed(list(pairwise(numbers))) for number in range(low + 1, min(high, low + 4))
    ][: MAX_IDS // 2]
    known = Order.objects.filter(provider__in=accounts, upstream_number__in=between)
    taken = set(known.values_list("upstream_number", flat=True))
    return [number for number in between if number not in taken]


def _plainly_placed(account: str) -> QuerySet[PlacementAttempt]:
    """Sendings to the account that placed their order at once.

    Not the repetition of one that may have been taken: its id may be older than itself. Nor what was bound
    by hand: it may be wrong.
    """
    before = PlacementAttempt.objects.filter(order=OuterRef("order"), pk__lt=OuterRef("pk"), outcome__in=MAYBE_TAKEN)
    return PlacementAttempt.objects.filter(
        ~Exists(before),
        account=account,
        outcome=AttemptOutcome.PLACED,
        order__placement=Placement.PLACED,
        order__claim_token=F("token"),
    )


def is_unknown(answer: StatusRow | RowError | None) -> bool:
    """Whether the provider says that this id is not ours."""
    return isinstance(answer, RowError) and answer.code is ErrorCode.UNKNOWN_ORDER


def window_of(*, order: Order) -> Window | None:
    """Where the doubtful order's id must lie; None where no id of the account is known from before it."""
    sendings = list(order.placement_attempts.filter(outcome__in=MAYBE_TAKEN).order_by("pk"))
    if not sendings:
        return None
    first, last = sendings[0], sendings[-1]
    placed = _plainly_placed(first.account).filter(order__upstream_number__isnull=False)
    # Ids count up, so that the highest is among the latest; and among those alone, for an account that moved.
    before = placed.filter(started_at__lt=first.started_at, finished_at__lte=first.started_at).order_by("-started_at")
    lows = [number or 0 for number in before.values_list("order__upstream_number", flat=True)[:KNOWN]]
    if not lows:
        return None
    low = max(lows)
    after = placed.filter(started_at__gte=_ended(last), order__upstream_number__gt=low).order_by("started_at")
    nexts = after.values_list("order__upstream_number", "order__placed_at")[:KNOWN]
    high, closed_at = min(nexts, key=lambda one: one[0] or 0, default=(None, None))
    return Window(low, high, closed_at)


def sent_elsewhere(*, order: Order, provider: Provider) -> bool:
    """Whether it was sent to another account than the provider has now, where nobody would know it."""
    account = account_of(provider)
    return order.placement_attempts.filter(outcome__in=MAYBE_TAKEN).exclude(account=account).exists()


def _ended(attempt: PlacementAttempt) -> datetime:
    """When the sending was over: of a worker that died, when its lease ended."""
    return attempt.finished_at or attempt.started_at + timedelta(seconds=settings.SUBMISSION_LEASE_SECONDS)


class Prober:
    """Asks for ids, each once a look, in calls of at most 100."""

    def __init__(self, *, client: UpstreamClient, accounts: Sequence[int], seconds: float) -> None:
        self._client = client
        self._accounts = accounts
        self._stop_at = time.monotonic() + seconds
        self.answers: dict[int, StatusRow | None] = {}
        """By id; None: not ours. An id that was not answered for is missing."""

    def ask(self, low: int, high: int) -> bool:
        """Asks for the ids from `low` to `high`, both inclusive, that no order of ours has.

        Whether each was answered for. Raises UpstreamError when the provider does not answer.
        """
        taken = known_numbers(accounts=self._accounts, low=low, high=high)
        wanted = [number for number in range(low, high + 1) if number not in taken]
        new = [number for number in wanted if number not in self.answers]
        for start in range(0, len(new), MAX_IDS):
            if time.monotonic() > self._stop_at:
                break
            numbers = new[start : start + MAX_IDS]
            answers = self._client.statuses([str(number) for number in numbers])
            for number in numbers:
                answer = answers.get(str(number))
                if isinstance(answer, StatusRow):
                    self.answers[number] = answer
                elif is_unknown(answer):
                    self.answers[number] = None
        return all(number in self.answers for number in wanted)

    def orphans(self, low: int, high: int) -> dict[int, StatusRow]:
        """What answered from `low` to `high` and belongs to no order of ours by now."""
        taken = known_numbers(accounts=self._accounts, low=low, high=high)
        return {
            number: row
            for number, row in self.answers.items()
            if row is not None and low <= number <= high and number not in taken
        }


def known_numbers(*, accounts: Sequence[int], low: int, high: int) -> set[int]:
    """The ids from `low` to `high` that orders of ours have."""
    known = Order.objects.filter(provider__in=accounts, upstream_number__gte=low, upstream_number__lte=high)
    return {number for number in known.values_list("upstream_number", flat=True) if number is not None}


def first_sending(order: Order) -> PlacementAttempt | None:
    """The first sending that may have been taken, or else the last one: what was found out is kept beside it."""
    maybe_taken = order.placement_attempts.filter(outcome__in=MAYBE_TAKEN).order_by("pk").first()
    return maybe_taken or order.placement_attempts.first()


def suspects_of(*, accounts: Sequence[int], since: datetime) -> list[Suspect]:
    """Orders of which a sending `since` then may have been taken unknown to us, however they ended.

    Also those that are being sent right now: until their answer is recorded, what they placed is an orphan.
    """
    sendings = (
        PlacementAttempt.objects.filter(
            order__provider__in=accounts, outcome__in=MAYBE_TAKEN, started_at__gte=since - LATE
        )
        .exclude(order__placement=Placement.PLACED, order__claim_token=F("token"))
        .select_related("order__provider")
        .order_by("-started_at")
    )
    return list({one.order_id: suspect_of(order=one.order, sent_at=one.started_at) for one in sendings}.values())


def suspect_of(*, order: Order, sent_at: datetime) -> Suspect:
    """The order as a suspect."""
    spec = SPECS.get(order.service_type)
    return Suspect(order.pk, order, order.exchange_rate, sent_at, spec is None or spec.is_package)
