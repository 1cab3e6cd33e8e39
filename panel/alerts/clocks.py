"""Clocks of machines that differ from the database's: no rounds there, an alert, and a row for `/healthz`."""

from __future__ import annotations

import socket
from datetime import timedelta

from django.db.models import Q

from panel.alerts.causes import Cause
from panel.alerts.models import WrongClock
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock
from panel.lib.clock import Measurement

# Seconds after which a process that works rounds measures again.
MEASURED_EVERY = 30.0
# A machine that reported a wrong clock and is silent since then is gone.
GONE_AFTER = timedelta(hours=1)
# How long a report counts as of now.
FRESH = timedelta(seconds=4 * MEASURED_EVERY)

_reported: Measurement | None = None


def may_work() -> bool:
    """Return True if this process's clock agrees with the database's. Otherwise it must work no rounds.

    A wrong clock is reported in an alert that names the machine, once for each measurement.
    """
    global _reported
    found = clock.measured(max_age=MEASURED_EVERY)
    last = _reported
    if last is None or last.measured_at != found.measured_at:
        if not found.is_right:
            _report(found)
        elif last is None or not last.is_right:
            _take_back()
        _reported = found
    return found.is_right


def offset_text(offset: float) -> str:
    """Return how far a clock is off, for people. `offset` is what would have to be added to it, in seconds."""
    size = abs(offset)
    length = f"{size:.0f} s" if size < 120 else f"{size / 60:.0f} min" if size < 7_200 else f"{size / 3_600:.0f} h"
    return f"{length} {'behind' if offset > 0 else 'ahead of'} the database"


def wrong_clocks() -> list[WrongClock]:
    """Return the machines that reported a wrong clock lately."""
    return list(WrongClock.objects.filter(measured_at__gt=clock.now() - FRESH).order_by("machine"))


def _report(found: Measurement) -> None:
    machine = _machine()
    values = {"offset": round(found.offset * 1_000), "measured_at": clock.now()}
    row, _ = WrongClock.objects.update_or_create(machine=machine, defaults=values)
    raise_alert(
        cause=Cause.CLOCK,
        about=row.pk,
        text=f"The clock of {machine} is {offset_text(found.offset)}. Its worker does nothing until it is right.",
        level="danger",
    )


def _take_back() -> None:
    """End the report of this machine, and those of machines that are gone."""
    ended = WrongClock.objects.filter(Q(machine=_machine()) | Q(measured_at__lt=clock.now() - GONE_AFTER))
    for pk in list(ended.values_list("pk", flat=True)):
        resolve_alert(cause=Cause.CLOCK, about=pk)
        WrongClock.objects.filter(pk=pk).delete()


def _machine() -> str:
    return socket.gethostname()[:120]
