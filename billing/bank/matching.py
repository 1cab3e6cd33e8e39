"""Which request a line of a bank statement is for: proposals, how sure they are, and why. Reads only.

Sure is only what nobody but us can have written: our code, and the amount with it. What a customer typed as a
reference, another customer can type as well; an amount alone may be anybody's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import IntEnum

from django.db.models import Count, QuerySet

from billing.models import BankLine, Deposit, PaymentMethod
from billing.references import codes_in
from panel.lib.panel_days import panel_day

MAX_PROPOSALS = 5
# Requests that are looked through, the newest; more of one method do not wait.
MAX_WAITING = 5_000
# Customers may pay before they say so, and banks take their time.
MAX_EARLY, MAX_LATE = timedelta(days=3), timedelta(days=30)
# Letters and digits of a customer's reference, below which it may be anywhere in a text.
MIN_REFERENCE = 6


class Sureness(IntEnum):
    """How likely a proposal is right. The highest is approved together with others."""

    POSSIBLE = 1
    LIKELY = 2
    SURE = 3


@dataclass(frozen=True, slots=True)
class Proposal:
    """A request that a line may be for."""

    deposit: Deposit
    sureness: Sureness
    why: str


@dataclass(frozen=True, slots=True)
class Matched:
    """A line with its proposals, the best first. `hint`: what the text says that no proposal can follow."""

    line: BankLine
    proposals: Sequence[Proposal]
    hint: str = ""

    @property
    def best(self) -> Proposal | None:
        return self.proposals[0] if self.proposals else None

    @property
    def is_sure(self) -> bool:
        return self.best is not None and self.best.sureness is Sureness.SURE


def waiting_lines(*, method: PaymentMethod) -> QuerySet[BankLine]:
    """Return the lines that wait for staff, the oldest first."""
    return BankLine.objects.filter(method=method, state=BankLine.State.WAITING).order_by("day", "pk")


def match_lines(*, method: PaymentMethod, lines: Sequence[BankLine]) -> list[Matched]:
    """Return the lines with their proposals. The number of statements does not grow with theirs."""
    waiting = _with_customer(Deposit.objects.filter(method=method, state=Deposit.State.PENDING))
    requests = list(waiting.order_by("-pk")[:MAX_WAITING])
    coded = _coded(lines)
    by_amount: dict[int, list[Deposit]] = defaultdict(list)
    for request in requests:
        by_amount[request.to_pay].append(request)
    amounts = {line.amount for line in lines}
    waiting_ones = waiting_lines(method=method).filter(amount__in=amounts).order_by()
    counts = dict(waiting_ones.values_list("amount").annotate(lines=Count("pk")))
    decided, twins = _decided_by_hand(method, lines), _twins(method, lines)
    matched = [
        _match(
            line,
            requests,
            coded,
            by_amount[line.amount],
            is_only=counts.get(line.amount, 0) <= 1,
            decided=[one for one in decided[line.amount] if _is_near(line, one)],
            twin=twins.get(line.digest),
        )
        for line in lines
    ]
    return _once_each(matched)


def match_line(*, line: BankLine) -> Matched:
    """Return the line with its proposals, as sure as among all lines of its method that wait."""
    # Lines of another amount make no difference to it.
    others = waiting_lines(method=line.method).filter(amount=line.amount).exclude(pk=line.pk)
    lines = sorted([line, *others], key=lambda one: (one.day, one.pk))
    return match_lines(method=line.method, lines=lines)[lines.index(line)]


def _with_customer(deposits: QuerySet[Deposit]) -> QuerySet[Deposit]:
    return deposits.select_related("customer", "method", "redemption")


def _coded(lines: Sequence[BankLine]) -> dict[str, Deposit]:
    """Return the requests whose code stands in any of the texts, of any state and method."""
    codes = sorted({code for line in lines for code in codes_in(line.text)})
    found: dict[str, Deposit] = {}
    for start in range(0, len(codes), 500):
        for deposit in _with_customer(Deposit.objects.filter(code__in=codes[start : start + 500])):
            found[deposit.code or ""] = deposit
    return found


def _decided_by_hand(method: PaymentMethod, lines: Sequence[BankLine]) -> dict[int, list[Deposit]]:
    """Return the requests that were approved without a line, near the lines and with their amounts, by amount."""
    found: dict[int, list[Deposit]] = defaultdict(list)
    if lines:
        approved = Deposit.objects.filter(method=method, state=Deposit.State.APPROVED, bank_line=None)
        # Days of the panel may begin some hours before or after those of UTC.
        first = min(line.day for line in lines) - MAX_LATE - timedelta(days=1)
        for one in approved.filter(credited__in={line.amount for line in lines}, created_at__date__gte=first):
            found[one.credited or 0].append(one)
    return found


def _twins(method: PaymentMethod, lines: Sequence[BankLine]) -> dict[str, BankLine]:
    """Return the same lines as they came for other methods, by digest: one file was brought in for two of them."""
    # The index begins with the method.
    others = list(PaymentMethod.objects.exclude(pk=method.pk).values_list("pk", flat=True))
    digests = [line.digest for line in lines]
    found: dict[str, BankLine] = {}
    for start in range(0, len(digests), 500):
        rows = BankLine.objects.filter(method__in=others, digest__in=digests[start : start + 500])
        kept = rows.exclude(state=BankLine.State.DISMISSED).select_related("method")
        found |= {row.digest: row for row in kept}
    return found


def _match(
    line: BankLine,
    requests: Sequence[Deposit],
    coded: dict[str, Deposit],
    same: Sequence[Deposit],
    *,
    is_only: bool,
    decided: Sequence[Deposit],
    twin: BankLine | None,
) -> Matched:
    named = list({coded[code].pk: coded[code] for code in codes_in(line.text) if code in coded}.values())
    hint = _hint_of_twin(twin) or _hint_of(line, named) or ("" if named else _hint_of_decided(decided))
    found = [_by_code(line, one) for one in named if one.state == Deposit.State.PENDING]
    found += [_by_reference(line, one) for one in _referred(line, requests)]
    near = [one for one in same if _is_near(line, one)]
    is_one = is_only and len(near) == 1
    why = "Its amount, which no other request has." if is_one else "Its amount, which others have as well."
    found += [Proposal(one, Sureness.LIKELY if is_one else Sureness.POSSIBLE, why) for one in near]
    if hint:  # Whatever else speaks for a request, this speaks against it.
        found = [replace(one, sureness=Sureness.POSSIBLE) for one in found]
    best: dict[int, Proposal] = {}
    for proposal in found:
        best.setdefault(proposal.deposit.pk, proposal)
    ranked = sorted(best.values(), key=lambda one: (-one.sureness, -one.deposit.pk))
    if named:
        # What the code says counts more than any amount.
        ranked.sort(key=lambda one: one.deposit not in named)
    return Matched(line, ranked[:MAX_PROPOSALS], hint)


def _hint_of_twin(twin: BankLine | None) -> str:
    """Return that the same line came for another method, "" if it did not."""
    if twin is None:
        return ""
    decided = f", approved for request {twin.deposit_id}" if twin.deposit_id else ""
    return f"The same line came for {twin.method.name} as well{decided}: bring money in once."


def _hint_of(line: BankLine, named: Sequence[Deposit]) -> str:
    """Return why the code in the text is not enough, "" if there is none or it is."""
    if len(named) > 1:
        return f"Its text has the codes of several requests: {', '.join(str(one.pk) for one in named)}."
    if not named:
        return ""
    [one] = named
    if one.state != Deposit.State.PENDING:
        return f"Its text has the code of request {one.pk}, which is {one.get_state_display().lower()} already."
    if one.method_id != line.method_id:
        return f"Its text has the code of request {one.pk}, which is for {one.method.name}."
    return ""


def _hint_of_decided(decided: Sequence[Deposit]) -> str:
    """Return that the money may be what staff added by hand, "" if they added no such amount."""
    if not decided:
        return ""
    one = max(decided, key=lambda each: each.pk)
    return f"Request {one.pk} was approved by hand with the same amount: the line may be its money, added already."


def _by_code(line: BankLine, deposit: Deposit) -> Proposal:
    if deposit.to_pay == line.amount:
        return Proposal(deposit, Sureness.SURE, "Our code in its text, and its amount.")
    return Proposal(deposit, Sureness.LIKELY, "Our code in its text, but another amount.")


def _referred(line: BankLine, requests: Iterable[Deposit]) -> list[Deposit]:
    text = _bare(line.text)
    return [
        one
        for one in requests
        if len(reference := _bare(one.reference)) >= MIN_REFERENCE and reference in text and _is_near(line, one)
    ]


def _by_reference(line: BankLine, deposit: Deposit) -> Proposal:
    if deposit.to_pay == line.amount:
        return Proposal(deposit, Sureness.LIKELY, "The customer's reference in its text, and its amount.")
    return Proposal(deposit, Sureness.POSSIBLE, "The customer's reference in its text, but another amount.")


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()


def _is_near(line: BankLine, deposit: Deposit) -> bool:
    asked = panel_day(deposit.created_at)
    return asked - MAX_EARLY <= line.day <= asked + MAX_LATE


def _once_each(matched: Sequence[Matched]) -> list[Matched]:
    """Leave a request sure for one line: a second line with its code is a second payment."""
    taken: set[int] = set()
    found = []
    for one in matched:
        best = one.best
        if best is not None and best.sureness is Sureness.SURE:
            if best.deposit.pk in taken:
                second = replace(best, sureness=Sureness.POSSIBLE, why="Our code, which an earlier line has as well.")
                one = replace(one, proposals=[second, *one.proposals[1:]])
            taken.add(best.deposit.pk)
        found.append(one)
    return found
