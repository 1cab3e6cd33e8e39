"""From a restored database to one that sends: each order that may have been sent since the backup becomes a doubt.

A run that is killed is simply repeated: what is done is not done again, and sending stays stopped until the end.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q, QuerySet

from billing.models import Deposit, Entry
from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, account_of
from orders.checkout.drip_feeds import begin_next_run
from orders.common.doubts import doubt_from
from orders.common.stops import open_stops, resume_sending, stop_sending
from orders.common.timeline import write_event
from orders.common.transitions import NO_REVIEW, move_all
from orders.marks import storage
from orders.marks.guard import check_database, lock_identity, machine, skip_known_numbers
from orders.marks.storage import Mark, MarkUnwritable
from orders.models import (
    DatabaseIdentity,
    DripFeed,
    Order,
    OrderEvent,
    PlacementAttempt,
    Refill,
    SendingStop,
)
from orders.requests.refill import UNSURE
from orders.states import (
    RESTORE_STOPS,
    AttemptOutcome,
    EventKind,
    RefillState,
    StopReason,
    Submission,
)
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.bulk_sql import in_chunks

log = structlog.get_logger(__name__)

# So many numbers are skipped where no mark says which were given since the backup; or a tenth, if that is more.
MIN_UNKNOWN_NUMBERS = 10_000
_UNRESOLVED = (Submission.IN_DOUBT, Submission.SUBMITTING)
_NOTE = "Perhaps sent after the backup"


class NotStopped(Exception):
    """Sending is not stopped for a restore, so there is nothing to walk through. The message is for staff."""


class NotConfirmable(Exception):
    """The database cannot be the latest one. The message is for staff."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What `begin_after_restore` did: the orders in doubt, the runs among them, and the providers that wait."""

    doubts: int
    runs: int
    refills: int
    providers: int


@dataclass(frozen=True, slots=True)
class LastKnown:
    """When the database last changed, by what it says itself. None where it has nothing of the kind."""

    order: datetime | None
    entry: datetime | None
    deposit: datetime | None
    event: datetime | None

    @property
    def latest(self) -> datetime | None:
        return max((one for one in (self.order, self.entry, self.deposit, self.event) if one), default=None)


def last_known() -> LastKnown:
    """Return when the newest order, entry, deposit and event of this database are from."""
    newest = (model.objects.order_by("-pk").values_list("created_at", flat=True).first() for model in _DATED)
    return LastKnown(*newest)


_DATED = (Order, Entry, Deposit, OrderEvent)


def restore_stops() -> QuerySet[SendingStop]:
    """Return the open stops of the whole panel that a restore caused, the first one first."""
    return open_stops().filter(provider=None, reason__in=RESTORE_STOPS).order_by("pk")


def balance_stops() -> QuerySet[SendingStop]:
    """Return the open stops of providers whose balance shows that orders may be missing here."""
    return open_stops().filter(provider__isnull=False, reason=StopReason.BALANCE).order_by("pk")


def _found_at() -> datetime:
    """Return when it was found that orders may be missing; stop all sending if only a provider is stopped for it.

    The latest of the stops counts: an earlier one may be in the backup. Raise NotStopped.
    """
    stop = restore_stops().last()
    if stop is not None:
        return stop.created_at
    stop = balance_stops().first()
    if stop is None:
        raise NotStopped("Sending is not stopped for a restore.")
    stop_sending(reason=StopReason.RESTORED, text=f"Found by the balance. {stop.text}")
    restore_stops().update(created_at=stop.created_at)
    return stop.created_at


def confirm_latest(*, actor: User | None) -> None:
    """Resume sending, because a person knows that this database is the latest: the panel moved, or has a new address.

    Raise NotStopped, and NotConfirmable if an attempt is missing in it, or a backup was restored.
    """
    stops = list(restore_stops())
    if not stops:
        raise NotStopped("Sending is not stopped for a restore.")
    finding = check_database().finding
    reasons = {finding.reason if finding else "", *(stop.reason for stop in stops)}
    if reasons & {StopReason.OLDER, StopReason.RESTORED}:
        raise NotConfirmable("Orders were sent that are missing in this database, so it is not the latest.")
    with transaction.atomic():
        mark = _new_generation()
        for stop in stops:
            resume_sending(stop=stop, actor=actor)
    _keep(mark)
    log.warning("the database was confirmed as the latest")


def begin_after_restore(*, actor: User | None) -> Restored:
    """Put every order that may have been sent since the backup in doubt, and stop each provider by itself.

    Then the panel's own stop ends. Raise NotStopped if sending is not stopped for a restore, nor to a provider whose
    balance shows one.
    """
    until = _found_at()
    skip_given_numbers()
    runs = _begin_runs(until=until)
    doubts = _doubt_queue(until=until)
    _note_unresolved(until=until)
    refills = _give_up_refills(until=until)
    with transaction.atomic():
        providers = Provider.objects.filter(Q(is_active=True) | Q(orders__submission__in=_UNRESOLVED)).distinct()
        for provider in providers:
            text = f"A backup was restored. Compare the orders at {provider.name} with those here, then resume."
            if not stop_sending(reason=StopReason.RESTORED, text=text, provider_id=provider.pk):
                # A stop of the backup's own time: what was searched then says nothing of now.
                open_stops().filter(provider=provider, reason=StopReason.RESTORED).update(searched_to=None)
        mark = _new_generation()
        for one in (*restore_stops(), *balance_stops()):
            resume_sending(stop=one, actor=actor)
    _keep(mark)
    log.warning("after a restore", doubts=doubts, runs=runs, refills=refills)
    return Restored(doubts + runs, runs, refills, len(providers))


def _keep(mark: Mark) -> None:
    """Keep the mark here and in the cache. A web server may have no folder; each worker makes its own mark."""
    with contextlib.suppress(MarkUnwritable):
        storage.write(mark)


def _new_generation() -> Mark:
    """Count a new generation of this database, in which all marks of before are covered. Return its first mark."""
    row = lock_identity()
    last = PlacementAttempt.objects.order_by("-pk").first()
    row.covered[row.token] = max(row.covered.get(row.token, 0), last.pk if last else 0)
    for mark in _marks_of_before(row):
        row.covered[mark.identity] = max(row.covered.get(mark.identity, 0), mark.attempt)
    row.generation += 1
    row.unknown_marks = []
    row.site_url = settings.SITE_URL
    row.marked_at = row.confirmed_at = clock.now()
    row.save()
    mark = Mark(row.token, row.generation, machine=machine())
    return replace(mark, attempt=last.pk, token=last.token, order=last.order_id) if last else mark


def _marks_of_before(row: DatabaseIdentity) -> list[Mark]:
    """Return the marks that stopped the sending, and those that are still kept outside."""
    kept = (storage.read_file(), storage.read_cache())
    return [Mark(**one) for one in row.unknown_marks] + [mark for mark in kept if mark]


def skip_given_numbers() -> None:
    """Number new orders, attempts and entries beyond all that may have been given since the backup."""
    with transaction.atomic():
        row = lock_identity()
        marks = [mark for mark in _marks_of_before(row) if mark.identity == row.token]
        highest = {
            name: model.objects.aggregate(highest=Max("pk"))["highest"] or 0
            for name, model in (("attempt", PlacementAttempt), ("order", Order), ("entry", Entry))
        }
        if marks:
            beyond = {name: max(number, *(getattr(mark, name) for mark in marks)) for name, number in highest.items()}
        else:
            beyond = {name: number + max(MIN_UNKNOWN_NUMBERS, number // 10) for name, number in highest.items()}
        skip_known_numbers(mark=Mark(row.token, row.generation, **beyond))


def _doubt_queue(*, until: datetime) -> int:
    """Put each order in doubt that was in the queue at the backup. Return how many."""
    queued = Order.objects.filter(submission=Submission.QUEUED, queued_at__lt=until)
    numbers = list(queued.order_by("pk").values_list("pk", flat=True))
    orders = Order.objects.select_related("provider")
    return sum(_doubt(order) for chunk in in_chunks(numbers) for order in orders.filter(pk__in=chunk).order_by("pk"))


def _doubt(order: Order) -> bool:
    """Put a queued order in doubt, with an attempt that stands for what may have been sent after the backup.

    Return False if it was moved meanwhile.
    """
    now = clock.now()
    with transaction.atomic():
        attempt = PlacementAttempt.objects.create(
            order=order,
            token=_token(order),
            started_at=order.queued_at,
            finished_at=now,
            outcome=AttemptOutcome.AFTER_BACKUP,
            detail=f"{_NOTE}: the backup has it in the queue.",
            account=_account(order.provider),
        )
        moved = move_all(
            Order.objects.filter(pk=order.pk, submission=Submission.QUEUED),
            to=Submission.IN_DOUBT,
            values={**doubt_from(now), **NO_REVIEW, "claim_token": attempt.token, "next_action_at": now},
        )
        if not moved:
            transaction.set_rollback(True)
            return False
        write_event(
            order_id=order.pk,
            kind=EventKind.SUBMISSION,
            old=Submission.QUEUED,
            new=Submission.IN_DOUBT,
            text=f"{_NOTE} that was restored",
            public=False,
        )
    return True


def _note_unresolved(*, until: datetime) -> None:
    """Note for each order that was being sent or in doubt at the backup that it may have been sent again since.

    No search binds it by itself then, and no request id of the backup is repeated.
    """
    unresolved = Order.objects.filter(submission__in=_UNRESOLVED, queued_at__lt=until).select_related("provider")
    for order in unresolved.order_by("pk"):
        PlacementAttempt.objects.get_or_create(
            token=_token(order),
            defaults={
                "order": order,
                "started_at": order.queued_at,
                "finished_at": clock.now(),
                "outcome": AttemptOutcome.AFTER_BACKUP,
                "detail": f"{_NOTE}: the backup has it without an answer.",
                "account": _account(order.provider),
            },
        )


def _token(order: Order) -> str:
    """Return a token for the attempt: one of its own for each time the order was queued."""
    return f"backup-{order.pk}-{order.queued_at:%y%m%d%H%M%S}"[:32]


def _account(provider: Provider) -> str:
    try:
        return account_of(provider)
    except ProviderUnusable:
        return ""


def _begin_runs(*, until: datetime) -> int:
    """Begin the runs of drip-feeds that were due before `until`, and put them in doubt: they may have begun before."""
    begun = 0
    due = DripFeed.objects.filter(next_run_at__lt=until)
    for pk in list(due.values_list("pk", flat=True)):
        begun += _begin_runs_of(pk, until)
    return begun


def _begin_runs_of(pk: int, until: datetime) -> int:
    """Begin and doubt one run after the other, as if each had begun at its time. Return how many."""
    begun = 0
    while True:
        with transaction.atomic():
            drip = DripFeed.objects.filter(pk=pk, next_run_at__lt=until).first()
            if drip is None or drip.next_run_at is None or not begin_next_run(pk=pk, even_if_held=True):
                return begun
            order = Order.objects.select_related("provider").get(drip_feed=pk, run=drip.begun + 1)
            Order.objects.filter(pk=order.pk).update(queued_at=drip.next_run_at)
            order.queued_at = drip.next_run_at
            DripFeed.objects.filter(pk=pk, next_run_at__isnull=False).update(
                next_run_at=drip.next_run_at + timedelta(minutes=drip.interval)
            )
            if not _doubt(order):
                raise RuntimeError(f"run of drip-feed {pk} moved")
        begun += 1


def _give_up_refills(*, until: datetime) -> int:
    """Follow no refill that waited at the backup: it may have been requested since. Return how many."""
    waiting = Refill.objects.filter(state=RefillState.WAITING, created_at__lt=until)
    return waiting.update(state=RefillState.UNFOLLOWED, note=UNSURE, next_action_at=None, finished_at=clock.now())
