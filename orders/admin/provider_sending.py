"""The catalog's pages of providers, with what orders add to them: whether sending is stopped, and stopping it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from unfold.decorators import action

from catalog.admin.provider_trial import Known
from catalog.admin.providers import ProviderAdmin
from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, account_of
from orders.admin.sending import STOP, ReasonForm, what_waits
from orders.common.stops import open_stops, stop_sending
from orders.models import Order, PlacementAttempt, Refill
from orders.states import AttemptOutcome, StopReason
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.digits import whole_number

admin.site.unregister(Provider)
# Of the refusals that a trial looks at for names of parameters.
_MAX_REFUSALS = 20

REFUSALS = (AttemptOutcome.REFUSED, AttemptOutcome.UNCLEAR, AttemptOutcome.TAUGHT)


@admin.register(Provider)
class SendingProviderAdmin(ProviderAdmin):
    actions_detail = (*ProviderAdmin.actions_detail, "stop_sending")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        stops = open_stops().filter(provider=OuterRef("pk"))
        return super().get_queryset(request).annotate(is_stopped=Exists(stops))

    def is_stopped(self, provider: Any) -> bool:
        return bool(provider.is_stopped)

    def known_for_trial(self, provider: Provider) -> Known:
        orders = Order.objects.filter(provider=provider)
        by_number = orders.filter(upstream_number__isnull=False).order_by("-upstream_number")
        by_text = orders.filter(upstream_id__isnull=False).order_by("-pk")
        order_id = (
            by_number.values_list("upstream_id", flat=True).first()
            or by_text.values_list("upstream_id", flat=True).first()
        )
        refills = Refill.objects.filter(provider=provider).exclude(upstream_id="").order_by("-pk")
        return Known(
            order_id=order_id or "",
            refill_id=refills.values_list("upstream_id", flat=True).first() or "",
            refusals=_refusals(provider),
        )

    def has_stop_sending_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Offer it until staff have stopped it; other reasons may be open meanwhile."""
        pk = whole_number(object_id or "")
        if pk is None or not request.user.has_perm(STOP) or not self.has_view_permission(request):
            return False
        return not open_stops().filter(provider=pk, reason=StopReason.STAFF).exists()

    @action(description="Stop sending", icon="pan_tool", permissions=["stop_sending"])
    def stop_sending(self, request: HttpRequest, object_id: str) -> HttpResponse:
        provider = get_object_or_404(Provider, pk=object_id)

        def act(data: dict[str, Any]) -> str:
            stopped = stop_sending(
                reason=StopReason.STAFF, text=data["text"], provider_id=provider.pk, actor=user_of(request)
            )
            if not stopped:
                raise ActionRefused("Staff have stopped it already.")
            return f"Stopped sending to it: {data['text']}"

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=provider,
            form_class=ReasonForm,
            title=f"Stop sending to {provider}",
            explanation=f"It gets no orders until somebody resumes it under “Sending”. {what_waits()}",
            button="Stop sending",
            act=act,
            is_routine=True,
        )


def _refusals(provider: Provider) -> tuple[str, ...]:
    """Return the texts with which the provider last refused orders."""
    try:
        attempts = PlacementAttempt.objects.filter(account=account_of(provider))
    except ProviderUnusable:
        return ()
    refused = attempts.filter(outcome__in=REFUSALS).order_by("-started_at")
    return tuple(refused.values_list("detail", flat=True)[:_MAX_REFUSALS])
