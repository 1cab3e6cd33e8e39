"""The addresses below the list of orders that its page calls."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path

from catalog.models import Service
from panel.lib.admin.base import ReadOnlyAdmin
from panel.lib.digits import whole_number

# Services that are suggested for what was typed.
MAX_SUGGESTED = 20


class OrderListPages(ReadOnlyAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("services/", view(self.suggest_services), name="orders_order_suggest_services"),
            *super().get_urls(),
        ]

    def suggest_services(self, request: HttpRequest) -> HttpResponse:
        """Return the numbers and names of services with this number or these words in the name."""
        self.require_view(request)
        typed = request.GET.get("q", "").strip()[:200]
        services = Service.objects.order_by("name", "pk")
        number = whole_number(typed)
        found = services.filter(name__icontains=typed) if number is None else services.filter(pk=number)
        rows = found.values_list("pk", "name")[:MAX_SUGGESTED] if typed else ()
        return JsonResponse({"services": [{"number": pk, "name": name} for pk, name in rows]})

    def require_view(self, request: HttpRequest) -> None:
        """Raise PermissionDenied if the user may not see orders."""
        if not self.has_view_permission(request):
            raise PermissionDenied
