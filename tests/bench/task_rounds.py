"""Rounds of the tasks when nothing is due and when a hundred are, and `check_ledger`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.utils import timezone

from billing.models import Deposit
from catalog.models import Provider
from orders.marks.guard import may_send
from orders.models import CancelRequest, DripFeed, Order, OrderPoll, Refill
from orders.recovery.after_restore import confirm_latest
from orders.states import CancelState, RefillState, Submission
from panel.ops.invariants import find_breaches
from panel.ops.rounds import ROUNDS
from tests.bench.measuring import Measured, Wrong, measured
from tests.bench.report import as_text

DUE = 100
# Budgets in seconds: of a round with nothing due, of one with DUE rows, and of `check_ledger`.
MAX_IDLE, MAX_BUSY, MAX_LEDGER = 0.1, 5.0, 15.0
# The first of these rounds counts everything.
_WHOLE = {"count_figures": 5.0, "find_shelf_news": 2.0, "check_providers": 5.0}
COLUMNS = ("what", "seconds", "computing s", "statements", "peak MB", "budget s", "")


@dataclass(frozen=True, slots=True)
class Rounds:
    """The measured rounds, each with its budget in seconds."""

    found: Sequence[tuple[str, Measured, float]]

    @property
    def over(self) -> list[str]:
        return [f"{what} {one.seconds:.2f} s of {most:g}" for what, one, most in self.found if one.seconds > most]

    def __str__(self) -> str:
        lines: list[Sequence[str]] = [COLUMNS]
        for what, one, most in self.found:
            figures = (f"{one.seconds:.3f}", f"{one.computing:.3f}", f"{one.statements}", f"{one.peak_mb:.0f}")
            lines.append((what, *figures, f"{most:g}", "over" if one.seconds > most else ""))
        verdict = "NOT met" if self.over else "met"
        return as_text("tasks and check_ledger", lines, [f"{verdict}: each round within its budget.", *self.over])


def measure_rounds(*, url: str) -> Rounds:
    """Run each round twice: with nothing due, and with a hundred rows that are. `url`: where providers answer."""
    Provider.objects.exclude(api_url=url).update(api_url=url)
    found: list[tuple[str, Measured, float]] = []
    with measured() as one:
        breaches = find_breaches()
    if breaches:
        raise Wrong(f"the books are not clean: {breaches}")
    found.append(("check_ledger", one, MAX_LEDGER))
    if not may_send():
        confirm_latest(actor=None)  # What was sent last from it is known only where it was filled.
    for name, round_ in ROUNDS.items():
        with measured() as one:
            round_.run()
        found.append((f"{name}: nothing is due", one, _WHOLE.get(name, MAX_IDLE)))
    for name, make_due in _DUE.items():
        made = make_due()
        with measured() as one:
            ROUNDS[name].run()
        found.append((f"{name}: {made} are due", one, MAX_BUSY))
    with measured() as one:
        ROUNDS["count_figures"].run()
    found.append(("count_figures: once more", one, _WHOLE["count_figures"]))
    return Rounds(found)


def _some(rows: QuerySet[Any], column: str) -> int:
    pks = list(rows.order_by("pk").values_list("pk", flat=True)[:DUE])
    return rows.model._default_manager.filter(pk__in=pks).update(**{column: timezone.now() - timedelta(minutes=1)})


def _due_mails() -> int:
    pks = list(Deposit.objects.exclude(state="pending").order_by("-pk").values_list("pk", flat=True)[:DUE])
    return Deposit.objects.filter(pk__in=pks).update(mail_due_at=timezone.now() - timedelta(minutes=1))


def _due_drips() -> int:
    pks = list(DripFeed.objects.filter(next_run_at__isnull=False).values_list("pk", flat=True)[:DUE])
    return DripFeed.objects.filter(pk__in=pks, begun__lt=F("runs")).update(
        next_run_at=timezone.now() - timedelta(minutes=1)
    )


_DUE: dict[str, Callable[[], int]] = {
    "poll_orders": lambda: _some(OrderPoll.objects.all(), "due_at"),
    "submit_orders": lambda: _some(
        Order.objects.filter(submission=Submission.QUEUED, next_action_at__isnull=False), "next_action_at"
    ),
    "reconcile_orders": lambda: _some(
        Order.objects.filter(submission=Submission.IN_DOUBT, next_action_at__isnull=False), "next_action_at"
    ),
    "send_requests": lambda: _some(CancelRequest.objects.filter(state=CancelState.WAITING), "next_action_at"),
    "poll_refills": lambda: _some(
        Refill.objects.filter(state__in=(RefillState.PENDING, RefillState.IN_PROGRESS)), "next_action_at"
    ),
    "begin_runs": _due_drips,
    "send_deposit_mails": _due_mails,
}
