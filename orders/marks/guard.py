"""The check before each claim that this database knows what was sent last, and the stop of sending if it does not."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import cache as remember
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Subquery
from django.db.models.functions import Coalesce

from billing.models import Entry
from orders.common.stops import has_open_stop, is_restore_open, stop_sending
from orders.marks import storage
from orders.marks.judge import Finding, Known, find_restore
from orders.marks.storage import Mark, MarkUnwritable
from orders.models import DatabaseIdentity, Order, PlacementAttempt
from orders.states import RESTORE_STOPS, StopReason
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock
from panel.lib.prepared_sql import Bound, PreparedRows, column_names, instances
from panel.lib.sequences import skip_numbers

log = structlog.get_logger(__name__)

# Numbers are skipped so far beyond the mark: those that were given in its last second may be missing in it.
SPARE_NUMBERS = 1_000
# Without a mark a database is believed so long after a person confirmed it, until something is sent from it; and after
# the migration that began to keep marks, if its tasks ran a moment before: then it was upgraded, not restored.
MAX_BELIEVED = timedelta(minutes=15)
# Seconds between two notes of the numbers that this process gave to orders and entries.
NOTE_SECONDS = 1.0

_noted_at = float("-inf")


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. `mark` is of this database and names no attempt yet."""

    mark: Mark
    finding: Finding | None
    was_marked: bool


def may_send() -> bool:
    """Return True if this database knows what was sent last and marks can be kept; else stop, or raise an alert.

    Called before a round, it makes the first mark. Each claim checks again.
    """
    checked = check_database()
    if checked.finding:
        stop_for_restore(finding=checked.finding)
        return False
    if is_restore_open():
        return False
    try:
        keep_mark(mark=_first_mark(checked.mark))
    except MarkUnwritable:
        return False
    resolve_alert(cause=Cause.MARK)
    if not checked.was_marked:
        now = clock.now()
        DatabaseIdentity.objects.filter(pk=1, marked_at=None).update(marked_at=now, site_url=settings.SITE_URL)
    return True


def is_latest() -> bool:
    """Return True if this database knows what was sent last. For what needs no mark.

    Stop sending if it is surely an older one. Without a mark only return False: a web server may have none.
    """
    finding = check_database().finding
    if finding and finding.reason != StopReason.NO_MARK:
        stop_for_restore(finding=finding)
    return finding is None and not is_restore_open()


def may_lack_orders(*, provider_id: int) -> bool:
    """Return True if orders that this database has in its queue may have been sent to the provider."""
    return not is_latest() or has_open_stop(provider_id=provider_id, reasons=(StopReason.BALANCE, *RESTORE_STOPS))


def check_database() -> Checked:
    """Return a mark of this database, and why nothing may be sent from it, if so.

    One query. Called in the transaction that claims an order, it holds until the claim: tables cannot be replaced
    under it.
    """
    in_file = storage.read_file()
    checked = _check(in_file)
    if checked.finding and in_file is None and (written := storage.read_file()):
        return _check(written)  # Another process made the first mark meanwhile.
    return checked


def _check(in_file: Mark | None) -> Checked:
    in_cache = _cached_mark()
    known = _known(in_file, in_cache)
    finding = find_restore(
        known=known, in_file=in_file, in_cache=in_cache, site_url=settings.SITE_URL, machine=machine()
    )
    return Checked(Mark(known.identity, known.generation, machine=machine()), finding, known.was_marked)


def _cached_mark() -> Mark | None:
    """Return the later mark in the cache: this release's, or that of the release before.

    Panels on one cache shared the latter, so it counts only if it is of this database.
    """
    mark, old = storage.read_cache(), storage.read_old_cache()
    if mark and old:
        return mark.joined_with(old)
    if old and not DatabaseIdentity.objects.filter(pk=1, token=old.identity).exists():
        return mark
    return mark or old


def identity_token() -> str:
    """Return the token that tells this database from others. Restored databases and copies have the same."""
    row, _ = DatabaseIdentity.objects.get_or_create(pk=1, defaults=_new_identity())
    return row.token


def lock_identity() -> DatabaseIdentity:
    """Return the row that tells this database from copies of it, locked. Joins a transaction."""
    row, _ = DatabaseIdentity.objects.select_for_update().get_or_create(pk=1, defaults=_new_identity())
    return row


def _new_identity() -> dict[str, str]:
    return {"token": uuid4().hex}


def stop_for_restore(*, finding: Finding) -> None:
    """Stop all sending, with an urgent alert, and skip the numbers that customers may know of other orders."""
    with transaction.atomic():
        if not stop_sending(reason=finding.reason, text=finding.text):
            return
        if finding.mark:
            row = lock_identity()
            row.unknown_marks.append(asdict(finding.mark))
            row.save(update_fields=["unknown_marks"])
        if finding.reason == StopReason.OLDER and finding.mark:
            skip_known_numbers(mark=finding.mark)
    log.error("the database may be a restored one", reason=finding.reason, mark=finding.mark)


def skip_known_numbers(*, mark: Mark) -> None:
    """Let new attempts, orders and entries be numbered beyond the mark. Joins a transaction."""
    for model, number in ((PlacementAttempt, mark.attempt), (Order, mark.order), (Entry, mark.entry)):
        skip_numbers(model=model, up_to=number + SPARE_NUMBERS)


def keep_mark(*, mark: Mark) -> None:
    """Keep the mark outside the database, before the first byte of its attempt leaves.

    Raise MarkUnwritable, with an alert: then nothing may be sent.
    """
    try:
        storage.write(mark)
    except MarkUnwritable as error:
        raise_alert(cause=Cause.MARK, text=f"Nothing is sent: {error}", level="danger")
        raise


def note_numbers_after_commit() -> None:
    """Note the highest numbers of orders and entries outside the database, once the transaction is committed."""
    transaction.on_commit(note_numbers, robust=True)


def note_numbers() -> None:
    """Note the highest numbers of orders and entries outside the database, once a second and process at most.

    After a restore they are not given to others. Without a mark there is nothing to note: the worker makes the first.
    Never fails: a web server may have no folder.
    """
    global _noted_at
    if time.monotonic() - _noted_at < NOTE_SECONDS:
        return
    _noted_at = time.monotonic()
    before = storage.read_file() or storage.read_cache()
    if before is None:
        return
    highest = DatabaseIdentity.objects.filter(pk=1, token=before.identity, generation=before.generation).values_list(
        Coalesce(Subquery(Order.objects.order_by("-pk").values("pk")[:1]), 0),
        Coalesce(Subquery(Entry.objects.order_by("-pk").values("pk")[:1]), 0),
    )
    for order, entry in highest:
        try:
            storage.write(replace(before, order=order, entry=entry, machine=machine()))
        except MarkUnwritable:
            log.warning("numbers not noted", exc_info=True)


def _first_mark(mark: Mark) -> Mark:
    """Return the mark that a round begins with: where the file has none of this database, one of its last attempt."""
    before = storage.read_file()
    if before and (before.identity, before.generation) == (mark.identity, mark.generation):
        return mark
    last = PlacementAttempt.objects.order_by("-pk").first()
    return replace(mark, attempt=last.pk, token=last.token, order=last.order_id) if last else mark


@remember
def machine() -> str:
    """Return a fingerprint of this machine; "" where it has none, such as in a container."""
    try:
        number = Path("/etc/machine-id").read_text().strip()
    except OSError:
        return ""
    return sha256(f"upmark {number}".encode()).hexdigest()[:16] if number else ""


def _known(in_file: Mark | None, in_cache: Mark | None) -> Known:
    found = _read_known(in_file, in_cache)
    if found is None:
        DatabaseIdentity.objects.get_or_create(pk=1, defaults=_new_identity())
        found = _read_known(in_file, in_cache)
        assert found is not None  # noqa: S101  (the row is never deleted)
    (row,) = instances(found, DatabaseIdentity)
    has_orders, has_attempts, has_file_attempt, has_cache_attempt = found[-4:]
    return Known(
        identity=row.token,
        generation=row.generation,
        covered=row.covered,
        site_url=row.site_url,
        was_marked=row.marked_at is not None,
        is_believed=in_file is None and in_cache is None and _is_believed(row),
        has_orders=has_orders,
        has_attempts=has_attempts,
        has_file_attempt=has_file_attempt,
        has_cache_attempt=has_cache_attempt,
    )


def _read_known(in_file: Mark | None, in_cache: Mark | None) -> tuple[Any, ...] | None:
    return _KNOWN.first(
        file_attempt=in_file.attempt if in_file else 0,
        file_token=in_file.token if in_file else "",
        cache_attempt=in_cache.attempt if in_cache else 0,
        cache_token=in_cache.token if in_cache else "",
    )


def _is_believed(row: DatabaseIdentity) -> bool:
    """Return True if the database may send without a mark: see MAX_BELIEVED."""
    if row.confirmed_at is None or clock.now() - row.confirmed_at > MAX_BELIEVED:
        return False
    if row.marked_at is None:
        return True  # Workers of the release before may still send.
    return not PlacementAttempt.objects.filter(pk__gt=row.covered.get(row.token, 0)).exists()


def _has_attempt(of: str) -> Exists:
    number, token = PlacementAttempt._meta.pk, PlacementAttempt._meta.get_field("token")
    named = {"pk": Bound(f"{of}_attempt", number), "token": Bound(f"{of}_token", token)}
    return Exists(PlacementAttempt.objects.order_by().filter(**named))


# Each claim reads it.
_KNOWN = PreparedRows(
    lambda: (
        DatabaseIdentity.objects.filter(pk=1)
        .order_by()
        .annotate(
            has_orders=Exists(Order.objects.order_by()),
            has_attempts=Exists(PlacementAttempt.objects.order_by()),
            has_file_attempt=_has_attempt("file"),
            has_cache_attempt=_has_attempt("cache"),
        )
        .values_list(
            *column_names(DatabaseIdentity), "has_orders", "has_attempts", "has_file_attempt", "has_cache_attempt"
        )
    )
)
