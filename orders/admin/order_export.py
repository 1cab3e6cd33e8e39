"""The list action that exports orders as CSV, read in short statements so that a slow download holds no transaction."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from unfold.decorators import action

from orders.common.hidden_costs import sees_costs
from panel.lib.admin.base import ReadOnlyAdmin
from panel.lib.csv_files import as_csv, csv_response
from panel.lib.keyset_pagination import each_row
from panel.lib.money import format_plain

_HEADER = (
    *("order", "created_at", "ended_at", "customer", "service", "service_name", "link", "quantity", "delivered"),
    *("status", "submission", "provider", "provider_order", "charge", "refunded"),
)
_COSTS = ("cost", "profit", "is_estimated")


class ExportAdmin(ReadOnlyAdmin):
    @action(description="Export as CSV", permissions=["view"])
    def export_many(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseBase:
        """Send the selected orders as a file, the latest first; what they cost only to those who may see it."""
        with_costs = sees_costs(request)
        rows = each_row(queryset.select_related("customer", "provider"))
        lines = (tuple(_cells(order, with_costs=with_costs)) for order in rows)
        return csv_response(name="orders", lines=as_csv((*_HEADER, *(_COSTS if with_costs else ())), lines))


def _cells(order: Any, *, with_costs: bool) -> Iterator[str]:
    yield from (str(order.pk), _moment(order.created_at), _moment(order.finished_at), order.customer.email)
    yield from (str(order.service_id), order.service_name, order.link, str(order.quantity))
    yield "" if order.delivered is None else str(order.delivered)
    yield from (order.get_status_display(), order.get_submission_display(), order.provider.name)
    yield from (order.upstream_id or "", format_plain(order.charge), format_plain(order.refunded))
    if with_costs:
        yield from (format_plain(order.cost), format_plain(order.profit), "yes" if order.is_estimated else "no")


def _moment(moment: datetime | None) -> str:
    return timezone.localtime(moment).isoformat(timespec="seconds") if moment else ""
