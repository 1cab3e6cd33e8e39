"""The queue of imports: requested by people and by the schedule, run by the task worker.

A queued run is the message to the worker. Each worker claims other runs; a run whose worker died fails when its lease
expires.
"""

from __future__ import annotations

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from catalog.imports.run import LEASE, execute_run, fail_run
from catalog.models import Provider, SyncRun
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.task_hints import hint_after_commit

log = structlog.get_logger(__name__)

# Maximum imports at the same time, so that slow providers do not take all threads of the worker.
MAX_AT_ONCE = 4

STOPPED = "The worker stopped before the import ended. Nothing was changed; import again."


def request_import(
    *, provider: Provider, actor: User | None = None, accepts: SyncRun | None = None, force: bool = False
) -> SyncRun:
    """Queue an import for the task worker, or return the one that is queued already.

    `accepts` is a refused run that somebody looked at: a list that is no worse is applied. `force` applies any readable
    list but an empty one. Both also apply to a run that is queued already. Raise ValueError if `accepts` was not
    refused or is another provider's.
    """
    if accepts and (accepts.provider_id != provider.pk or accepts.outcome != SyncRun.Outcome.REFUSED):
        raise ValueError("Only a refused import of this provider can be accepted.")
    run = None
    while run is None:
        run = _waiting(provider, actor, accepts, force) or _queued(provider, actor, accepts, force)
    hint_after_commit("catalog.tasks.run_imports")
    return run


def request_all() -> int:
    """Queue an import for each active provider; return their number."""
    providers = list(Provider.objects.filter(is_active=True))
    for provider in providers:
        request_import(provider=provider)
    return len(providers)


def run_due_imports() -> int:
    """Run all queued imports one by one; return how many this worker ran.

    While a provider is being imported, its queued run waits.
    """
    expire_runs()
    done = 0
    while (run := _claim_next()) is not None:
        execute_run(run)
        done += 1
    return done


def expire_runs() -> int:
    """Fail the runs whose worker died; return their number."""
    expired = 0
    for run in _under_way(is_alive=False).select_related("provider"):
        expired += fail_run(run, STOPPED)
    return expired


def _waiting(provider: Provider, actor: User | None, accepts: SyncRun | None, force: bool) -> SyncRun | None:
    """Return the queued run after updating what it accepts; None if there is none, or a worker has just claimed it."""
    waiting = SyncRun.objects.filter(provider=provider, outcome=SyncRun.Outcome.QUEUED)
    wanted: dict[str, object] = {"actor": actor, "accepts": accepts, "force": force}
    if (accepts or force) and not waiting.update(**wanted):
        return None
    return waiting.first()


def _queued(provider: Provider, actor: User | None, accepts: SyncRun | None, force: bool) -> SyncRun | None:
    """Return a new run; None if another process has just queued one."""
    now = clock.now()
    try:
        with transaction.atomic():
            return SyncRun.objects.create(
                requested_at=now,
                started_at=now,
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
    """Claim the run that waits longest, of a provider that is not being imported."""
    alive = list(_under_way(is_alive=True).values_list("provider_id", flat=True))
    if len(alive) >= MAX_AT_ONCE:
        return None
    due = SyncRun.objects.filter(outcome=SyncRun.Outcome.QUEUED).exclude(provider__in=alive)
    for run in due.select_related("provider", "accepts").order_by("requested_at", "pk"):
        now = clock.now()
        claimed = {
            "outcome": SyncRun.Outcome.RUNNING,
            "phase": SyncRun.Phase.ASKING,
            "started_at": now,
            "lease_until": now + LEASE,
        }
        if SyncRun.objects.filter(pk=run.pk, outcome=SyncRun.Outcome.QUEUED).update(**claimed):
            # Reload: `force` and `accepts` may have been set just now.
            return SyncRun.objects.select_related("provider", "accepts").get(pk=run.pk)
    return None


def _under_way(*, is_alive: bool) -> QuerySet[SyncRun]:
    now = clock.now()
    alive = Q(lease_until__gt=now) | Q(lease_until=None, started_at__gt=now - LEASE)
    return SyncRun.objects.filter(alive if is_alive else ~alive, outcome=SyncRun.Outcome.RUNNING)
