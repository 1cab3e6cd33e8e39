"""Days that are compared with gateways: asked for, listed in a task, and counted again while something differs.

    due → listed → counted: agrees, or differs, with an alert

The gateway is asked outside of any transaction. Its list is stored as one row of the method and day, unless the day was
asked about again meanwhile. What came of it is counted from that row and the payments of now, so that a difference that
staff mended is gone without asking again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet

from billing.intake.credentials import credentials_for, note_failed, note_reached
from billing.intake.gateways import GatewayError, GatewayRefused, Listed, gateway_of, gateways
from billing.intake.schedule import MAX_DAILY
from billing.models import ComparedDay, Payment, PaymentMethod
from billing.models.reconciliation import MAX_PROBLEM
from billing.reconciliation.compare import Comparison, Ours, compare
from billing.reconciliation.listing import packed, unpacked
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock
from panel.lib.claims import claim_due
from panel.lib.crypto import Undecryptable
from panel.lib.formats import day_text
from panel.lib.panel_days import panel_day, panel_moment
from panel.lib.task_hints import hint_after_commit

log = structlog.get_logger(__name__)

TASK = "billing.tasks.compare_payment_days"
# The list reaches so far beyond the day: a payment of 23:59 may be one of 0:01 elsewhere.
EDGE = timedelta(hours=6)
# What we saw on the day, the gateway may have listed so long before: expired invoices are asked about rarely.
SEEN_LATE = MAX_DAILY
# After a day ended, until it is compared by itself.
SETTLES = timedelta(hours=2)
# For so many days a difference is looked at again, once a day at the gateway and each hour here.
FOLLOWED = 7
ASK_AGAIN, COUNT_AGAIN = timedelta(hours=20), timedelta(hours=1)
# Claimed at once, and for how long another worker leaves it alone: a long list is many pages.
BATCH = 5
LEASE = timedelta(minutes=10)
MAX_ATTEMPTS = 4
RETRY = timedelta(minutes=10)
# Rows of a list. A gateway with more of them in a day and a half needs a program of its own.
MAX_LISTED = 20_000
CHUNK = 500


class DayRefused(Exception):
    """The day cannot be compared. The message is for staff."""


def can_compare(method: PaymentMethod) -> bool:
    """Return True if the gateway of the method can list its payments, and is set up."""
    gateway = gateways().get(method.kind)
    return gateway is not None and gateway.can_list and bool(method.credentials_encrypted)


def comparable_methods() -> list[PaymentMethod]:
    """Return the methods whose days can be compared, in the owner's order; also those that are not offered now."""
    kinds = [code for code, gateway in gateways().items() if gateway.can_list]
    return list(PaymentMethod.objects.filter(kind__in=kinds).exclude(credentials_encrypted=""))


# -- asking ----------------------------------------------------------------------------------------------


def request_comparison(*, method: PaymentMethod, day: date) -> ComparedDay:
    """Let the day be compared by the next round, however often it was before. Raise DayRefused."""
    if not can_compare(method):
        raise DayRefused("This way to pay has no gateway that can list its payments.")
    if day > panel_day(clock.now()):
        raise DayRefused("This day has not begun yet.")
    row, _ = ComparedDay.objects.get_or_create(method=method, day=day)
    ComparedDay.objects.filter(pk=row.pk).update(due_at=clock.now(), attempts=0)
    hint_after_commit(TASK)
    row.refresh_from_db()
    return row


def run_comparisons() -> int:
    """Run one round: plan what is due by itself, ask gateways, count again. Return how many days were looked at."""
    plan_comparisons()
    done = 0
    while batch := claim_due(
        ComparedDay.objects.select_related("method"),
        due="due_at",
        lease=LEASE,
        limit=BATCH,
        values={"asked_at": clock.now()},
    ):
        for row in batch:
            try:
                compare_day(row=row)
            except Exception:
                # The others must not wait behind it.
                log.exception("day not compared", day=row.pk)
                _fail(row, "The panel could not read the list. Look under “Errors”.")
        done += len(batch)
    return done + count_again()


def plan_comparisons() -> None:
    """Let yesterday be compared once it has settled, and days with a difference or a problem once a day for a week."""
    now = clock.now()
    yesterday = panel_day(now - SETTLES) - timedelta(days=1)
    known = set(ComparedDay.objects.filter(day=yesterday).values_list("method_id", flat=True))
    for method in comparable_methods():
        is_used = method.is_active or _has_payments(method, yesterday)
        if method.pk in known or method.is_sandbox or not is_used:
            continue
        try:
            with transaction.atomic():
                ComparedDay.objects.create(method=method, day=yesterday, due_at=now)
        except IntegrityError:
            continue  # Another worker was faster.
    followed = ComparedDay.objects.filter(due_at=None, day__gte=yesterday - timedelta(days=FOLLOWED))
    is_open = Q(differences__gt=0) | ~Q(problem="")
    followed.filter(is_open, asked_at__lte=now - ASK_AGAIN).update(due_at=now, attempts=0)


def _has_payments(method: PaymentMethod, day: date) -> bool:
    return Payment.objects.filter(method=method, credited_at__gte=panel_moment(day)).exists()


def compare_day(*, row: ComparedDay) -> None:
    """Ask the gateway for its list of a claimed day, store it, and count what differs."""
    method = row.method
    try:
        gateway = gateway_of(method.kind)
        credentials = credentials_for(gateway, method)
        begin, end = panel_moment(row.day), panel_moment(row.day + timedelta(days=1))
        # What comes in while the gateway answers is no difference.
        asked_at = clock.now()
        listed = list(gateway.list_payments(begin - EDGE, end + EDGE, credentials))
        if unlisted := _unlisted(row, listed):
            # Seen late, they stand in the lists of the days before.
            earlier = gateway.list_payments(begin - SEEN_LATE, begin - EDGE, credentials)
            listed += [one for one in earlier if one.seen.external_id in unlisted]
        if len(listed) > MAX_LISTED:
            raise GatewayError(f"Its list has {len(listed):,} payments, and at most {MAX_LISTED:,} are compared.")
    except KeyError:
        return _fail(row, "The panel does not know this gateway any more.")
    except Undecryptable:
        return _fail(row, "The key of its credentials is lost. Enter them again.")
    except (GatewayError, GatewayRefused) as error:
        note_failed(method=method, error=str(error))
        return _fail(row, str(error))
    note_reached(method=method)
    kept = packed(listed)
    stored = ComparedDay.objects.filter(pk=row.pk, asked_at=row.asked_at).update(
        listed=kept, listed_at=asked_at, problem="", attempts=0
    )
    if not stored:
        return None  # Somebody asked again meanwhile: that list is the newer one.
    _rest(row)
    row.listed, row.listed_at = kept, asked_at
    count_day(row=row)
    return None


def _unlisted(row: ComparedDay, listed: Sequence[Listed]) -> set[str]:
    return {one.external_id for one in _seen_on(row)} - {one.seen.external_id for one in listed}


def _fail(row: ComparedDay, problem: str) -> None:
    """Keep the last list, say why there is no newer one, and try again a few times."""
    text = " ".join(problem.split())[:MAX_PROBLEM]
    mine = ComparedDay.objects.filter(pk=row.pk, asked_at=row.asked_at)
    if not mine.update(problem=text, attempts=F("attempts") + 1):
        return
    row.refresh_from_db(fields=("attempts",))
    if row.attempts < MAX_ATTEMPTS:
        _rest(row, wait=RETRY * row.attempts)
        return
    _rest(row)
    raise_alert(
        cause=Cause.PAYMENT_DAY,
        about=row.pk,
        text=f"{_named(row)} could not be compared with the gateway: {text}",
    )


def _rest(row: ComparedDay, *, wait: timedelta | None = None) -> None:
    """Take the row out of the queue, or ask again after `wait`; one that was asked for meanwhile stays due."""
    due_at = clock.now() + wait if wait else None
    ComparedDay.objects.filter(pk=row.pk, due_at=row.due_at).update(due_at=due_at)


# -- counting --------------------------------------------------------------------------------------------


def comparison_of(row: ComparedDay) -> Comparison | None:
    """Return what the stored list and the payments of now say; None if there is no list yet."""
    if row.listed_at is None:
        return None
    listed = unpacked(row.listed)
    begin, end = panel_moment(row.day), panel_moment(row.day + timedelta(days=1))
    ours = {one.external_id: one for one in _seen_on(row)}
    named = {one.seen.external_id for one in listed}
    ids = list(named - set(ours))
    for start in range(0, len(ids), CHUNK):
        chunk = Payment.objects.filter(method=row.method_id, external_id__in=ids[start : start + CHUNK])
        ours |= {one.external_id: one for one in _as_ours(chunk)}
    # The list says nothing of what came after it was given.
    until = min(end, row.listed_at)
    compared = [one for one in ours.values() if one.seen_at < until or one.external_id in named]
    return compare(listed=listed, ours=compared, begin=begin, end=end, currency=settings.PANEL_CURRENCY)


def _seen_on(row: ComparedDay) -> list[Ours]:
    """Return the payments that we saw on the day and that count: credited ones, and those that wait for staff."""
    begin, end = panel_moment(row.day), panel_moment(row.day + timedelta(days=1))
    of_day = Payment.objects.filter(method=row.method_id, seen_at__gte=begin, seen_at__lt=end)
    # Nothing is credited before it was seen: the index by the time of crediting finds those of late days.
    credited = _as_ours(of_day.filter(credited_at__gte=begin, credited__gt=0))
    return [*credited, *_as_ours(of_day.filter(state=Payment.State.HELD, credited=0))]


def _as_ours(payments: QuerySet[Payment]) -> list[Ours]:
    columns = ("pk", "external_id", "state", "currency", "came_in", "credited", "seen_at")
    rows = payments.order_by().values_list(*columns, "reversal__amount", "reversal__state")
    return [
        replace(Ours(*values), taken_back=amount or 0, is_settled=state == "settled") for *values, amount, state in rows
    ]


def count_day(*, row: ComparedDay) -> Comparison | None:
    """Store how many differences the day has now, and raise or resolve its alert. Return the comparison."""
    found = comparison_of(row)
    if found is None:
        return None
    counted = ComparedDay.objects.filter(pk=row.pk, listed_at=row.listed_at).update(
        differences=found.differences, came_in=found.came_in, credited=found.credited, counted_at=clock.now()
    )
    if counted and found.differences:
        count = found.differences
        what = "1 payment differs" if count == 1 else f"{count} payments differ"
        raise_alert(
            cause=Cause.PAYMENT_DAY,
            about=row.pk,
            text=f"{_named(row)}: {what} between the gateway's list and what was credited.",
        )
    elif counted:
        resolve_alert(cause=Cause.PAYMENT_DAY, about=row.pk)
    return found


def count_again() -> int:
    """Count the days with a difference again, each once an hour: staff may have mended them. Return how many."""
    now = clock.now()
    differing = ComparedDay.objects.filter(
        differences__gt=0, day__gte=panel_day(now) - timedelta(days=FOLLOWED + 1), counted_at__lte=now - COUNT_AGAIN
    )
    rows = list(differing.select_related("method")[:BATCH])
    for row in rows:
        count_day(row=row)
    return len(rows)


def _named(row: ComparedDay) -> str:
    return f"{row.method.name}, {day_text(row.day)}"
