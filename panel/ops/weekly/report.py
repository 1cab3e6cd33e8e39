"""The figures of a week, read from what is stored anyway."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db.models import Count, Max, Q, Sum

from billing.models import Entry
from orders.models import Order, PlacementAttempt
from orders.reports.profit import profit_of_all
from orders.states import AttemptOutcome, Submission
from orders.tracking.monitor import poll_backlog
from panel.alerts.causes import Cause
from panel.alerts.models import Alert, Heartbeat
from panel.lib import clock
from panel.lib.formats import day_text, duration_text, zoned_moment_text
from panel.lib.money import format_money
from panel.lib.panel_days import panel_day, panel_moment

MAX_TROUBLES = 5


@dataclass(frozen=True, slots=True)
class Line:
    """`is_fine` is None for what is neither good nor bad."""

    label: str
    text: str
    is_fine: bool | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A week from Monday on, local time. `lines` in the order in which they are read."""

    monday: date
    lines: tuple[Line, ...]
    troubles: tuple[Line, ...]

    @property
    def title(self) -> str:
        return f"The week from {day_text(self.monday)} to {day_text(self.monday + timedelta(days=6))}"

    @property
    def key(self) -> str:
        return key_of(self.monday)


def key_of(monday: date) -> str:
    """Return what names the week that begins on this day."""
    year, week, _ = monday.isocalendar()
    return f"week:{year}-{week:02d}"


def last_monday() -> date:
    """Return the Monday of the last week that is over, local time."""
    today = panel_day()
    return today - timedelta(days=today.weekday() + 7)


def end_of(monday: date) -> datetime:
    """Return the end of the week that begins on this day."""
    return panel_moment(monday + timedelta(days=7))


def week_report(monday: date) -> Report:
    """Return the report of the week that begins on this day."""
    since, until = panel_moment(monday), end_of(monday)
    lines = (*_orders(since, until), *_doubts(since, until), *_money(since, until), *_state())
    return Report(monday, lines, _troubles(since, until))


def _orders(since: datetime, until: datetime) -> tuple[Line, ...]:
    created = Order.objects.filter(created_at__gte=since, created_at__lt=until).count()
    ended = Order.objects.filter(finished_at__gte=since, finished_at__lt=until).order_by().values("status")
    counts = {row["status"]: row["count"] for row in ended.annotate(count=Count("pk"))}
    words = ", ".join(f"{counts[status]:,} {status}" for status in sorted(counts)) or "none"
    accepted = PlacementAttempt.objects.filter(
        outcome=AttemptOutcome.ACCEPTED, started_at__gte=since, started_at__lt=until
    )
    doubled = accepted.order_by().values("order").annotate(count=Count("pk")).filter(count__gt=1).count()
    return (
        Line("Orders", f"{created:,} created. Ended: {words}."),
        Line("Doubled", f"{doubled:,} orders were accepted twice by a provider.", doubled == 0),
    )


def _doubts(since: datetime, until: datetime) -> tuple[Line, ...]:
    """Return how the orders stand whose sending had an unknown end."""
    attempts = PlacementAttempt.objects.filter(started_at__gte=since, started_at__lt=until)
    searched = attempts.filter(Q(outcome=AttemptOutcome.UNKNOWN) | Q(searches__gt=0)).order_by()
    orders = Order.objects.filter(pk__in=searched.values("order")).order_by().values("submission")
    counts = {row["submission"]: row["count"] for row in orders.annotate(count=Count("pk"))}
    total = sum(counts.values())
    if not total:
        return (Line("Doubts", "No order was in doubt.", True),)
    still = counts.get(Submission.IN_DOUBT, 0)
    found, refunded = counts.get(Submission.ACCEPTED, 0), counts.get(Submission.REFUSED, 0)
    refunded += counts.get(Submission.WITHDRAWN, 0)
    text = (
        f"{total:,} orders were in doubt: {found:,} are with the provider, {refunded:,} were refunded, "
        f"{still:,} are open."
    )
    return (Line("Doubts", text, still == 0),)


def _money(since: datetime, until: datetime) -> tuple[Line, ...]:
    entries = Entry.objects.filter(created_at__gte=since, created_at__lt=until)
    total, count = Sum("amount", default=0), Count("pk")
    refunds, fees = (
        entries.filter(kind=kind).aggregate(total=total, count=count) for kind in (Entry.Kind.REFUND, Entry.Kind.FEE)
    )
    figures = profit_of_all(since=since, until=until)
    profit = _text(figures.profit)
    lines = (
        Line("Refunds", f"{_text(refunds['total'])} in {refunds['count']:,} refunds."),
        Line("Profit", f"{profit} of the orders that ended, {_text(figures.open_profit)} expected of those open."),
    )
    if not fees["count"]:
        return lines
    text = f"Customers paid {_text(-fees['total'])} for what your gateways take. It is not in the profit."
    return (*lines, Line("Fees of payments", text))


def _state() -> tuple[Line, ...]:
    """Return what holds now."""
    broken = Alert.objects.filter(cause=Cause.LEDGER, resolved_at=None).exists()
    beats = dict(Heartbeat.objects.filter(task__in=("check_ledger", "backup")).values_list("task", "beat_at"))
    proven, backup = beats.get("check_ledger"), beats.get("backup")
    oldest = max((one.oldest for one in poll_backlog()), default=timedelta(0))
    books = f"clean, proven {_ago(proven)}" if proven and not broken else "broken" if broken else "never proven"
    return (
        Line("Books", f"{books[0].upper()}{books[1:]}.", bool(proven) and not broken),
        Line("Oldest unchecked", f"{duration_text(oldest)} ago." if oldest else "No order is open."),
        Line("Last backup", f"{zoned_moment_text(backup)}." if backup else "None was made.", backup is not None),
    )


def _troubles(since: datetime, until: datetime) -> tuple[Line, ...]:
    """Return the alerts of the week that were raised most often."""
    raised = Alert.objects.filter(created_at__lt=until).filter(Q(resolved_at=None) | Q(resolved_at__gte=since))
    rows = raised.order_by().values("cause").annotate(count=Sum("count"), alert=Max("pk")).order_by("-count", "cause")
    found = list(rows[:MAX_TROUBLES])
    texts = dict(Alert.objects.filter(pk__in=[row["alert"] for row in found]).values_list("pk", "text"))
    return tuple(Line(f"{row['count']:,}×", texts[row["alert"]]) for row in found)


def _text(micros: int) -> str:
    return format_money(micros, settings.PANEL_CURRENCY, exact=True)


def _ago(moment: datetime) -> str:
    return f"{duration_text(clock.now() - moment)} ago"
