"""The staff's page of days of payments, compared with the lists of their gateways."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from billing.intake.sync import sync_invoice
from billing.models import ComparedDay, Invoice, Payment, PaymentMethod
from billing.reconciliation.compare import Comparison, Line, Verdict
from billing.reconciliation.days import DayRefused, comparable_methods, comparison_of, count_day, request_comparison
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.lib.date_fields import DayField
from panel.lib.digits import whole_number
from panel.lib.formats import day_text, moment_text
from panel.lib.panel_days import panel_day

PERMISSION = "billing.view_payment"
ASK_PERMISSION = "billing.decide_deposit"
DAYS = 14
# Lines of one verdict that a page shows.
MAX_SHOWN = 200
_DIFFERENCES = [verdict for verdict in Verdict if verdict.is_difference]
_OTHERS = [verdict for verdict in Verdict if not verdict.is_difference]


@dataclass(frozen=True, slots=True)
class DayTile:
    """One of the last days of a method. `state` is "agrees", "differs", "problem", "waits" or "unknown"."""

    day: date
    state: str
    words: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A line in words, with what it leads to. `invoice` is the one that may be asked about now."""

    verdict: Verdict
    words: str
    external_id: str
    our_ref: str
    there: str
    there_note: str
    here: str
    here_note: str
    payment: Payment | None
    invoice: Invoice | None

    @property
    def customer(self) -> str:
        deposit = self.payment.deposit if self.payment else None
        deposit = deposit or (self.invoice.deposit if self.invoice else None)
        return str(deposit.customer) if deposit else ""

    @property
    def is_strange(self) -> bool:
        """True for money at the gateway that names no request of ours."""
        return self.verdict is Verdict.ONLY_THERE and self.invoice is None

    @property
    def request(self) -> int | None:
        found = self.payment.deposit_id if self.payment else None
        return found or (self.invoice.deposit_id if self.invoice else None)


@dataclass(frozen=True, slots=True)
class Group:
    """The lines of one verdict, of which at most MAX_SHOWN are `rows`."""

    verdict: Verdict
    rows: list[Row]
    count: int
    total: str

    @property
    def more(self) -> int:
        return self.count - len(self.rows)


@admin.register(ComparedDay)
class ComparedDayAdmin(ReadOnlyAdmin):
    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(PERMISSION)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "billing_comparedday"
        return [
            path("", wrap(self.page), name=f"{name}_changelist"),
            path("compare/", wrap(self.compare), name=f"{name}_compare"),
            path("<int:pk>/change/", wrap(self.open_day), name=f"{name}_change"),
            path("<int:pk>/ask/", wrap(self.ask), name=f"{name}_ask"),
        ]

    def page(self, request: HttpRequest) -> HttpResponse:
        """Show a day of a method as it was compared. Asks no gateway."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        methods = comparable_methods()
        method = _chosen_method(request, methods)
        today = panel_day()
        day, problem = _chosen_day(request, today)
        row = ComparedDay.objects.filter(method=method, day=day).first() if method else None
        found = comparison_of(row) if row else None
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": "Reconciliation",
            "methods": methods,
            "method": method,
            "day": day,
            "day_title": day_text(day),
            "today": today,
            "is_today": day == today,
            "is_to_come": day > today,
            "day_problem": problem,
            "tiles": _tiles(method, day, today) if method else [],
            "row": row,
            "found": found,
            "sums": _sums(found) if found else [],
            "differences": _groups(row, found, _DIFFERENCES) if row and found else [],
            "others": _groups(row, found, _OTHERS) if row and found else [],
            "may_ask": request.user.has_perm(ASK_PERMISSION),
            "may_see_deposits": request.user.has_perm("billing.view_deposit"),
        }
        return TemplateResponse(request, "admin/billing/reconciliation.html", context)

    def compare(self, request: HttpRequest) -> HttpResponse:
        """Let a day be compared by the next round."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        method = PaymentMethod.objects.filter(pk=whole_number(request.POST.get("method", "")) or 0).first()
        if method is None:
            messages.error(request, "There is no such way to pay any more.")
            return redirect("admin:billing_comparedday_changelist")
        day, problem = _as_day(request.POST.get("day", ""))
        if day is None:
            messages.error(request, problem)
            return redirect(_address(method, None))
        try:
            request_comparison(method=method, day=day)
        except DayRefused as error:
            messages.error(request, str(error))
        return redirect(_address(method, day))

    def open_day(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Lead to the page of a stored day."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = get_object_or_404(ComparedDay.objects.select_related("method"), pk=pk)
        return redirect(_address(row.method, row.day))

    def ask(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask the gateway about one invoice of a day, as “Ask now” of the invoice does, and count the day again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm(ASK_PERMISSION):
            raise PermissionDenied
        row = get_object_or_404(ComparedDay.objects.select_related("method"), pk=pk)
        number = whole_number(request.POST.get("invoice", "")) or 0
        invoice = Invoice.objects.filter(pk=number, method=row.method).first()
        if invoice is None:
            messages.error(request, "There is no such invoice of this way to pay. Nobody was asked.")
            return redirect(_address(row.method, row.day))
        asked = sync_invoice(invoice_id=invoice.pk)
        if asked.last_error:
            messages.error(request, f"The gateway did not say: {asked.last_error}")
        else:
            done = f"Asked about {asked.our_ref}: it is {asked.get_state_display().lower()}. What came in is credited."
            self.log_change(request, asked, done)
            messages.success(request, done)
        count_day(row=row)
        return redirect(_address(row.method, row.day))


def _address(method: PaymentMethod, day: date | None) -> str:
    chosen = {"method": method.pk, **({"day": day.isoformat()} if day else {})}
    return f"{reverse('admin:billing_comparedday_changelist')}?{urlencode(chosen)}"


def _chosen_method(request: HttpRequest, methods: list[PaymentMethod]) -> PaymentMethod | None:
    number = whole_number(request.GET.get("method", ""))
    found = next((method for method in methods if method.pk == number), None)
    return found or (methods[0] if methods else None)


def _chosen_day(request: HttpRequest, today: date) -> tuple[date, str]:
    """Return the day of the address, yesterday if there is none, and what is wrong with it."""
    text = request.GET.get("day", "")
    day, problem = _as_day(text) if text else (None, "")
    return day or today - timedelta(days=1), problem


def _as_day(text: str) -> tuple[date | None, str]:
    try:
        day: date | None = DayField().clean(text)
    except ValidationError as error:
        return None, " ".join(error.messages)
    return day, "" if day else "Choose a day."


def _tiles(method: PaymentMethod, chosen: date, today: date) -> list[DayTile]:
    """Return the last days, the newest first."""
    since = today - timedelta(days=DAYS - 1)
    rows = {row.day: row for row in ComparedDay.objects.filter(method=method, day__gte=since).defer("listed")}
    days = [today - timedelta(days=back) for back in range(DAYS)]
    return [DayTile(day, *_state_of(rows.get(day)), day == chosen) for day in days]


def _state_of(row: ComparedDay | None) -> tuple[str, str]:
    if row is None or (row.differences is None and not row.problem and row.due_at is None):
        return "unknown", "Not compared"
    if row.due_at is not None and row.listed_at is None and not row.problem:
        return "waits", "Being compared"
    if row.problem:
        return "problem", "Not answered"
    if row.differences:
        return "differs", f"{row.differences} differ" if row.differences > 1 else "1 differs"
    return "agrees", "Agrees"


def _sums(found: Comparison) -> list[tuple[str, str]]:
    shown = [("Came in at the gateway", shown_money(found.came_in)), ("Credited here", shown_money(found.credited))]
    for words, amount in (
        ("Waits for staff", found.waits),
        ("Not credited, as staff decided", found.decided),
        ("Taken back by the gateway", found.taken_back),
    ):
        shown += [(words, shown_money(amount))] if amount else []
    return [*shown, ("Difference in all", shown_money(found.unexplained))]


def _groups(row: ComparedDay, found: Comparison, verdicts: Iterable[Verdict]) -> list[Group]:
    """Return the lines by verdict, those shown with their payments and invoices in two statements."""
    lines = {verdict: found.of(verdict) for verdict in verdicts}
    shown = [line for some in lines.values() for line in some[:MAX_SHOWN]]
    pks = [line.ours.pk for line in shown if line.ours]
    related = Payment.objects.filter(pk__in=pks).select_related("deposit__customer", "deposit__invoice")
    payments = {payment.pk: payment for payment in related}
    refs = [line.theirs.our_ref for line in shown if line.theirs and line.theirs.our_ref]
    of_refs = Invoice.objects.filter(method=row.method_id, our_ref__in=refs).select_related("deposit__customer")
    invoices = {invoice.our_ref: invoice for invoice in of_refs}
    return [
        Group(
            verdict,
            [_row(line, payments, invoices) for line in some[:MAX_SHOWN]],
            len(some),
            shown_money(found.agreed_sum) if verdict is Verdict.AGREES else "",
        )
        for verdict, some in lines.items()
        if some
    ]


def _row(line: Line, payments: dict[int, Payment], invoices: dict[str, Invoice]) -> Row:
    theirs, ours = line.theirs, line.ours
    payment = payments.get(ours.pk) if ours else None
    invoice = invoices.get(theirs.our_ref) if theirs else None
    if invoice is None and payment is not None and payment.deposit is not None:
        invoice = getattr(payment.deposit, "invoice", None)
    there, there_note = "—", "Not in its list"
    if theirs:
        there = shown_money(theirs.seen.came_in, theirs.seen.currency or "?")
        there_note = ", ".join(filter(None, (theirs.seen.words or theirs.seen.effect.value, moment_text(theirs.at))))
    here, here_note = "—", "Not known"
    if ours:
        here = shown_money(ours.credited or ours.came_in, ours.currency)
        here_note = f"{Payment.State(ours.state).label}, {moment_text(ours.seen_at)}"
    words = line.words
    if line.is_at_edge:
        words = f"{words} It was seen here on another day, and counts for the gateway's.".strip()
    return Row(
        verdict=line.verdict,
        words=words,
        external_id=theirs.seen.external_id if theirs else (ours.external_id if ours else ""),
        our_ref=(theirs.our_ref if theirs else "") or (invoice.our_ref if invoice else ""),
        there=there,
        there_note=there_note,
        here=here,
        here_note=here_note,
        payment=payment,
        invoice=invoice,
    )
