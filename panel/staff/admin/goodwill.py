"""The report of goodwill: what each person of the staff gave to customers, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from panel.lib import clock
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.lib.csv_files import as_csv, csv_response
from panel.lib.money import format_plain
from panel.staff.kinds import Kind, is_goodwill
from panel.staff.models import StaffDeed
from panel.staff.reports import Sums, goodwill_report

PERMISSION = "staff.view_staffdeed"
PERIODS = (7, 30, 90, 365)
MAX_SHOWN = 50
HEADER = (
    *("at", "person", "confirmed_by", "kind", "amount", "goodwill", "reason", "note", "customer", "about", "number"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, in words: the amounts by kind in the order of `Kind`."""

    name: str
    deeds: int
    goodwill: str
    amounts: list[tuple[str, str]]


@admin.register(StaffDeed)
class StaffDeedAdmin(ReadOnlyAdmin):
    def get_urls(self) -> list[URLPattern]:
        return [
            path("", self.admin_site.admin_view(self.goodwill_page), name="staff_staffdeed_changelist"),
            path("export/", self.admin_site.admin_view(self.export), name="staff_staffdeed_export"),
        ]

    def goodwill_page(self, request: HttpRequest) -> HttpResponse:
        """Show the sums of a period by person and by reason, and its last deeds."""
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        days = _period(request)
        report = goodwill_report(since=clock.now() - timedelta(days=days))
        context = {
            **self.admin_site.each_context(request),
            "title": "Goodwill",
            "days": days,
            "periods": PERIODS,
            "kinds": Kind.labels,
            "tables": [
                ("By person", "Person", [_row(name, sums) for name, sums in report.people.items()]),
                ("By reason", "Reason", [_row(name, sums) for name, sums in report.reasons.items()]),
            ],
            "total": _row("All", report.total),
            "deeds": [(one, shown_money(one.amount)) for one in _deeds(days)[:MAX_SHOWN]],
        }
        return TemplateResponse(request, "admin/staff/goodwill.html", context)

    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        """Send the deeds of the period as a CSV file."""
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        return csv_response(name="goodwill", lines=as_csv(HEADER, _csv_rows(_deeds(_period(request)))))


def _period(request: HttpRequest) -> int:
    return next((days for days in PERIODS if request.GET.get("days") == str(days)), PERIODS[1])


def _deeds(days: int) -> QuerySet[StaffDeed]:
    since = clock.now() - timedelta(days=days)
    return StaffDeed.objects.filter(created_at__gte=since).select_related("person", "customer", "look__decided_by")


def _row(name: str, sums: Sums) -> Row:
    amounts = [(str(kind.label), shown_money(sums.by_kind[kind])) for kind in Kind]
    return Row(name, sums.deeds, shown_money(sums.goodwill), amounts)


def _csv_rows(deeds: QuerySet[StaffDeed]) -> Iterator[tuple[str, ...]]:
    for deed in deeds.iterator():
        second = deed.look.decided_by if deed.look else None
        yield (
            timezone.localtime(deed.created_at).isoformat(timespec="seconds"),
            deed.person.email,
            second.email if second else "",
            deed.kind,
            format_plain(deed.amount),
            "yes" if is_goodwill(kind=deed.kind, reason=deed.reason) else "no",
            deed.reason,
            deed.note,
            deed.customer.email,
            deed.model,
            str(deed.object_id),
        )
