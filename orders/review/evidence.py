"""Evidence of an order in review, worded so that a person can judge it.

Pure but for the settings: computed from rows read before. It gives no verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from django.utils.timesince import timesince

from orders.models import Order, PlacementAttempt
from orders.states import UNSENT_REVIEWS, ReviewReason, Submission
from panel.lib.formats import moment_text
from panel.lib.http.exchange import Phase
from panel.lib.money import MoneyError, convert_back_up, format_money, micros_up
from panel.site import registry as site

# -- the question to staff ---------------------------------------------------------------------------


def question_for_staff(*, order: Order, sent_at: datetime, now: datetime) -> str:
    """Return what staff must find out and choose, in one sentence, with its age and its deadline."""
    there = order.provider.name
    age = _age(order.review_since or sent_at, now)
    if order.submission == Submission.IN_DOUBT:
        return _question_in_doubt(order, sent_at, now)
    if order.review_reason in UNSENT_REVIEWS:
        until = moment_text(order.queued_at + timedelta(hours=site.QUEUE_LIMIT_HOURS.value))
        is_loss = order.review_reason == ReviewReason.WOULD_LOSE
        most = "the customer paid" if is_loss else f"{there}'s limit of a day"
        return (
            f"Choose whether this order is worth sending: it has waited for {age} because it would cost more than "
            f"{most}, and without a decision it is canceled and refunded at {until}."
        )
    if order.review_reason == ReviewReason.UNKNOWN_ERROR:
        return (
            f"Find out what {there} meant, then choose below: {age} ago it refused this order with words that "
            "the panel does not know."
        )
    return f"Find out whether {there} has this order, then choose below: it was sent before, and has waited for {age}."


def _question_in_doubt(order: Order, sent_at: datetime, now: datetime) -> str:
    there, age = order.provider.name, _age(sent_at, now)
    deadline = order.doubt_until or now
    until = moment_text(deadline)
    if not order.review_reason:
        return (
            f"Choose only if you know already whether {there} has this order: it was sent {age} ago without a clear "
            f"answer, and the panel searches for it by itself until {until}."
        )
    passed = "passed" if deadline <= now else "is"
    return (
        f"Find out whether {there} has this order, then choose below: it was sent {age} ago without a clear answer, "
        f"nothing resolved it since, and its deadline {passed} at {until}."
    )


def _age(since: datetime, now: datetime) -> str:
    return timesince(since, now, depth=1) if now - since >= timedelta(minutes=1) else "less than a minute"


# -- each attempt ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Badge:
    """Words with a meaning (neutral, info, success, warning) and an icon."""

    words: str
    meaning: str
    icon: str


NOTHING_SENT = Badge("Nothing was sent", "neutral", "block")
NO_ANSWER = Badge("It may have arrived, no answer", "warning", "help")
ANSWERED = Badge("Answered", "info", "reply")


def phase_badge(phase: str) -> Badge:
    """Return how far a request came. An unrecorded phase may be any of them."""
    if phase not in set(Phase):
        return NO_ANSWER
    if phase == Phase.ANSWERED:
        return ANSWERED
    return NO_ANSWER if Phase(phase).may_have_sent else NOTHING_SENT


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One attempt of the order. `answer` and `body` are the provider's own words: untrusted text."""

    at: datetime
    reach: Badge
    http_status: int | None
    answer: str
    body: str
    request_id: str


def attempt_line(attempt: PlacementAttempt) -> AttemptLine:
    return AttemptLine(
        at=attempt.started_at,
        reach=phase_badge(attempt.phase),
        http_status=attempt.http_status,
        answer=attempt.detail,
        body=attempt.body,
        request_id=attempt.request_id,
    )


# -- the search --------------------------------------------------------------------------------------

AGREES = Badge("Agrees", "success", "check")
OTHER_CHARGE = Badge("Agrees, but for its charge", "warning", "price_change")
DISAGREES = Badge("Does not agree", "neutral", "close")


@dataclass(frozen=True, slots=True)
class Orphan:
    """An unknown order at the provider that is ours. `agrees` says whether it could be this one."""

    id: str
    status: str
    remains: str
    charge: str
    agrees: Badge


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """Results so far of the search for the order by its ids."""

    count: int
    last: datetime | None
    asked_from: int | None
    asked_to: int | None
    note: str
    orphans: tuple[Orphan, ...]

    @property
    def likely_id(self) -> str:
        """Return the id of the only orphan that agrees; "" if there is none or more than one."""
        agreeing = [orphan.id for orphan in self.orphans if orphan.agrees is AGREES]
        return agreeing[0] if len(agreeing) == 1 else ""


def search_progress(attempt: PlacementAttempt | None, *, taken: Collection[str], currency: str) -> SearchProgress:
    """Return the search results kept on this attempt, without orphans whose id another order now has (`taken`)."""
    if attempt is None:
        return SearchProgress(0, None, None, None, "", ())
    return SearchProgress(
        count=attempt.searches,
        last=attempt.searched_at,
        asked_from=attempt.probed_from,
        asked_to=attempt.probed_to,
        note=attempt.search_note,
        orphans=tuple(_orphan(found, currency) for found in attempt.orphans if found["id"] not in taken),
    )


def _orphan(found: dict[str, object], currency: str) -> Orphan:
    remains, charge = found["remains"], found["charge"]
    return Orphan(
        id=str(found["id"]),
        status=str(found["status"]),
        remains="—" if remains is None else f"{remains:,}",
        charge="—" if charge is None else _charge(str(charge), currency),
        agrees=_agreement(found),
    )


def _agreement(found: dict[str, object]) -> Badge:
    """Return how an orphan agrees. A rate that rose and was not imported yet changes the charge alone."""
    if found["agrees"]:
        return AGREES
    return OTHER_CHARGE if found.get("remains_agree") and found["charge"] is not None else DISAGREES


def _charge(text: str, currency: str) -> str:
    """Return the provider's charge as money; unchanged if it is out of range."""
    try:
        return _shown(micros_up(Decimal(text)), currency)
    except (MoneyError, InvalidOperation):
        return f"{text} {currency}"


# -- the balance at the provider ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OtherOrder:
    """An order sent to the same provider between the two balances.

    `cost` is its expected cost in micro-units of the panel's currency; `is_sure`: the provider accepted it.
    """

    cost: int
    is_sure: bool


@dataclass(frozen=True, slots=True)
class BalanceHint:
    """The provider's balance before and after, and what it should be with and without the order.

    Micro-units of the provider's currency; None if unknown.
    """

    before: int | None
    before_at: datetime | None
    after: int | None
    after_at: datetime | None
    others: int
    others_cost: int | None
    unsure: int
    unsure_cost: int | None
    own_cost: int | None

    @property
    def if_not_accepted(self) -> int | None:
        if self.before is None or self.after is None or self.others_cost is None:
            return None
        return self.before - self.others_cost

    @property
    def if_accepted(self) -> int | None:
        without = self.if_not_accepted
        return None if without is None or self.own_cost is None else without - self.own_cost

    def apart(self, expected: int | None) -> int | None:
        """Return how much more the balance is than `expected`, in the provider's micro-units."""
        return None if self.after is None or expected is None else self.after - expected


def balance_hint(
    *, attempt: PlacementAttempt | None, expected_cost: int, others: Iterable[OtherOrder], exchange_rate: int
) -> BalanceHint | None:
    """Return what the two balances of this attempt show; None if it has neither.

    `expected_cost` is the order's own, in micro-units of the panel's currency.
    """
    if attempt is None or (attempt.balance_before is None and attempt.balance_after is None):
        return None
    listed = list(others)
    sure = [one.cost for one in listed if one.is_sure]
    unsure = [one.cost for one in listed if not one.is_sure]
    return BalanceHint(
        before=attempt.balance_before,
        before_at=attempt.balance_before_at,
        after=attempt.balance_after,
        after_at=attempt.balance_after_at,
        others=len(sure),
        others_cost=cost_there(sum(sure), exchange_rate),
        unsure=len(unsure),
        unsure_cost=cost_there(sum(unsure), exchange_rate),
        own_cost=cost_there(expected_cost, exchange_rate),
    )


def cost_there(micros: int, exchange_rate: int) -> int | None:
    """Convert the panel's micro-units to the provider's, rounded up; None if no column could hold it."""
    try:
        return convert_back_up(micros, exchange_rate)
    except MoneyError:
        return None


@dataclass(frozen=True, slots=True)
class BalanceLine:
    """One line of the balance calculation, as text."""

    label: str
    amount: str
    note: str = ""


def balance_lines(hint: BalanceHint, currency: str) -> list[BalanceLine]:
    """Return the hint as lines for a reader to compare."""
    spent = None if hint.others_cost is None else -hint.others_cost
    return [
        BalanceLine("Before it was sent", _shown(hint.before, currency), _at(hint.before_at)),
        BalanceLine("Others sent in between should have cost", _shown(spent, currency), _orders(hint.others)),
        *(
            BalanceLine(label, _shown(expected, currency), _apart(hint.apart(expected), currency))
            for label, expected in (
                ("If it was not accepted, there would be", hint.if_not_accepted),
                ("If it was accepted, there would be", hint.if_accepted),
            )
        ),
        BalanceLine("What was there afterwards", _shown(hint.after, currency), _at(hint.after_at)),
    ]


def not_counted(hint: BalanceHint, currency: str) -> str:
    """Return the orders in between that may have been accepted too; "" if there are none."""
    if not hint.unsure:
        return ""
    cost = _shown(hint.unsure_cost, currency)
    return f"Not counted: {_orders(hint.unsure)} that may have been accepted too, for {cost}."


def _orders(count: int) -> str:
    return "1 order" if count == 1 else f"{count:,} orders"


def _shown(micros: int | None, currency: str) -> str:
    return "—" if micros is None else format_money(micros, currency, exact=True)


def _at(moment: datetime | None) -> str:
    return moment_text(moment) if moment else ""


def _apart(more: int | None, currency: str) -> str:
    if more is None:
        return ""
    if more == 0:
        return "exactly what was there"
    return f"{_shown(abs(more), currency)} {'more' if more > 0 else 'less'} was there"
