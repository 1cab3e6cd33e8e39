"""Searching for orders in doubt at their provider, by order id.

Most providers number the orders of all customers in sequence and answer `status` only for the orders of the key. There,
an accepted order whose answer was lost has an id between the last id known from before its sending and the first known
from after it, and is the only unknown id in between that answers. `calibrate` checks this before each search.

The order of reading keeps matches safe: first the provider's rows, then the candidates, then the known ids. An answer
that is recorded meanwhile makes an orphan a known id. One that is not recorded yet makes a candidate, and with two
candidates nothing is bound.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import structlog
from django.db.models import Exists, OuterRef, QuerySet

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, account_of, client_for, same_account
from catalog.upstream.client import MAX_IDS, UpstreamClient
from catalog.upstream.errors import ErrorCode, ProviderRefused, UpstreamError
from catalog.upstream.results import RowError, StatusRow
from orders.checkout.create import cost_of_order
from orders.common.stops import is_restored
from orders.common.transitions import OrderMoved
from orders.models import Order, PlacementAttempt
from orders.models.attempts import ACCEPTED, may_be_after_backup
from orders.reckoning.explain import expected_range
from orders.reckoning.reckon import is_unexplained
from orders.reconcile.absence import is_absent, refund_absent, was_only_refused
from orders.reconcile.findings import evidence_attempt, give_up, note_search, read_balance, shown_orphans
from orders.reconcile.match import Candidate, IdWindow, agrees, candidate_of, sole_match
from orders.review.decisions import ReviewError, bind_upstream_id
from orders.states import MAYBE_ACCEPTED, AttemptOutcome, Submission
from panel.lib import clock
from panel.site.leases import longest_lease_since

log = structlog.get_logger(__name__)

# Seconds that one search may take, about: in a round, and while staff wait.
MAX_SECONDS = 135.0
MAX_STAFF_SECONDS = 24.0
# How many ids a search relies on: the latest that are ours, and ids that are not.
MAX_KNOWN = 20
MIN_KNOWN = 3
MIN_FOREIGN = 3
# An id this far above ours does not exist.
FAR_ABOVE = 10**9
# How late a provider may still accept a request that we gave up on.
MAX_DELAY = timedelta(hours=1)
_ABSENT = "It was refused, and none of the ids that it could have is an order of ours that is not accounted for."
_OLD_ACCOUNT = "It was sent to another account there than the one that is set up now, so this one tells nothing of it."


def search_for(*, provider: Provider, doubts: Sequence[Order], max_seconds: float = MAX_SECONDS) -> int:
    """Search for orders in doubt by their ids, for about `max_seconds`, and bind those that match. Return how many.

    Sends only actions that read. Errors of the provider are noted for staff, not raised.
    """
    if not doubts:
        return 0
    try:
        client = client_for(provider, read_timeout=max_seconds / 3)
        return _search(provider, client, doubts, max_seconds)
    except (UpstreamError, ProviderUnusable) as error:
        for order in doubts:
            note_search(order, f"The provider could not be asked: {error}")
        return 0


def search_now(*, order: Order) -> bool:
    """Search for an order while staff wait. Return True if it was bound. Raise ReviewError if it is not in doubt."""
    if order.submission != Submission.IN_DOUBT:
        raise ReviewError("This order is not in doubt.")
    return bool(search_for(provider=order.provider, doubts=[order], max_seconds=MAX_STAFF_SECONDS))


def check_id(*, order: Order, upstream_id: str) -> None:
    """Raise ReviewError if another order has the id that staff want to bind, or the provider denies that it is ours.

    If the provider does not answer, the id passes: staff may know better.
    """
    accounts = same_account(order.provider)
    if Order.objects.filter(provider__in=accounts, upstream_id=upstream_id).exclude(pk=order.pk).exists():
        raise ReviewError(f"Another order is already bound to {upstream_id}.")
    try:
        if _sent_to_other_account(order, order.provider):
            return
        answers = client_for(order.provider, read_timeout=MAX_STAFF_SECONDS / 3).statuses([upstream_id])
    except (UpstreamError, ProviderUnusable, ValueError):
        return
    if _is_denied(answers.get(upstream_id)):
        raise ReviewError(f"{order.provider.name} says that it has no order {upstream_id} of ours.")


# -- one search --------------------------------------------------------------------------------------


def _search(provider: Provider, client: UpstreamClient, doubts: Sequence[Order], max_seconds: float) -> int:
    balance = read_balance(provider, client, doubts)
    accounts = same_account(provider)
    obstacle = _obstacle(provider, client, accounts)
    if obstacle:
        for order in doubts:
            if obstacle.is_final:
                give_up(provider, order, obstacle.note)
            else:
                note_search(order, obstacle.note)
        return 0
    ids = ProviderIds(client=client, accounts=accounts, max_seconds=max_seconds / 3)
    # Before any id is asked: an answer that is recorded meanwhile may make a lost one a refusal.
    refused = {order.pk for order in doubts if was_only_refused(order)}
    searched: list[tuple[Order, IdWindow]] = []
    for order in doubts:
        window = window_of(order=order)
        if _sent_to_other_account(order, provider):
            give_up(provider, order, _OLD_ACCOUNT)
        elif window is None:
            note_search(
                order, "No order that the provider accepted before it is known, so there is no id to begin with."
            )
        elif window.is_too_wide:
            ends = f"{window.low} and {window.high}"
            give_up(provider, order, f"Others ordered too much meanwhile: its id may be any between {ends}.")
        elif ids.ask(window.first, window.last):
            searched.append((order, window))
        else:
            note_search(order, "The provider did not answer for every id.")
    if not searched:
        return 0
    # Read the candidates before the known ids: see the module's docstring.
    since = min(attempt.started_at for order, _ in searched if (attempt := evidence_attempt(order)))
    candidates = candidates_of(accounts=accounts, since=since)
    # Where more money is missing than our orders explain, an orphan may be somebody else's.
    may_bind = not is_unexplained(provider=provider, balance=balance)
    resolved = 0
    for order, window in searched:
        if _match_and_bind(order, window, candidates, ids, may_bind=may_bind):
            resolved += 1
        elif order.pk in refused and may_bind and balance is not None:
            resolved += _refund_if_absent(provider, order, ids)
    return resolved


def _refund_if_absent(provider: Provider, order: Order, ids: ProviderIds) -> bool:
    """Refund an order that was only refused and is surely not there. Return True if so."""
    is_restore = is_restored(provider_id=order.provider_id) or may_be_after_backup(order)
    window = window_of(order=order, delay=MAX_DELAY)
    if window is None or window.high is None or window.is_too_wide or not ids.ask(window.first, window.last):
        return False
    orphans = ids.orphans(window.first, window.last)
    is_explained = not is_restore and expected_range(provider=provider) is not None
    if not is_absent(window=window, orphans=len(orphans), is_explained=is_explained):
        return False
    note_search(order, _ABSENT, probed_from=window.first, probed_to=window.last, orphans=[])
    return refund_absent(order=order, window=window)


def _match_and_bind(
    order: Order, window: IdWindow, candidates: Sequence[Candidate], ids: ProviderIds, *, may_bind: bool
) -> bool:
    """Bind the order to the orphan that matches, if we may, and note the result for staff. Return True if bound."""
    orphans = ids.orphans(window.first, window.last)
    is_restore = is_restored(provider_id=order.provider_id) or may_be_after_backup(order)
    doubt = next((one for one in candidates if one.order_id == order.pk), None)
    found = sole_match(doubt=doubt, window=window, candidates=candidates, orphans=orphans) if doubt else None
    note = f"Asked for the ids from {window.first} to {window.last}: "
    if found and is_restore:
        # It may be the order of a customer whose order the backup does not have.
        note += f"{found} agrees with this order. After a restore you decide whether it is."
        found = None
    elif found and not may_bind:
        note += f"{found} agrees with this order, but more money is missing there than our orders explain. "
        note += "Something else orders with our key, and it may be its order."
        found = None
    elif found:
        note += f"{found} is this order."
    elif orphans:
        note += f"{len(orphans):,} of ours are not accounted for, and none is surely this order."
    else:
        note += "none of them is an order of ours that is not accounted for."
        note += "" if window.high is None else " If the provider took it late, its id is higher."
    note_search(order, note, probed_from=window.first, probed_to=window.last, orphans=shown_orphans(doubt, orphans))
    if not found:
        return False
    text = f"Found at the provider as {found}: the one order of ours there that nothing else accounts for"
    try:
        bind_upstream_id(order=order, upstream_id=str(found), text=text)
    except (OrderMoved, ReviewError):
        return False  # It was resolved otherwise meanwhile.
    log.info("doubt resolved by its id", order=order.pk, upstream_id=found)
    return True


# -- obstacles ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why ids cannot be searched. `is_final`: waiting will not help."""

    note: str
    is_final: bool = True


def _obstacle(provider: Provider, client: UpstreamClient, accounts: Sequence[int]) -> Obstacle | None:
    """Return why the provider's ids cannot be searched now, or None. Store the result of `calibrate` for staff."""
    if not provider.probes_ids:
        return Obstacle("Looking for doubtful orders is switched off there.")
    obstacle = calibrate(client=client, provider=provider, accounts=accounts)
    Provider.objects.filter(pk=provider.pk).update(
        probe_works=obstacle is None,
        probe_note=obstacle.note if obstacle else "Ids count up, and only ours are answered for.",
        probe_checked_at=clock.now(),
    )
    return obstacle


def calibrate(*, client: UpstreamClient, provider: Provider, accounts: Sequence[int]) -> Obstacle | None:
    """Return None if ids count up, ours are answered and others' are "Incorrect order ID"; else the obstacle.

    `accounts` are the provider ids from `same_account(provider)`. Raise UpstreamError if the provider does not answer.
    """
    known = list(
        _accepted_at_once(account_of(provider))
        .order_by("-started_at")
        .values_list("order__upstream_number", "started_at", "finished_at")[:MAX_KNOWN]
    )
    numbered = [(number, began, ended) for number, began, ended in known if number is not None]
    if len(numbered) < len(known):
        return Obstacle("Its order ids are no plain numbers.")
    if len(numbered) < MIN_KNOWN:
        return Obstacle(f"Fewer than {MIN_KNOWN} of its order ids are known yet.", is_final=False)
    for (later, began, _), (earlier, _, ended) in pairwise(numbered):
        if ended is not None and ended <= began and earlier >= later:
            return Obstacle("Its order ids do not count up.")
    numbers = sorted({number for number, _, _ in numbered})
    ours, between = numbers[-MIN_KNOWN:], _between(numbers, accounts)
    unused = [numbers[-1] + FAR_ABOVE + step for step in range(MIN_FOREIGN)]
    try:
        answers = client.statuses([str(number) for number in (*ours, *between, *unused)])
    except ProviderRefused as error:
        if error.code is not ErrorCode.UNKNOWN_ORDER:
            raise
        return Obstacle("It refuses a whole list for one id that is not ours.")
    if any(isinstance(answer, RowError) and answer.is_not_asked for answer in answers.values()):
        return Obstacle("There was no time to ask it about enough ids.", is_final=False)
    if not all(isinstance(answers.get(str(number)), StatusRow) for number in ours):
        return Obstacle("It does not answer for orders that are surely ours.", is_final=False)
    candidates = candidates_of(accounts=accounts, since=min(began for _, began, _ in numbered))
    for number in (*between, *unused):
        answer = answers.get(str(number))
        # An id in between may be an order of ours that is in doubt itself.
        may_be_ours = isinstance(answer, StatusRow) and any(agrees(one, answer) for one in candidates)
        if not (may_be_ours and number in between) and not _is_denied(answer):
            return Obstacle('It does not say "Incorrect order ID" for ids that are not ours.')
    if sum(_is_denied(answers.get(str(number))) for number in between) < MIN_FOREIGN:
        return Obstacle("Too few ids between ours are known to be other people's.", is_final=False)
    return None


def _between(numbers: Sequence[int], accounts: Sequence[int]) -> list[int]:
    """Return unknown ids between ours, which are other customers' if the provider numbers all orders in sequence."""
    between = [
        number for low, high in reversed(list(pairwise(numbers))) for number in range(low + 1, min(high, low + 4))
    ][: MAX_IDS // 2]
    known = Order.objects.filter(provider__in=accounts, upstream_number__in=between)
    taken = set(known.values_list("upstream_number", flat=True))
    return [number for number in between if number not in taken]


def _accepted_at_once(account: str) -> QuerySet[PlacementAttempt]:
    """Return the attempts at the account that were accepted and are the first that may have been.

    Repetitions are left out, as their id may be older than they are, and so are ids that staff bound, which may be
    wrong.
    """
    earlier = PlacementAttempt.objects.filter(
        order=OuterRef("order"), pk__lt=OuterRef("pk"), outcome__in=MAYBE_ACCEPTED
    )
    return PlacementAttempt.objects.filter(ACCEPTED, ~Exists(earlier), account=account, outcome=AttemptOutcome.ACCEPTED)


def _is_denied(answer: StatusRow | RowError | None) -> bool:
    """Return True if the provider says that this id is not ours."""
    return isinstance(answer, RowError) and answer.code is ErrorCode.UNKNOWN_ORDER


# -- windows, ids and candidates ---------------------------------------------------------------------


def window_of(*, order: Order, delay: timedelta = timedelta(0)) -> IdWindow | None:
    """Return the window of ids for an order in doubt; None if no id of the account is known from before it.

    It ends at the id of an order that was sent `delay` after it: with more delay, that of a late acceptance is in it.
    """
    attempts = list(order.submission_attempts.filter(outcome__in=MAYBE_ACCEPTED).order_by("pk"))
    if not attempts:
        return None
    first, last = attempts[0], attempts[-1]
    known = _accepted_at_once(first.account).filter(order__upstream_number__isnull=False)
    # Ids count up, so the highest is among the latest. Older ones may be from before the account's numbering changed.
    before = known.filter(started_at__lt=first.started_at, finished_at__lte=first.started_at).order_by("-started_at")
    lows = [number or 0 for number in before.values_list("order__upstream_number", flat=True)[:MAX_KNOWN]]
    if not lows:
        return None
    low = max(lows)
    # An attempt without an end is from a worker that died: it was over when its lease ended, whatever a lease is now.
    ended = last.finished_at or last.started_at + longest_lease_since(last.started_at)
    after = known.filter(started_at__gte=ended + delay, order__upstream_number__gt=low).order_by("started_at")
    nexts = after.values_list("order__upstream_number", "order__accepted_at")[:MAX_KNOWN]
    high, closed_at = min(nexts, key=lambda one: one[0] or 0, default=(None, None))
    return IdWindow(low, high, closed_at)


def _sent_to_other_account(order: Order, provider: Provider) -> bool:
    """Return True if the order may be at another account than the provider has now, which does not know it."""
    account = account_of(provider)
    return order.submission_attempts.filter(outcome__in=MAYBE_ACCEPTED).exclude(account=account).exists()


class ProviderIds:
    """The provider's answers by id. Each id is polled once, in calls of at most MAX_IDS."""

    def __init__(self, *, client: UpstreamClient, accounts: Sequence[int], max_seconds: float) -> None:
        self._client = client
        self._accounts = accounts
        self._stop_at = time.monotonic() + max_seconds
        # None: not ours. An id without an answer is missing.
        self.answers: dict[int, StatusRow | None] = {}

    def ask(self, low: int, high: int) -> bool:
        """Poll the ids from `low` to `high`, both inclusive, that no order of ours has.

        Return True if each was answered. Raise UpstreamError if the provider does not answer.
        """
        known = self._known_ids(low, high)
        unknown = [number for number in range(low, high + 1) if number not in known]
        new = [number for number in unknown if number not in self.answers]
        for start in range(0, len(new), MAX_IDS):
            if time.monotonic() > self._stop_at:
                break
            numbers = new[start : start + MAX_IDS]
            answers = self._client.statuses([str(number) for number in numbers])
            for number in numbers:
                answer = answers.get(str(number))
                if isinstance(answer, StatusRow):
                    self.answers[number] = answer
                elif _is_denied(answer):
                    self.answers[number] = None
        return all(number in self.answers for number in unknown)

    def orphans(self, low: int, high: int) -> dict[int, StatusRow]:
        """Return the rows of ids from `low` to `high`, both inclusive, that no order of ours has by now."""
        known = self._known_ids(low, high)
        return {
            number: row
            for number, row in self.answers.items()
            if row is not None and low <= number <= high and number not in known
        }

    def _known_ids(self, low: int, high: int) -> set[int | None]:
        orders = Order.objects.filter(provider__in=self._accounts, upstream_number__gte=low, upstream_number__lte=high)
        return set(orders.values_list("upstream_number", flat=True))


def candidates_of(*, accounts: Sequence[int], since: datetime) -> list[Candidate]:
    """Return the orders sent after `since`, less MAX_DELAY, that the provider may have accepted without us knowing.

    Any status counts, and so do orders being sent now: until the answer is recorded, their id is an orphan.
    """
    attempts = (
        PlacementAttempt.objects.filter(
            order__provider__in=accounts, outcome__in=MAYBE_ACCEPTED, started_at__gte=since - MAX_DELAY
        )
        .exclude(ACCEPTED)
        .select_related("order__provider", "order__service__upstream")
        .order_by("-started_at")
    )
    # The earliest attempt of an order comes last, so it stays in the dict.
    found = {
        one.order_id: candidate_of(order=one.order, sent_at=one.started_at, cost_now=cost_now(one.order))
        for one in attempts
    }
    return list(found.values())


def cost_now(order: Order) -> int | None:
    """Return what the order would cost at its service's present rate; None if the service has none, or resells another.

    Micro-units.
    """
    service = order.service
    if service.cost <= 0 or service.upstream.external_id != order.upstream_service_id:
        return None
    return cost_of_order(service=service, quantity=order.quantity)
