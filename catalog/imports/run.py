"""Run an import: fetch the provider's list, compare, write only what differs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models.functions import Coalesce

from catalog.imports.apply import store_plan
from catalog.imports.diff import ImportPlan, Listed, Stored, find_doubts, plan_import
from catalog.models import Provider, Service, SyncRun
from catalog.provider_accounts import ProviderUnusable, check_balance, client_for
from catalog.upstream.errors import UpstreamError, explain
from catalog.upstream.results import ServiceList
from panel.accounts.models import User
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock

log = structlog.get_logger(__name__)

# An import that takes longer counts as dead. The provider uses less than three minutes of it.
LEASE = timedelta(minutes=10)
MAX_SKIPPED_KEPT = 200
MAX_REASON = 500
OUTDATED = "A newer list was applied meanwhile."
CHANGED_SINCE = "The list changed since you looked at it."

_Outcome, _Phase = SyncRun.Outcome, SyncRun.Phase


class RunLost(Exception):
    """The run was taken for dead and ended meanwhile: it must not write any more."""


class _Moved(Exception):
    """Another import of the provider was applied after this one compared."""


def import_services(*, provider: Provider, force: bool = False, actor: User | None = None) -> SyncRun:
    """Import the provider's list now; `force` also applies an implausible list, but never an empty one.

    Errors of the provider do not raise: the returned run holds the outcome and the reason. A run that was not applied
    changed nothing and raised an alert.
    """
    now = clock.now()
    run = SyncRun.objects.create(
        provider=provider, force=force, actor=actor, requested_at=now, started_at=now, lease_until=now + LEASE
    )
    execute_run(run)
    return run


def execute_run(run: SyncRun) -> None:
    """Run an import that is RUNNING to its end and fill in the result.

    Never raises: an error, even a bug of ours, fails this run and does not stop others.
    """
    try:
        _import(run)
    except RunLost:
        log.warning("import ended by others", provider=run.provider_id, run=run.pk)
        run.refresh_from_db()
    except (UpstreamError, ProviderUnusable) as error:
        fail_run(run, explain(error))
    except Exception as error:
        log.exception("import broke", provider=run.provider_id, run=run.pk)
        fail_run(run, f"Something unexpected happened ({type(error).__name__}). Nothing was changed; see the log.")


def fail_run(run: SyncRun, reason: str) -> bool:
    """End a running import as failed, with an alert. Return True if it was still running."""
    try:
        _finish(run, _Outcome.FAILED, reason=reason)
    except RunLost:
        run.refresh_from_db()
        return False
    raise_alert(cause=Cause.IMPORT, about=run.provider_id, text=f"Import from {run.provider.name} failed: {reason}")
    return True


def _import(run: SyncRun) -> None:
    # 1. Fetch. No lock is held.
    answer = client_for(run.provider).services()
    stated = _stated_currency(run.provider)
    _enter(run, _Phase.COMPARING, listed=len(answer.rows) + len(answer.skipped))
    while True:
        # 2. Compare, and refuse a list that is not believable.
        provider = Provider.objects.get(pk=run.provider_id)
        if provider.last_synced_at and provider.last_synced_at >= run.started_at:
            _finish(run, _Outcome.REFUSED, reason=OUTDATED)
            return
        taught = taught_types(provider)
        plan = plan_import(stored=_stored(provider), answer=answer, taught=taught)
        if _refuse(run, provider, plan, answer, stated):
            return
        # 3. Write, all or nothing.
        _enter(run, _Phase.WRITING)
        try:
            _apply(run, provider, plan, taught)
        except _Moved:
            continue
        resolve_alert(cause=Cause.IMPORT, about=run.provider_id)
        return


def _stated_currency(provider: Provider) -> str:
    """Return the currency that the provider says it bills in; "" if it never said.

    If it does not say now, and the last import was refused for its currency, return the currency stated then.
    """
    try:
        stated = check_balance(provider=provider)
    except (UpstreamError, ProviderUnusable) as error:
        log.info("balance not known", provider=provider.pk, error=str(error))
        stated = ""
    if stated:
        return stated
    ended = provider.import_runs.filter(outcome__in=(_Outcome.APPLIED, _Outcome.REFUSED)).exclude(reason=OUTDATED)
    last = ended.order_by("-pk").first()
    return str(last.grounds.get("currency", "")) if last and last.outcome == _Outcome.REFUSED else ""


def _stored(provider: Provider) -> dict[str, Stored]:
    rows = provider.upstream_services.order_by("pk").values_list("external_id", "pk", "is_listed", *Listed._fields)
    return {key: Stored(pk, is_listed, Listed(*values)) for key, pk, is_listed, *values in rows}


def _refuse(run: SyncRun, provider: Provider, plan: ImportPlan, answer: ServiceList, stated: str) -> bool:
    """Refuse the run if its list is not believable, unless it is forced or accepted. Return True if refused."""
    on_sale = Service.objects.filter(upstream__provider=provider, upstream__is_listed=True, is_on_sale=True)
    keys = list(on_sale.order_by("upstream").values_list("upstream__external_id", flat=True))
    doubts = find_doubts(plan=plan, answer=answer, on_sale=keys, stated=stated, currency=provider.currency)
    if not doubts.reasons:
        return False
    reason = doubts.reason
    if run.force and "empty" not in doubts.reasons:
        return False
    if run.accepts is not None:
        if doubts.are_no_worse_than(run.accepts.grounds):
            return False
        reason = f"{CHANGED_SINCE} {reason}"
    _finish(run, _Outcome.REFUSED, reason=reason, grounds=doubts.grounds, **_skipped(plan))
    raise_alert(
        cause=Cause.IMPORT,
        about=run.provider_id,
        text=f"Import from {provider.name} refused, nothing was changed: {reason}",
        level="danger",
    )
    return True


def taught_types(provider: Provider) -> dict[str, str]:
    """Return the types that the owner gave to the provider's words."""
    return dict(provider.type_words.exclude(type="").order_by().values_list("word", "type"))


def _apply(run: SyncRun, provider: Provider, plan: ImportPlan, taught: Mapping[str, str]) -> None:
    """Write the plan in one transaction. Raise _Moved or RunLost; then nothing is written."""
    with transaction.atomic():
        # Imports of one provider run one after another, and an older list never overwrites a newer one.
        seen: datetime | None = provider.last_synced_at
        # The first import stands for what the owner set up: from then on, losses are judged by its exchange rate.
        confirmed = Coalesce("confirmed_exchange_rate", "exchange_rate")
        if not Provider.objects.filter(pk=provider.pk, last_synced_at=seen).update(
            last_synced_at=run.started_at, confirmed_exchange_rate=confirmed
        ):
            raise _Moved
        if taught_types(provider) != taught:
            raise _Moved  # Words were given another type, under the lock that the line above waited for.
        provider.refresh_from_db()
        accepted = run.accepts.grounds.get("rates", {}) if run.accepts else {}
        store_plan(provider=provider, plan=plan, is_first=seen is None, accepted=accepted)
        _finish(
            run,
            _Outcome.APPLIED,
            added=len(plan.new),
            changed=len(plan.changed),
            vanished=len(plan.vanished),
            returned=len(plan.returned),
            **_skipped(plan),
        )


def _skipped(plan: ImportPlan) -> dict[str, Any]:
    kept = [list(row) for row in plan.skipped[:MAX_SKIPPED_KEPT]]
    return {"skipped": kept, "skipped_count": len(plan.skipped)}


# -- the run's own row -------------------------------------------------------------------------------


def _enter(run: SyncRun, phase: str, **values: Any) -> None:
    """Write the next phase before it begins, in its own commit. Raise RunLost."""
    _write(run, phase=phase, **values)


def _finish(run: SyncRun, outcome: str, *, reason: str = "", **values: Any) -> None:
    """End the run. If it was not applied, its phase stays as it is. Raise RunLost."""
    if outcome == _Outcome.APPLIED:
        values["phase"] = _Phase.DONE
    _write(run, outcome=outcome, reason=reason[:MAX_REASON], finished_at=clock.now(), **values)
    if outcome in (_Outcome.APPLIED, _Outcome.REFUSED):
        # Grounds of older runs can no longer be accepted, and take a quarter of a megabyte each.
        older = SyncRun.objects.filter(provider=run.provider_id, outcome=_Outcome.REFUSED, pk__lt=run.pk)
        older.exclude(grounds={}).update(grounds={})


def _write(run: SyncRun, **values: Any) -> None:
    if not SyncRun.objects.filter(pk=run.pk, outcome=_Outcome.RUNNING).update(**values):
        raise RunLost
    for name, value in values.items():
        setattr(run, name, value)
