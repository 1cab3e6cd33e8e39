"""Which web servers and workers live: each says so in a row of its own."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from panel.alerts.causes import Cause
from panel.alerts.models import Process
from panel.alerts.services import resolve_alert
from panel.lib import clock

# A process says that it lives every EVERY seconds, and is silent after SILENT.
EVERY = 5.0
SILENT = timedelta(seconds=20)
# After that, a silent process is history.
FORGOTTEN = timedelta(days=1)


def arrive(kind: Process.Kind) -> Process:
    """Create the row of this process. Return it.

    What ran on this machine before under the same number, or is silent there, has been replaced by it.
    """
    now = clock.now()
    machine = platform.node()[:120]
    silent = Process.objects.filter(kind=kind, machine=machine, ended_at=None)
    _end(silent.filter(Q(pid=os.getpid()) | Q(seen_at__lt=now - SILENT)), now)
    return Process.objects.create(kind=kind, machine=machine, pid=os.getpid(), started_at=now, seen_at=now)


def be_seen(process: Process) -> bool:
    """Store that this process lives. Return False if its row is gone, and it has to arrive again."""
    return bool(Process.objects.filter(pk=process.pk).update(seen_at=clock.now(), ended_at=None))


def leave(process: Process) -> None:
    """Store that this process was stopped in the ordinary way."""
    Process.objects.filter(pk=process.pk).update(ended_at=clock.now())


def living(kind: Process.Kind) -> QuerySet[Process]:
    """Return the processes of this kind that were seen lately."""
    return Process.objects.filter(kind=kind, ended_at=None, seen_at__gte=clock.now() - SILENT)


def silent() -> list[Process]:
    """Return the processes that live no more, and did not say that they end. Those that were replaced end here."""
    now = clock.now()
    found = []
    for one in Process.objects.filter(ended_at=None, seen_at__lt=now - SILENT).order_by("pk"):
        # Whatever its name: a container gets another one at each start.
        same = Process.objects.filter(kind=one.kind, started_at__gt=one.seen_at)
        if same.exists() or one.seen_at < now - FORGOTTEN:
            _end(Process.objects.filter(pk=one.pk, seen_at=one.seen_at), now)
        else:
            found.append(one)
    return found


def forget_old() -> int:
    """Delete the rows of processes that ended a day ago. Return how many."""
    return Process.objects.filter(ended_at__lt=clock.now() - FORGOTTEN).delete()[0]


def _end(processes: QuerySet[Process], now: datetime) -> None:
    for one in processes:
        Process.objects.filter(pk=one.pk).update(ended_at=now)
        resolve_alert(cause=Cause.PROCESS, about=one.pk)
