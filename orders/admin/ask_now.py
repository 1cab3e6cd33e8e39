"""The list action that asks providers now how orders stand, after a page that says which."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import action

from orders.admin.cancel import PERMISSION, SelectionForm
from orders.models import Order
from orders.requests.ask_now import ask_now, plan_asking
from orders.requests.bulk import MAX_STAFF_ORDERS, TooMany
from panel.accounts.signed_in import user_of
from panel.activity.record import record
from panel.lib.admin.base import ReadOnlyAdmin, shown_money

_NAME = "orders_order_ask_selected"
_LIST = "admin:orders_order_changelist"


class AskNowAdmin(ReadOnlyAdmin):
    def get_urls(self) -> list[URLPattern]:
        return [path("ask/", self.admin_site.admin_view(self.ask_selected), name=_NAME), *super().get_urls()]

    def has_ask_many_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PERMISSION)

    @action(description="Ask the providers now", permissions=["ask_many"])
    def ask_many(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        """Show which orders would be asked about; nothing is sent yet."""
        pks = list(queryset.order_by("pk").values_list("pk", flat=True)[: MAX_STAFF_ORDERS + 1])
        try:
            plan = plan_asking(orders=list(Order.objects.filter(pk__in=pks)))
        except TooMany as error:
            messages.error(request, f"{error} Narrow the list down. Nothing was sent.")
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": "Ask the providers now",
            "opts": self.opts,
            "plan": plan,
            "charged": shown_money(plan.charged),
            "form": SelectionForm(initial={"orders": ",".join(map(str, pks))}),
            "action": reverse(f"admin:{_NAME}"),
            "back": reverse(_LIST),
        }
        return TemplateResponse(request, "admin/orders/ask_many.html", context)

    def ask_selected(self, request: HttpRequest) -> HttpResponse:
        """Ask about the orders that the preview listed."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        form = SelectionForm(request.POST)
        if not form.is_valid():
            messages.error(request, "The selection could not be read. Nothing was sent; select the orders again.")
            return redirect(_LIST)
        plan = ask_now(orders=list(Order.objects.filter(pk__in=form.cleaned_data["orders"])))
        if plan.orders:
            record(actor_id=user_of(request).pk, objects=plan.orders, message="Its provider is asked at once.")
        said = [f"Providers are asked about {len(plan.orders):,} in the next seconds"]
        said += [f"{count:,} left alone: {why}" for why, count in plan.left.items()]
        messages.add_message(request, messages.SUCCESS if plan.orders else messages.WARNING, f"{'; '.join(said)}.")
        return redirect(_LIST)
