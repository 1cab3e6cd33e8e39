"""What is known of an error, and its alert: one for each place, with a count."""

from __future__ import annotations

import hashlib
import secrets
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType

import structlog
from django.conf import settings
from django.db import DatabaseError

from panel.alerts.causes import Cause
from panel.alerts.models import Alert, ErrorReport
from panel.alerts.services import close_alerts, one_line, raise_alert
from panel.lib import clock
from panel.logging import without_secrets

log = structlog.get_logger(__name__)

OURS = ("billing", "catalog", "orders", "panel")
MAX_TRACE = 6_000
MAX_MESSAGE = 160
# Reports of one place that are kept, and stored at once.
MAX_KEPT, MAX_AT_ONCE = 50, 10
# An error that did not happen again for so long is taken as gone.
QUIET_AFTER = timedelta(days=1)
_NUMBER = "_panel_number"


@dataclass(frozen=True, slots=True)
class Report:
    """`place` is the file and function of ours in which it happened, `where` the page, task or command."""

    number: str
    kind: str
    place: str
    where: str
    message: str
    trace: str
    at: datetime

    @property
    def group(self) -> str:
        """Return what all errors of this kind and place have in common."""
        return hashlib.sha256(f"{self.kind} {self.place}".encode()).hexdigest()[:12]


def number_of(error: BaseException | None) -> str:
    """Return the number of this error, by which a customer's message finds it: the same at each call."""
    number = getattr(error, _NUMBER, None) or secrets.token_hex(4).upper()
    if error is not None:
        setattr(error, _NUMBER, number)
    return str(number)


def number_of_request() -> str:
    """Return the first digits of the id that the log has of this request; "" outside of one."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))[:8].upper()


def report_of(error: BaseException, *, where: str) -> Report:
    """Return what is known of the error, without secrets."""
    trace = "".join(traceback.format_exception(error))
    return Report(
        number=number_of(error),
        kind=type(error).__name__,
        place=place_of(error.__traceback__),
        where=one_line(without_secrets(where))[:200],
        message=one_line(without_secrets(str(error)))[:MAX_MESSAGE],
        trace=without_secrets(trace)[-MAX_TRACE:].replace("\0", "").encode("utf-8", "replace").decode(),
        at=clock.known(),
    )


def place_of(trace: TracebackType | None) -> str:
    """Return the innermost file and function of ours, or of a library if none is."""
    place = "an unknown place"
    is_ours = False
    for frame in traceback.extract_tb(trace):
        path = Path(frame.filename)
        inside = path.relative_to(settings.BASE_DIR) if path.is_relative_to(settings.BASE_DIR) else None
        ours = inside is not None and inside.parts[0] in OURS
        if ours or not is_ours:
            place = f"{inside if ours else path.name}, {frame.name}"
            is_ours = ours
    return place


def store_reports(reports: Iterable[Report]) -> None:
    """Store the reports, and raise or count the alerts of their places."""
    groups: dict[str, list[Report]] = {}
    for report in reports:
        groups.setdefault(report.group, []).append(report)
    for group, found in groups.items():
        try:
            _store_group(group, found)
        except DatabaseError as error:  # One group must not cost the others their alert.
            log.warning("errors of one place not stored", group=group, error=type(error).__name__)


def _store_group(group: str, found: list[Report]) -> None:
    last = found[-1]
    raise_alert(
        cause=Cause.ERROR,
        detail=group,
        text=f"{last.kind} in {last.where or last.place} ({last.place}): {last.message} Number {last.number}.",
        level=Alert.Level.DANGER,
        times=len(found),
    )
    ErrorReport.objects.bulk_create(
        [
            ErrorReport(
                number=one.number,
                group=group,
                kind=one.kind[:100],
                place=one.place[:200],
                where=one.where,
                message=one.message,
                trace=one.trace,
                created_at=one.at,
            )
            for one in found[-MAX_AT_ONCE:]
        ],
        ignore_conflicts=True,
    )
    kept = ErrorReport.objects.filter(group=group).order_by("-pk").values_list("pk", flat=True)[:MAX_KEPT]
    ErrorReport.objects.filter(group=group).exclude(pk__in=list(kept)).delete()


def close_quiet_errors() -> int:
    """Close the alerts of errors that did not happen again for a day. Return how many."""
    begin = Cause.ERROR.of(None, "")
    quiet = Alert.objects.filter(cause__startswith=f"{begin}:", last_seen_at__lt=clock.now() - QUIET_AFTER)
    return close_alerts(quiet)
