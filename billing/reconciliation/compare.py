"""Compare a gateway's list of a day with our payments. Pure; amounts are micro-units.

Clocks and polls differ: a payment counts for the day of the gateway's time where its list names it, else for the day on
which we saw it. So the list reaches some hours beyond the day, and what it names there belongs to the days beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from billing.intake.gateways import Effect, Listed
from billing.models.intake import MAX_EXTERNAL_ID, Payment
from panel.lib.money import MAX_MICROS

MAX_CURRENCY = 10
# So many payments in a row that a list lacks at one of its ends say that it may have been cut short.
MIN_CUT = 3

State = Payment.State
_IS_THERE = (Effect.CREDIT, Effect.HOLD)


class Verdict(Enum):
    """What a line of the comparison says. `is_difference`: somebody has to look at it."""

    ONLY_THERE = ("Only at the gateway", True)
    ONLY_HERE = ("Only here", True)
    DIFFERS = ("Differs", True)
    UNREADABLE = ("Cannot be read", True)
    WAITS = ("Waits for staff", False)
    DECIDED = ("Decided by staff", False)
    AGREES = ("Agrees", False)
    NO_MONEY = ("No money came", False)

    def __init__(self, label: str, is_difference: bool) -> None:
        self.label = label
        self.is_difference = is_difference


@dataclass(frozen=True, slots=True)
class Ours:
    """A payment as we have it. `taken_back` is what its reversal says, `is_settled` that staff settled that."""

    pk: int
    external_id: str
    state: str
    currency: str
    came_in: int
    credited: int
    seen_at: datetime
    taken_back: int = 0
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One payment, as both sides have it, and in a sentence what to make of it."""

    verdict: Verdict
    words: str
    theirs: Listed | None = None
    ours: Ours | None = None
    is_at_edge: bool = False


@dataclass(slots=True)
class Comparison:
    """A day. Sums are of payments in the panel's currency; `waits`, `decided` and `taken_back` explain their gap."""

    lines: list[Line] = field(default_factory=list)
    came_in: int = 0
    credited: int = 0
    waits: int = 0
    decided: int = 0
    taken_back: int = 0
    agreed_sum: int = 0
    # Payments that we saw on this day, and that count for a day beside it.
    elsewhere: int = 0
    # Ids that the list names twice with the same figures.
    doubled: int = 0
    cut_short: str = ""

    @property
    def unexplained(self) -> int:
        """What came in and is not credited, and nobody decided so."""
        return self.came_in - self.credited - self.waits - self.decided + self.taken_back

    @property
    def differences(self) -> int:
        return sum(line.verdict.is_difference for line in self.lines)

    def of(self, verdict: Verdict) -> list[Line]:
        return [line for line in self.lines if line.verdict is verdict]


def compare(
    *, listed: Iterable[Listed], ours: Iterable[Ours], begin: datetime, end: datetime, currency: str
) -> Comparison:
    """Compare the day from `begin` to before `end`. `listed` reaches beyond it; `ours` has all that it names."""
    found = Comparison()
    known = {one.external_id: one for one in ours}
    named: dict[str, list[Listed]] = {}
    for row in listed:
        named.setdefault(row.seen.external_id, []).append(row)
    for external_id, rows in named.items():
        one = known.get(external_id)
        row = rows[0]
        if not begin <= row.at < end:
            found.elsewhere += one is not None and begin <= one.seen_at < end
            continue
        is_same = len({(each.seen.came_in, each.seen.currency, each.seen.effect) for each in rows}) == 1
        found.doubled += is_same and len(rows) > 1
        if problem := _problem_of(row) if is_same else "The list names it more than once, with different figures.":
            found.lines.append(Line(Verdict.UNREADABLE, problem, row, one))
            continue
        verdict, words = _judge(row, one)
        is_at_edge = one is not None and not begin <= one.seen_at < end
        found.lines.append(Line(verdict, words, row, one, is_at_edge))
    unlisted = [one for one in known.values() if one.external_id not in named and begin <= one.seen_at < end]
    for one in unlisted:
        verdict, words = _judge_unlisted(one)
        found.lines.append(Line(verdict, words, None, one))
    _add_up(found, currency)
    found.cut_short = _cut_short([rows[0].at for rows in named.values()], unlisted)
    return found


def _problem_of(row: Listed) -> str:
    """Return why a row cannot be a payment, "" if it can."""
    seen = row.seen
    if not 0 < len(seen.external_id) <= MAX_EXTERNAL_ID:
        return "The list gives it no id that could be one."
    if not 0 < len(seen.currency) <= MAX_CURRENCY:
        return "The list gives it no currency that could be one."
    if seen.came_in < 0:
        return "The list gives it an amount below zero. It counts in no sum."
    if seen.came_in > MAX_MICROS:
        return "The list gives it an amount that cannot be. It counts in no sum."
    return ""


def _judge(row: Listed, one: Ours | None) -> tuple[Verdict, str]:
    """Return what the gateway's row and our payment say together."""
    seen = row.seen
    if one is None:
        if seen.effect not in _IS_THERE or seen.came_in == 0:
            return Verdict.NO_MONEY, "Nothing came in for good, and nothing was credited."
        if seen.effect is Effect.HOLD:
            return Verdict.ONLY_THERE, "The gateway holds it for a person, and it is not known here."
        return Verdict.ONLY_THERE, "The gateway has the money, and it is not known here. Nothing was credited."
    if seen.currency != one.currency:
        return Verdict.DIFFERS, f"The gateway has it in {seen.currency}, and it is here in {one.currency}."
    if seen.effect not in _IS_THERE:
        return _judge_without_money(seen.effect, one)
    if seen.came_in != one.came_in:
        return Verdict.DIFFERS, "The figures of what came in differ."
    if one.taken_back:
        return Verdict.DIFFERS, "It was taken back once, and the gateway has it again."
    if one.state == State.HELD:
        return Verdict.WAITS, "Staff decide whether it is credited."
    if one.state == State.DISMISSED:
        return Verdict.DECIDED, "Staff decided not to credit it."
    if one.state == State.GONE:
        return Verdict.DIFFERS, "It is here as one that never came, and the gateway has it."
    if one.credited == 0:
        return Verdict.DIFFERS, "It is being credited. If that does not end soon, look at it."
    if one.credited != one.came_in:
        return Verdict.DIFFERS, "Not all of it is credited."
    if seen.effect is Effect.HOLD:
        return Verdict.DIFFERS, "It is credited, and the gateway holds it for a person."
    return Verdict.AGREES, ""


def _judge_without_money(effect: Effect, one: Ours) -> tuple[Verdict, str]:
    """Return what a payment is that the gateway does not have, or not any more."""
    if one.state == State.HELD and effect is not Effect.WAIT:
        return Verdict.DIFFERS, "It waits for staff, and the gateway does not have the money. Do not credit it."
    if one.credited == 0:
        return Verdict.NO_MONEY, "On its way." if effect is Effect.WAIT else "Nothing came in for good."
    if 0 < one.taken_back < one.credited and effect is not Effect.WAIT:
        return Verdict.DIFFERS, "The gateway does not have any of the money, and here only a part was taken back."
    if one.taken_back and effect is not Effect.WAIT:
        if one.is_settled:
            return Verdict.DECIDED, "The gateway took it back, and staff settled that."
        return Verdict.WAITS, "The gateway took it back. Staff settle it."
    if effect is Effect.WAIT:
        return Verdict.DIFFERS, "It is credited, and at the gateway it is still on its way."
    return Verdict.DIFFERS, "It is credited, and the gateway does not have the money."


def _judge_unlisted(one: Ours) -> tuple[Verdict, str]:
    """Return what a payment is that the gateway does not list."""
    if one.state == State.HELD:
        return Verdict.ONLY_HERE, "It waits for staff. Do not credit it before it is found at the gateway."
    if one.credited == 0:
        return Verdict.NO_MONEY, "Nothing was credited, and the gateway does not list it."
    if one.taken_back >= one.credited and one.is_settled:
        return Verdict.DECIDED, "The gateway took it back, and staff settled that."
    return Verdict.ONLY_HERE, "It is credited, and the gateway does not list it."


def _add_up(found: Comparison, currency: str) -> None:
    """Write the sums of the lines in the panel's currency."""
    for line in found.lines:
        theirs, one = line.theirs, line.ours
        if line.verdict is not Verdict.UNREADABLE and theirs is not None and theirs.seen.currency == currency:
            found.came_in += theirs.seen.came_in if theirs.seen.effect in _IS_THERE else 0
        if one is None or one.currency != currency:
            continue
        found.credited += one.credited
        is_gone = theirs is None or theirs.seen.effect not in _IS_THERE
        if line.verdict is Verdict.AGREES:
            found.agreed_sum += one.credited
        elif one.taken_back and is_gone:
            found.taken_back += min(one.taken_back, one.credited)
        elif line.verdict is Verdict.WAITS:
            found.waits += one.came_in - one.credited
        elif line.verdict is Verdict.DECIDED:
            found.decided += one.came_in - one.credited


def _cut_short(times: Sequence[datetime], unlisted: Sequence[Ours]) -> str:
    """Return in words that the list may have been cut short: all that it lacks lies beyond one of its ends."""
    missing = [one.seen_at for one in unlisted if one.credited]
    if len(missing) < MIN_CUT:
        return ""
    if not times:
        return "The list is empty, and money was credited here. It may not be the whole list."
    if min(missing) > max(times):
        return "All that the list lacks came after its last payment: it may have been cut short."
    if max(missing) < min(times):
        return "All that the list lacks came before its first payment: it may have been cut short."
    return ""
