"""Importing a provider's list: one call, one diff, writes only for what differs."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from catalog.diffing import COLUMNS, Plan, implausible, make_plan
from catalog.models import Category, Provider, Service, SyncRun, UpstreamService
from catalog.pricing import in_chunks, price_policy, reprice, set_price
from catalog.providers import ProviderUnusable, client_for
from catalog.types import is_sellable
from catalog.upstream.errors import UpstreamError
from catalog.upstream.results import ServiceList
from panel.ops.alerts import raise_alert, resolve_alert

MOST_SKIPPED_KEPT = 200


class Outdated(Exception):
    """A list that was fetched later has been applied already."""


def sync_provider(*, provider: Provider, force: bool = False) -> SyncRun:
    """Fetches the provider's services and applies them; `force` applies an implausible list as well.

    Never raises for what the provider does: the returned run tells the outcome and the reason, and one
    that was not applied changed nothing and raised an alert.
    """
    run = SyncRun.objects.create(provider=provider)
    cause = f"provider:{provider.pk}:sync"
    try:
        answer = client_for(provider).services()
    except (UpstreamError, ProviderUnusable) as error:
        _finish(run, SyncRun.Outcome.FAILED, reason=str(error))
        raise_alert(cause=cause, text=f"Import from {provider.name} failed: {error}")
        return run
    try:
        refusal = _apply(provider, answer, run, force=force)
    except Outdated:
        _finish(run, SyncRun.Outcome.REFUSED, reason="A newer list was applied meanwhile.")
        return run
    if refusal:
        run.listed = len(answer.rows) + len(answer.skipped)
        run.skipped = [(row.position, row.external_id, row.reason) for row in answer.skipped[:MOST_SKIPPED_KEPT]]
        _finish(run, SyncRun.Outcome.REFUSED, reason=refusal)
        raise_alert(
            cause=cause,
            text=f"Import from {provider.name} refused, nothing was changed: {refusal}",
            level="danger",
        )
    else:
        resolve_alert(cause=cause)
    return run


def sync_catalogs() -> list[SyncRun]:
    """Imports from every active provider in turn."""
    return [sync_provider(provider=provider) for provider in Provider.objects.filter(is_active=True)]


def _apply(provider: Provider, answer: ServiceList, run: SyncRun, *, force: bool) -> str:
    """Diffs and writes in one transaction; returns why it refused, or nothing. Raises Outdated."""
    with transaction.atomic():
        # 1. Claim: imports of one provider follow each other, and an older list never undoes a newer.
        fresh = Q(last_synced_at=None) | Q(last_synced_at__lt=run.started_at)
        if not Provider.objects.filter(fresh, pk=provider.pk).update(last_synced_at=run.started_at):
            raise Outdated
        provider.refresh_from_db()
        # 2. Compare.
        stored = {service.external_id: service for service in provider.upstream_services.all()}
        plan = make_plan(provider_id=provider.pk, stored=stored, rows=answer.rows)
        plan.skipped.extend((row.position, row.external_id, row.reason) for row in answer.skipped)
        on_sale = Service.objects.filter(
            upstream__provider=provider, upstream__is_listed=True, is_on_sale=True
        ).values_list("upstream_id", flat=True)
        vanished = {service.pk for service in plan.vanished}
        sold = list(on_sale)
        refusal = implausible(
            plan=plan,
            listed=len(answer.rows),
            on_sale=len(sold),
            lost_on_sale=sum(1 for pk in sold if pk in vanished),
        )
        if refusal and not force:
            transaction.set_rollback(True)
            return refusal
        # 3. Write.
        _write(provider, plan)
        _record(run, plan, listed=len(answer.rows) + len(answer.skipped))
    return ""


def _write(provider: Provider, plan: Plan) -> None:
    now = timezone.now()
    for service in (*plan.changed, *plan.returned):
        service.changed_at = now
    for chunk in in_chunks([*plan.changed, *plan.returned]):
        UpstreamService.objects.bulk_update(chunk, [*COLUMNS, "is_listed", "changed_at"])
    for chunk in in_chunks(plan.vanished):
        UpstreamService.objects.filter(pk__in=[service.pk for service in chunk]).update(is_listed=False, changed_at=now)
    for chunk in in_chunks(plan.new):
        UpstreamService.objects.bulk_create(chunk)
    _publish(provider, plan.new)
    for chunk in in_chunks(plan.re_rated):
        reprice(services=Service.objects.filter(upstream__in=[service.pk for service in chunk]))


def _publish(provider: Provider, new: list[UpstreamService]) -> None:
    """Makes the panel's services for new rows, in categories of the same name."""
    policy = price_policy()
    names = list(dict.fromkeys(service.category or "Other" for service in new))
    known = dict(Category.objects.values_list("name", "pk"))
    missing = [name for name in names if name not in known]
    positions = {name: len(known) + number for number, name in enumerate(missing)}
    # By name: two providers that insert the same ones in different orders would deadlock.
    for chunk in in_chunks(sorted(missing)):
        Category.objects.bulk_create(
            [Category(name=name, position=positions[name]) for name in chunk], ignore_conflicts=True
        )
    if missing:
        known = dict(Category.objects.values_list("name", "pk"))
    services = []
    for position, upstream in enumerate(new):
        service = Service(
            upstream=upstream,
            category_id=known[upstream.category or "Other"],
            name=upstream.name,
            description=upstream.description,
            position=position,
            is_on_sale=provider.publish_new and is_sellable(upstream.type),
        )
        set_price(service=service, provider=provider, rate=upstream.rate, policy=policy)
        services.append(service)
    for batch in in_chunks(services):
        Service.objects.bulk_create(batch)


def _record(run: SyncRun, plan: Plan, *, listed: int) -> None:
    run.listed = listed
    run.added = len(plan.new)
    run.changed = len(plan.changed)
    run.vanished = len(plan.vanished)
    run.returned = len(plan.returned)
    run.skipped = plan.skipped[:MOST_SKIPPED_KEPT]
    _finish(run, SyncRun.Outcome.APPLIED)


def _finish(run: SyncRun, outcome: str, *, reason: str = "") -> None:
    run.outcome = outcome
    run.reason = reason[:500]
    run.finished_at = timezone.now()
    run.save()
