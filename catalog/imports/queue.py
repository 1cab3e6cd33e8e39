"""The queue of imports: asked for by people and by the clock, carried out by the task worker.

A queued run is the message. Workers claim different ones; one whose worker died fails when its lease has run out.
"""

from __future__ import annotations

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from catalog.imports.run import LEASE, carry_out, tell_failure
from catalog.models import Provider, SyncRun
from panel.accounts.models import User
from panel.lib.task_hints import hint_after_commit

log = structlog.get_logger(__name__)

# Imports under way at the same time: slow providers must not take all threads of the worker.
MAX_AT_ONCE = 4

STOPPED = "The worker stopped before the import ended. Nothing was changed; import again."


def request_import(
    *, provider: Provider, actor: User | None = None, accepts: SyncRun | None = None, force: bool = False
) -> SyncRun:
    """Queues an import for the task worker, or returns the one that waits already.

    `accepts` is a refused run that somebody looked at: what is not worse than it is applied. `force` applies
    whatever is readable. Either is given to a run that waits already, too. Raises ValueError where `accepts` was
    not refused, or is another provider's.
    """
    if accepts and (accepts.provider_id != provider.pk or accepts.outcome != SyncRun.Outcome.REFUSED):
        raise ValueError("Only a refused import of this provider can be accepted.")
    run = None
    while run is None:
        run = _waiting(provider, actor, accepts, force) or _queued(provider, actor, accepts, force)
    hint_after_commit("catalog.tasks.run_imports")
    return run


def request_all() -> int:
    """Queues an import for each active provider; returns how many there are."""
    providers = list(Provider.objects.filter(is_active=True))
    for provider in providers:
        request_import(provider=provider)
    return len(providers)


def run_due_imports() -> int:
    """Carries out what is queued, one after the other; returns how many it was. Other workers take others.

    A provider whose import is under way waits for its end.
    """
    expire_runs()
    done = 0
    while (run := _claim_next()) is not None:
        carry_out(run)
        done += 1
    return done


def expire_runs() -> int:
    """Ends the runs whose worker has died; returns how many."""
    expired = 0
    for run in _under_way(is_alive=False).select_related("provider"):
        expired += tell_failure(run, STOPPED)
    return expired


def _waiting(provider: Provider, actor: User | None, accepts: SyncRun | None, force: bool) -> SyncRun | None:
    """The run that waits already, told what was accepted. None when a worker took it meanwhile."""
    waiting = SyncRun.objects.filter(provider=provider, outcome=SyncRun.Outcome.QUEUED)
    wanted: dict[str, object] = {"actor": actor, "accepts": accepts, "force": force}
    if (accepts or force) and not waiting.update(**wanted):
        return None
    return waiting.first()


def _queued(provider: Provider, actor: User | None, accepts: SyncRun | None, force: bool) -> SyncRun | None:
    """A new run, or None where somebody else was quicker."""
    try:
        with transaction.atomic():
            return SyncRun.objects.create(
                provider=provider,
                actor=actor,
                accepts=accepts,
                force=force,
                outcome=SyncRun.Outcome.QUEUED,
                phase=SyncRun.Phase.WAITING,
            )
    except IntegrityError:
        return None


def _claim_next() -> SyncRun | None:
    """Takes the run that waits longest, of a provider that is not being imported."""
    alive = list(_under_way(is_alive=True).values_list("provider_id", flat=True))
    if len(alive) >= MAX_AT_ONCE:
        return None
    due = SyncRun.objects.filter(outcome=SyncRun.Outcome.QUEUED).exclude(provider__in=alive)
    for run in due.select_related("provider", "accepts").order_by("requested_at", "pk"):
        now = timezone.now()
        claimed = {
            "outcome": SyncRun.Outcome.RUNNING,
            "phase": SyncRun.Phase.ASKING,
            "started_at": now,
            "lease_until": now + LEASE,
        }
        if SyncRun.objects.filter(pk=run.pk, outcome=SyncRun.Outcome.QUEUED).update(**claimed):
            # Whether it is forced or accepts anything may have been added until just now.
            return SyncRun.objects.select_related("provider", "accepts").get(pk=run.pk)
    return None


def _under_way(*, is_alive: bool) -> QuerySet[SyncRun]:
    now = timezone.now()
    alive = Q(lease_until__gt=now) | Q(lease_until=None, started_at__gt=now - LEASE)
    return SyncRun.objects.filter(alive if is_alive else ~alive, outcome=SyncRun.Outcome.RUNNING)
