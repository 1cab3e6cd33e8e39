"""Admin of imports: their results, the progress of a running one, and accepting a refused one."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.decorators import display

from catalog.admin.shared import admin_badge
from catalog.admin.type_words import unsold_types
from catalog.imports.queue import request_import
from catalog.models import Service, SyncRun
from panel.accounts.signed_in import user_of
from panel.lib import clock
from panel.lib.admin.base import ReadOnlyAdmin, shown_money

PERMISSION = "catalog.change_syncrun"

_Outcome, _Phase = SyncRun.Outcome, SyncRun.Phase

OUTCOME_BADGES = {
    _Outcome.QUEUED: ("neutral", "schedule"),
    _Outcome.RUNNING: ("info", "sync"),
    _Outcome.APPLIED: ("success", "check"),
    _Outcome.REFUSED: ("warning", "block"),
    _Outcome.FAILED: ("danger", "error"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """A phase of an open import: "done", "now" or "ahead"."""

    label: str
    state: str


def steps_of(run: SyncRun) -> list[Step]:
    """Return the phases of a run in order, with the progress of each."""
    phases = list(_Phase)
    here = phases.index(_Phase(run.phase))
    return [
        Step(str(phase.label), "done" if place < here else "now" if place == here else "ahead")
        for place, phase in enumerate(phases[:-1])
    ]


def is_superseded(run: SyncRun) -> bool:
    """Return True if a later list of the provider was applied."""
    later = SyncRun.objects.filter(provider=run.provider_id, outcome=_Outcome.APPLIED, started_at__gt=run.started_at)
    return later.exists()


def can_be_accepted(run: SyncRun) -> bool:
    """Return True if somebody can accept the refused list: never an empty one."""
    return run.outcome == _Outcome.REFUSED and bool(run.listed and run.grounds) and not is_superseded(run)


def can_be_repeated(run: SyncRun) -> bool:
    """Return True if another import may help."""
    return run.outcome in (_Outcome.FAILED, _Outcome.REFUSED) and not is_superseded(run)


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnlyAdmin):
    list_display = ("requested_at", "provider", "state", "came_of_it", "who")
    list_filter = ("outcome", "provider")
    list_select_related = ("provider", "actor")
    ordering = ("-requested_at", "-pk")

    def get_urls(self) -> list[URLPattern]:
        own = {"progress": self.progress_view, "again": self.again_view}
        views = [
            path(f"<int:pk>/{name}/", self.admin_site.admin_view(view), name=f"catalog_syncrun_{name}")
            for name, view in own.items()
        ]
        return [*views, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SyncRun]:
        return super().get_queryset(request).defer("skipped", "grounds")

    @display(description="State", ordering="outcome")
    def state(self, run: SyncRun) -> str:
        return admin_badge(*OUTCOME_BADGES[_Outcome(run.outcome)], run.get_outcome_display())

    @display(description="What came of it")
    def came_of_it(self, run: SyncRun) -> SafeString:
        if run.reason:
            return format_html(
                '<span class="whitespace-normal break-words">{}</span>', Truncator(run.reason).chars(160)
            )
        counts = (
            (run.listed, "listed"),
            (run.added, "new"),
            (run.changed, "changed"),
            (run.vanished, "gone"),
            (run.returned, "returned"),
            (run.skipped_count, "skipped"),
        )
        words = " · ".join(f"{count:,} {word}" for count, word in counts if count)
        return format_html('<span class="whitespace-normal">{}</span>', words or "—")

    @display(description="Who", ordering="actor")
    def who(self, run: SyncRun) -> str:
        return str(run.actor) if run.actor else "the panel"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Show a run: its steps while it is open, then its result and what can be done."""
        run = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        if run is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        may = request.user.has_perm(PERMISSION)
        examples = run.grounds.get("examples", {})
        currency = run.provider.currency
        rates = [
            {"id": key, "name": name, "old": shown_money(old, currency), "new": shown_money(new, currency)}
            for key, name, old, new in examples.get("rates", ())
        ]
        context = {
            **self.admin_site.each_context(request),
            **self._progress(run),
            "title": f"Import from {run.provider}",
            "opts": self.opts,
            "original": run,
            "gone": examples.get("gone", ()),
            "gone_more": len(run.grounds.get("gone", ())) - len(examples.get("gone", ())),
            "rates": rates,
            "rates_more": len(run.grounds.get("rates", ())) - len(rates),
            "on_sale": Service.objects.filter(
                upstream__provider=run.provider_id, upstream__is_listed=True, is_on_sale=True
            ).count(),
            "skipped_more": run.skipped_count - len(run.skipped),
            "can_accept": may and can_be_accepted(run),
            "can_repeat": may and can_be_repeated(run),
            "unsold_types": unsold_types(request, provider=run.provider),
            "is_superseded": run.outcome == _Outcome.REFUSED and is_superseded(run),
        }
        return TemplateResponse(request, "admin/catalog/import.html", context)

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Render only the steps. The page requests them every second and reloads once the run has ended."""
        run = get_object_or_404(SyncRun.objects.defer("skipped", "grounds"), pk=pk)
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        response = TemplateResponse(request, "admin/catalog/import_progress.html", self._progress(run))
        if not run.is_open:
            response["HX-Refresh"] = "true"
        return response

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Queue another import: of the current list, or accepting what was refused."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        run = get_object_or_404(SyncRun.objects.select_related("provider"), pk=pk)
        accepts = "accept" in request.POST
        if not (can_be_accepted(run) if accepts else can_be_repeated(run)):
            messages.error(request, "Another list was applied since, or this one cannot be. Nothing was changed.")
            return redirect("admin:catalog_syncrun_change", run.pk)
        queued = request_import(provider=run.provider, actor=user_of(request), accepts=run if accepts else None)
        what = f"Apply what import {run.pk} was refused for." if accepts else f"Import again after {run.pk}."
        self.log_change(request, queued, what)
        return redirect("admin:catalog_syncrun_change", queued.pk)

    def _progress(self, run: SyncRun) -> dict[str, object]:
        end = run.finished_at or clock.now()
        start = run.requested_at if run.outcome == _Outcome.QUEUED else run.started_at
        return {
            "run": run,
            "steps": steps_of(run),
            "seconds": max(0, int((end - start).total_seconds())),
            "state": self.state(run),
            "progress_url": reverse("admin:catalog_syncrun_progress", args=[run.pk]),
        }
