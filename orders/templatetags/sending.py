"""The banner on admin pages while sending is stopped."""

from __future__ import annotations

from typing import Any

from django import template
from django.db.models import Q
from django.template import Context
from django.urls import reverse

from catalog.models import Provider
from orders.common.hidden_costs import sees_costs, stop_without_costs
from orders.common.stops import open_stops
from orders.models import SendingStop
from orders.states import RESTORE_STOPS
from panel.accounts.signed_in import AnyUser

register = template.Library()


def page_of_stop(stop: SendingStop, user: AnyUser) -> str:
    """Return the address of the page on which the user can see the stop, or decide what follows a restore."""
    if stop.reason in RESTORE_STOPS and user.has_perm("catalog.connect_provider"):
        return reverse("admin:orders_after_restore")
    return reverse("admin:orders_sendingstop_change", args=[stop.pk])


@register.inclusion_tag("admin/orders/_sending_banner.html", takes_context=True)
def sending_banner(context: Context) -> dict[str, Any]:
    """Show staff the open stops of the whole panel and, on a provider's page, its own.

    A page that is about a stop itself does not repeat it.
    """
    if not context.get("has_permission"):
        return {"stops": []}
    shown = context.get("original")
    about = Q(provider=None) | Q(provider=shown.pk) if isinstance(shown, Provider) else Q(provider=None)
    stops = open_stops().filter(about).select_related("created_by")
    request = context["request"]
    may_see = request.user.has_perm("orders.view_sendingstop")
    pages = [(stop, page_of_stop(stop, request.user)) for stop in stops]
    if not sees_costs(request):
        for stop in stops:
            stop.text = stop_without_costs(stop.reason, stop.text)
    return {"stops": [(stop, page if may_see else "") for stop, page in pages if page != request.path]}
