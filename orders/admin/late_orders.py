"""The staff's page of late orders: by provider and service, with what may explain it and what can be done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, Min, Model, Sum, Window
from django.db.models.functions import RowNumber
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from catalog.models import Provider, ServiceFigures
from catalog.selectors import ENOUGH_TIMED, times_of
from orders.admin.cancel import PERMISSION
from orders.common.hidden_costs import sees_costs, stop_without_costs
from orders.common.lateness import Basis, Bound, bound_of, late_orders
from orders.common.stops import open_stops
from orders.many.actions import MAX_ORDERS, carry_out, orders_with
from orders.many.ask import ASK
from orders.models import LateOrders, Order, SendingStop
from orders.reports.late_counts import TASK
from orders.states import Submission
from panel.accounts.signed_in import user_of
from panel.alerts.causes import Cause
from panel.alerts.models import Alert, Heartbeat
from panel.lib import clock
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin
from panel.lib.digits import whole_number
from panel.lib.formats import duration_text
from panel.lib.panel_days import panel_day

# Services of each provider, unless one is chosen.
WORST = 3
MAX_PROVIDERS, MAX_SERVICES = 40, 200
OFF_SALE_PERMISSION = "catalog.change_service"
VIEW_PERMISSION = "orders.view_order"

_BASES = {
    Basis.STAFF: "set on its page",
    Basis.OWN: "by its own orders",
    Basis.CATEGORY: "by its category's",
    Basis.PROVIDER: "by its provider's",
}
_ALERTS = (Cause.UNREACHABLE, Cause.UNCHECKED, Cause.LOW_BALANCE)


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service with late orders, in words. `orders` is the address of the list of these orders."""

    figures: LateOrders
    orders: str
    usual: str
    bound: str
    basis: str
    late_by: str
    trend: str
    trend_look: str


@dataclass(frozen=True, slots=True)
class ProviderPart:
    """A provider with late orders. `services` is how many of its services have some; `rows` are the worst of them."""

    provider: Provider
    late: int
    charge: int
    services: int
    oldest: str
    orders: str
    reasons: list[str]
    rows: list[ServiceRow]

    @property
    def hidden(self) -> int:
        return self.services - len(self.rows)


@admin.register(LateOrders)
class LateOrdersAdmin(ReadOnlyAdmin):
    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(VIEW_PERMISSION)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        return [path("", self.admin_site.admin_view(self.late_page), name=name)]

    def late_page(self, request: HttpRequest) -> HttpResponse:
        """Show what is late, of one provider or of all."""
        if not self.has_view_permission(request) or request.method == "POST":
            raise PermissionDenied
        now, chosen = clock.now(), whole_number(request.GET.get("provider", ""))
        parts = list(_parts(request, chosen, now))
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": "Late orders",
            "parts": parts,
            "is_chosen": chosen is not None,
            "late": sum(part.late for part in parts),
            "charge": sum(part.charge for part in parts),
            "enough": ENOUGH_TIMED,
            "counted_at": Heartbeat.objects.filter(task=TASK).values_list("beat_at", flat=True).first(),
            "may_act": request.user.has_perm(PERMISSION),
            "may_take_off": request.user.has_perm(OFF_SALE_PERMISSION),
            "service_list": reverse("admin:catalog_service_changelist"),
        }
        return TemplateResponse(request, "admin/orders/late.html", context)

    def ask_late(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask the provider about the late orders of one service, the oldest first, after a page that says so."""
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        late = get_object_or_404(LateOrders.objects.select_related("provider", "service"), pk=object_id)
        orders = Order.objects.filter(provider=late.provider_id, service=late.service_id)

        def act(data: dict[str, Any]) -> str:
            found = late_orders(orders, now=clock.now()).filter(submission=Submission.ACCEPTED).order_by("created_at")
            pks = list(found.values_list("pk", flat=True)[:MAX_ORDERS])
            asked = len(carry_out(ASK, orders=list(orders_with(pks)), actor=user_of(request)).able)
            if not asked:
                raise ActionRefused("Nothing was sent: none of them is late and with the provider now.")
            many = "1 late order" if asked == 1 else f"{asked:,} late orders"
            return f"{late.provider.name} is asked about {many} of {late.service.name} in the next seconds."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=late.provider,
            form_class=forms.Form,
            title=f"Ask about the late orders of {late.service.name}",
            explanation=f"{late.provider.name} is asked how they stand now. Nothing else changes.",
            button="Ask now",
            act=act,
            is_routine=True,
        )


def _parts(request: HttpRequest, chosen: int | None, now: datetime) -> Iterator[ProviderPart]:
    """Yield the providers with late orders, those with the most first: by the same few statements however many."""
    late = LateOrders.objects.filter(late__gt=0)
    if chosen is not None:
        late = late.filter(provider=chosen)
    sums = (
        late.order_by()
        .values("provider")
        .annotate(count=Sum("late"), paid=Sum("charge"), services=Count("pk"), oldest=Min("oldest_at"))
        .order_by("-count", "provider")[:MAX_PROVIDERS]
    )
    found = {row["provider"]: row for row in sums}
    rows = _rows(late.filter(provider__in=found), MAX_SERVICES if chosen is not None else WORST, now)
    providers = Provider.objects.in_bulk(list(found))
    reasons = reasons_of(request, providers.values())
    for pk, row in found.items():
        yield ProviderPart(
            provider=providers[pk],
            late=row["count"],
            charge=int(row["paid"]),
            services=row["services"],
            oldest=duration_text(now - row["oldest"]) if row["oldest"] else "",
            orders=list_of(provider=pk),
            reasons=reasons[pk],
            rows=rows[pk],
        )


def _rows(late: Any, most: int, now: datetime) -> dict[int, list[ServiceRow]]:
    place = Window(RowNumber(), partition_by=F("provider"), order_by=("-late", "pk"))
    ranked = late.annotate(place=place).filter(place__lte=most).select_related("service__figures")
    found: dict[int, list[ServiceRow]] = defaultdict(list)
    for one in ranked.order_by("-late", "pk"):
        found[one.provider_id].append(row_of(one, now))
    return found


def row_of(one: LateOrders, now: datetime) -> ServiceRow:
    """Return the service's line. `one` comes with `service.figures` loaded."""
    figures: ServiceFigures | None = getattr(one.service, "figures", None)
    times = times_of(one.service)
    bound = bound_of(
        late_hours=one.service.late_hours,
        timed=figures.timed if figures else None,
        slow=figures.slow_seconds if figures else None,
        borrowed=figures.borrowed_seconds if figures else None,
        lender=figures.borrowed_from if figures else "",
    )
    trend, look = trend_of(late=one.late, yesterday=one.yesterday, since=one.since, now=now)
    return ServiceRow(
        figures=one,
        orders=list_of(provider=one.provider_id, service=one.service_id),
        usual=_seconds_text(times.typical_seconds) if times else "",
        bound=_seconds_text(bound.seconds) if bound else "",
        basis=_BASES[bound.basis] if bound else "",
        late_by=_late_by(one, bound, now),
        trend=trend,
        trend_look=look,
    )


def trend_of(*, late: int, yesterday: int, since: datetime, now: datetime) -> tuple[str, str]:
    """Return how the count compares with yesterday's, and the class of the look for it. Pure."""
    if not yesterday:
        is_new = panel_day(since) == panel_day(now)
        return "New today" if is_new else f"For {duration_text(now - since)}", "is-look"
    if late > yesterday:
        return f"Up from {yesterday:,} yesterday", "is-broken"
    return (f"Down from {yesterday:,} yesterday", "is-fine") if late < yesterday else ("As yesterday", "")


def _late_by(one: LateOrders, bound: Bound | None, now: datetime) -> str:
    if one.oldest_at is None or bound is None:
        return ""
    return duration_text(max(now - one.oldest_at - timedelta(seconds=bound.seconds), timedelta(minutes=1)))


def _seconds_text(seconds: int | None) -> str:
    return duration_text(timedelta(seconds=seconds)) if seconds is not None else ""


def list_of(**values: int) -> str:
    """Return the address of the list of orders with the late ones of a provider, or of one of its services."""
    return f"{reverse('admin:orders_order_changelist')}?{urlencode({'view': 'late', **values})}"


def reasons_of(request: HttpRequest, providers: Iterable[Provider]) -> dict[int, list[str]]:
    """Return what the panel knows of each provider that may explain late orders, as far as this person may know it."""
    stops: dict[int | None, list[SendingStop]] = defaultdict(list)
    for stop in open_stops():
        stops[stop.provider_id].append(stop)
    listed = list(providers)
    causes = {cause.of(one.pk): (one.pk, cause) for one in listed for cause in _ALERTS}
    alerts: dict[int, dict[Cause, str]] = defaultdict(dict)
    for stored, text in Alert.objects.filter(cause__in=causes, resolved_at=None).values_list("cause", "text"):
        pk, cause = causes[stored]
        alerts[pk][cause] = text
    return {one.pk: list(_each_reason(request, one, [*stops[None], *stops[one.pk]], alerts[one.pk])) for one in listed}


def _each_reason(
    request: HttpRequest, provider: Provider, stops: list[SendingStop], alerts: dict[Cause, str]
) -> Iterator[str]:
    may_know_costs = sees_costs(request)
    if not provider.is_active:
        yield "It is switched off: nothing is sent to it, and its open orders are still followed."
    if stops:
        text = stops[0].text if may_know_costs else stop_without_costs(stops[0].reason, stops[0].text)
        why = f": {text}" if request.user.has_perm("orders.view_sendingstop") else "."
        yield f"Sending is stopped, so its queue waits{why}"
    if provider.pause_count:
        yield f"It is paused: {provider.pause_reason}" if may_know_costs else "It is paused, so its queue waits."
    if Cause.UNREACHABLE in alerts:
        yield "It does not answer, so nobody knows how its orders stand now."
    elif provider.polling_failures or Cause.UNCHECKED in alerts:
        yield "It answers badly: some of these may have ended without our knowing."
    if may_know_costs and Cause.LOW_BALANCE in alerts:
        yield alerts[Cause.LOW_BALANCE]
