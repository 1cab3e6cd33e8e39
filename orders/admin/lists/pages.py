"""The addresses below the list of orders that its page calls."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse, QueryDict
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse

from catalog.models import Service
from orders.admin.lists import saved_views
from orders.admin.lists.columns import choose_columns
from orders.admin.lists.query import checked_query
from orders.admin.lists.saved_views import ViewRefused
from orders.common.hidden_costs import sees_costs
from orders.models import StaffView
from orders.models.saved_views import MAX_NAME
from panel.accounts.models import User
from panel.accounts.signed_in import user_of
from panel.activity.record import record
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.lib.digits import whole_number
from panel.lib.time_limit import TookTooLong, time_limit

# Services that are suggested for what was typed.
MAX_SUGGESTED = 20
# Orders that are summed: more take too long.
MAX_SUMMED = 10_000
_SUMS_TAKE = 2_000
_LIST = "admin:orders_order_changelist"
_STEPS = {"earlier": -1, "later": 1}


class OrderListPages(ReadOnlyAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("services/", view(self.suggest_services), name="orders_order_suggest_services"),
            path("sums/", view(self.sum_orders), name="orders_order_sums"),
            path("views/", view(self.save_view), name="orders_order_save_view"),
            path("views/change/", view(self.change_view_of_list), name="orders_order_change_view"),
            path("columns/", view(self.choose_columns), name="orders_order_columns"),
            *super().get_urls(),
        ]

    def suggest_services(self, request: HttpRequest) -> HttpResponse:
        """Return the numbers and names of services with this number or these words in the name."""
        self._require_view(request)
        typed = request.GET.get("q", "").strip()[:200]
        services = Service.objects.order_by("name", "pk")
        number = whole_number(typed)
        found = services.filter(name__icontains=typed) if number is None else services.filter(pk=number)
        rows = found.values_list("pk", "name")[:MAX_SUGGESTED] if typed else ()
        return JsonResponse({"services": [{"number": pk, "name": name} for pk, name in rows]})

    def sum_orders(self, request: HttpRequest) -> HttpResponse:
        """Return in words what all orders that match were charged, and what they earn to who may see it."""
        self._require_view(request)
        orders: Any = self.get_changelist_instance(request).queryset
        some = orders.order_by().values("pk", "charge", "profit")[: MAX_SUMMED + 1]
        try:
            with time_limit(milliseconds=_SUMS_TAKE):
                sums = some.aggregate(count=Count("pk"), charge=Sum("charge"), earned=Sum("profit"))
        except TookTooLong:
            return JsonResponse({"words": "their sums take too long to count"})
        if sums["count"] > MAX_SUMMED:
            return JsonResponse({"words": f"more than {MAX_SUMMED:,} orders, whose sums are not counted"})
        words = f"{sums['count']:,} orders, {shown_money(sums['charge'] or 0)} charged"
        earned = f", about {shown_money(sums['earned'] or 0)} profit" if sees_costs(request) else ""
        return JsonResponse({"words": f"{words}{earned}"})

    def save_view(self, request: HttpRequest) -> HttpResponse:
        """Save the filters of the list as a view."""
        self._require_view(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        user, name = user_of(request), request.POST.get("name", "")
        is_shared = bool(request.POST.get("is_shared"))
        query = request.POST.get("query", "")
        if is_shared and not saved_views.may_share(user):
            raise PermissionDenied
        try:
            view = saved_views.save_view(user=user, name=name, query=checked_query(request, query, self))
        except ViewRefused as error:
            messages.error(request, f"The view was not saved. {error}")
            typed = QueryDict(mutable=True)
            typed["naming"] = name[:MAX_NAME]
            return self._back(query, typed.urlencode())
        if is_shared and not view.is_shared:
            self._share(user, view, is_shared=True)
        messages.success(request, f"The view “{view.name}” was saved.")
        return self._back(view.query, f"saved={view.pk}")

    def change_view_of_list(self, request: HttpRequest) -> HttpResponse:
        """Rename, update, move, share or delete a view, as `do` says."""
        self._require_view(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        user, number = user_of(request), whole_number(request.POST.get("view", ""))
        query = request.POST.get("query", "")
        view = next((one for one in saved_views.views_for(user=user) if one.pk == number), None)
        if view is None:
            messages.error(request, "That view is not there any more. Nothing was changed.")
            return self._back(query)
        do = request.POST.get("do", "")
        if not (view.user_id == user.pk if do in _STEPS else saved_views.may_change(user, view)):
            raise PermissionDenied
        if do in ("share", "unshare") and not saved_views.may_share(user):
            raise PermissionDenied
        try:
            said = self._change(request, view, do)
        except ViewRefused as error:
            messages.error(request, f"Nothing was changed. {error}")
            return self._back(query, f"saved={view.pk}")
        if said:
            messages.success(request, said)
        return self._back(query) if do == "delete" else self._back(query, f"saved={view.pk}")

    def _change(self, request: HttpRequest, view: StaffView, do: str) -> str:
        user = user_of(request)
        was_shared = view.is_shared
        if do in _STEPS:
            saved_views.move_view(user=user, view=view, step=_STEPS[do])
            return ""
        if do == "rename":
            saved_views.rename_view(view=view, name=request.POST.get("name", ""))
            said = "The view has its new name."
        elif do == "update":
            query = checked_query(request, request.POST.get("query", ""), self)
            saved_views.update_view(view=view, query=query)
            said = f"The view “{view.name}” has these filters now."
        elif do in ("share", "unshare"):
            self._share(user, view, is_shared=do == "share")
            return f"All staff see “{view.name}” now." if do == "share" else f"“{view.name}” is yours alone again."
        elif do == "delete":
            if was_shared:
                record(actor_id=user.pk, objects=[view], message="A view of orders for all staff was deleted.")
            saved_views.delete_view(view=view)
            return f"The view “{view.name}” was deleted. The orders stay as they are."
        else:
            raise ViewRefused("It was not said what to do with the view.")
        if was_shared:
            record(actor_id=user.pk, objects=[view], message="A view of orders for all staff was changed.")
        return said

    def _share(self, user: User, view: StaffView, *, is_shared: bool) -> None:
        saved_views.share_view(view=view, is_shared=is_shared)
        said = "A view of orders is shared with all staff." if is_shared else "A view of orders is shared no more."
        record(actor_id=user.pk, objects=[view], message=said)

    def choose_columns(self, request: HttpRequest) -> HttpResponse:
        """Keep the columns that the person chose; those at first again if it says so."""
        self._require_view(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        keys = [] if request.POST.get("do") == "reset" else request.POST.getlist("columns")
        choose_columns(user=user_of(request), keys=keys)
        return self._back(request.POST.get("query", ""))

    def _back(self, query: str, more: str = "") -> HttpResponse:
        """Go back to the list with these filters."""
        together = "&".join(part for part in (QueryDict(query).urlencode(), more) if part)
        return redirect(f"{reverse(_LIST)}{'?' if together else ''}{together}")

    def _require_view(self, request: HttpRequest) -> None:
        """Raise PermissionDenied if the user may not see orders."""
        if not self.has_view_permission(request):
            raise PermissionDenied
