"""The page of bank statements: bring one in, see whose its lines are, and approve all that are sure at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from billing.admin.bank_uploads import ColumnsForm, StatementForm, keep_statement, kept_statement
from billing.bank.decide import LineRefused, approve_line
from billing.bank.lines import bank_methods, read_statement, store_lines
from billing.bank.matching import Matched, Proposal, match_lines, waiting_lines
from billing.bank.read import Incoming
from billing.bank.tables import text_of
from billing.deposits import DecisionRefused
from billing.models import BankLine, Deposit, PaymentMethod
from billing.second_looks import APPROVE_LINE, asked_line
from panel.accounts.signed_in import user_of
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.lib.admin.kept_forms import KeptTooOld
from panel.lib.csv_files import NotCSV
from panel.lib.digits import whole_number
from panel.lib.formats import day_text
from panel.lib.own_account import OwnAccount
from panel.lib.recent_sign_in import require_recent_sign_in
from panel.staff.deeds import AboveLimit, Why
from panel.staff.forms import WhyForm, take_why
from panel.staff.kinds import Kind, Reason
from panel.staff.limits import limit_sentence
from panel.staff.looks import ask_second_look
from panel.staff.models import SecondLook

VIEW_PERMISSION = "billing.view_payment"
PERMISSION = "billing.decide_deposit"
# Lines of a page, and of one approval.
MAX_SHOWN = 200
MAX_AT_ONCE = 100
# Lines of a file that were known, which are named.
MAX_KNOWN = 20


@dataclass(frozen=True, slots=True)
class Sure:
    """A line that is approved with others. In micro-units: what is taken of it as a fee, and the bonus on the rest."""

    line: BankLine
    proposal: Proposal
    fee: int
    bonus: int

    @property
    def deposit(self) -> Deposit:
        return self.proposal.deposit


class StatementPages(ReadOnlyAdmin):
    """The pages beside the list of lines."""

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(VIEW_PERMISSION)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("match/", wrap(self.match_page), name="billing_bankline_match"),
            path("upload/", wrap(self.upload_page), name="billing_bankline_upload"),
            path("approve-sure/", wrap(self.approve_sure_page), name="billing_bankline_approve_sure"),
            *super().get_urls(),
        ]

    def match_page(self, request: HttpRequest) -> HttpResponse:
        """Show the lines of a method that wait, with the requests that they may be for."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        methods = list(bank_methods())
        number = whole_number(request.GET.get("method", ""))
        method = next((one for one in methods if one.pk == number), methods[0] if methods else None)
        matched = _matched(method) if method else []
        sure = [one for one in matched if one.is_sure]
        waiting = waiting_lines(method=method) if method else BankLine.objects.none()
        summed = waiting.aggregate(total=Sum("amount"))["total"] or 0
        count = waiting.count()
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": "Bank statements",
            "methods": methods,
            "method": method,
            "form": StatementForm(),
            "sure": [_in_words(one) for one in sure],
            "sure_total": shown_money(sum(one.line.amount for one in sure)),
            "sure_address": f"{reverse('admin:billing_bankline_approve_sure')}?{urlencode({'method': method.pk})}"
            if method
            else "",
            "open": [_in_words(one) for one in matched if not one.is_sure],
            "count": count,
            "total": shown_money(summed),
            "more": count - len(matched),
            "asked": _asked_lines(matched),
            "may_decide": request.user.has_perm(PERMISSION),
        }
        return TemplateResponse(request, "admin/billing/bank_statements.html", context)

    def upload_page(self, request: HttpRequest) -> HttpResponse:
        """Show what a file says before anything is stored; store it once that is confirmed."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        method = bank_methods().filter(pk=whole_number(request.POST.get("method", "")) or 0).first()
        if method is None:
            return _no_method(request)
        try:
            if "kept" in request.POST:
                text = kept_statement(request=request, method=method)
            else:
                form = StatementForm(request.POST, request.FILES)
                if not form.is_valid():
                    raise NotCSV(" ".join(map(str, form.errors["file"])))
                text = text_of(form.cleaned_data["file"].read())
            return self._preview(request, method, text)
        except (NotCSV, KeptTooOld) as error:
            messages.error(request, f"{error} Nothing was stored.")
            return redirect(match_address(method))

    def _preview(self, request: HttpRequest, method: PaymentMethod, text: str) -> HttpResponse:
        table, columns, _ = read_statement(text=text)
        is_chosen = "day" in request.POST
        form = ColumnsForm(request.POST if is_chosen else None, table=table, columns=columns)
        reading = None
        if is_chosen and form.is_valid():
            columns, order = form.chosen()
            _, _, reading = read_statement(text=text, columns=columns, order=order)
        elif not is_chosen and columns is not None:
            _, _, reading = read_statement(text=text, columns=columns)
        can_store = reading is not None and bool(reading.incoming) and not reading.is_order_open
        if reading is not None and can_store and "store" in request.POST:
            stored = store_lines(method=method, incoming=reading.incoming, actor=user_of(request))
            known = f" {len(stored.known):,} were known." if stored.known else ""
            done = f"{_lines(stored.new)} came in by {method.name}.{known}"
            self.log_change(request, method, f"Brought in a bank statement: {done}")
            messages.success(request, done)
            if stored.known:
                messages.info(request, _known_words(stored.known))
            return redirect(match_address(method))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Statement for {method.name}",
            "method": method,
            "kept": keep_statement(request=request, method=method, text=text),
            "form": form,
            "reading": reading,
            "total": shown_money(reading.total) if reading else "",
            "first": [(one, day_text(one.day), shown_money(one.amount)) for one in reading.incoming[:8]]
            if reading
            else [],
            "problems": reading.problems[:20] if reading else [],
            "more_problems": max(0, len(reading.problems) - 20) if reading else 0,
            "can_store": can_store,
            "back": match_address(method),
        }
        return TemplateResponse(request, "admin/billing/bank_upload.html", context)

    def approve_sure_page(self, request: HttpRequest) -> HttpResponse:
        """Show what approving all sure lines adds to whom; approve them once that is confirmed."""
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        require_recent_sign_in(request)
        number = whole_number(request.GET.get("method", "")) or 0
        method = bank_methods().filter(pk=number).first()
        if method is None:
            return _no_method(request)
        sure = _sure(method)
        user = user_of(request)
        initial = {"why": Reason.PAYMENT, "why_note": f"Bank statement of {method.name}"}
        form = WhyForm(request.POST if request.method == "POST" else None, initial=initial)
        seen = _fingerprint(sure)
        if request.method == "POST" and form.is_valid():
            if request.POST.get("seen", "") == seen and sure:
                self._approve_all(request, sure, take_why(form.cleaned_data))
                return redirect(match_address(method))
            form.add_error(None, "It changed since you opened this page. Nothing was done; look at it again.")
        context = {
            **self.admin_site.each_context(request),
            "title": f"Approve what is sure: {method.name}",
            "sure": [
                (one, day_text(one.line.day), shown_money(one.line.amount), shown_money(one.bonus)) for one in sure
            ],
            "count": len(sure),
            "total": shown_money(sum(one.line.amount for one in sure)),
            "fee": shown_money(fee) if (fee := sum(one.fee for one in sure)) else "",
            "bonus": shown_money(bonus) if (bonus := sum(one.bonus for one in sure)) else "",
            "limit": limit_sentence(user=user, kind=Kind.DEPOSIT),
            "form": form,
            "seen": seen,
            "back": match_address(method),
        }
        return TemplateResponse(request, "admin/billing/bank_approve.html", context)

    def _approve_all(self, request: HttpRequest, sure: list[Sure], why: Why) -> None:
        """Approve each line in a transaction of its own, and say what came of all."""
        user, total, done, waits = user_of(request), 0, 0, 0
        left: Counter[str] = Counter()
        for one in sure:
            try:
                with transaction.atomic():
                    decided = approve_line(line_id=one.line.pk, deposit_id=one.deposit.pk, actor=user, why=why)
                    added = decided.added
                    text = f"{shown_money(added)} was added to the wallet of {decided.customer}."
                    self.log_change(request, one.line, text)
            except AboveLimit as above:
                asked = asked_line(line=one.line, deposit=one.deposit, note="")
                ask_second_look(asked=asked, kind=above.kind, amount=above.amount, actor=user, why=why)
                waits += 1
            except (LineRefused, DecisionRefused, OwnAccount) as error:
                left[str(error)] += 1
            else:
                total, done = total + added, done + 1
        if done:
            messages.success(request, f"{_lines(done)} approved: {shown_money(total)} was added, with bonuses.")
        if waits:
            messages.warning(request, f"{_lines(waits)} above your limit: they wait for a second person.")
        for reason, count in left.items():
            messages.warning(request, f"{_lines(count)} left as before: {reason}")


def match_address(method: PaymentMethod) -> str:
    """Return the address of the page of a method's lines."""
    return f"{reverse('admin:billing_bankline_match')}?{urlencode({'method': method.pk})}"


def _no_method(request: HttpRequest) -> HttpResponse:
    messages.error(request, "There is no such way to pay by hand any more. Nothing was done.")
    return redirect("admin:billing_bankline_match")


def _matched(method: PaymentMethod) -> list[Matched]:
    return match_lines(method=method, lines=list(waiting_lines(method=method).select_related("method")[:MAX_SHOWN]))


def _sure(method: PaymentMethod) -> list[Sure]:
    found = [one for one in _matched(method) if one.is_sure]
    return [_terms(one.line, one.best) for one in found if one.best][:MAX_AT_ONCE]


def _terms(line: BankLine, proposal: Proposal) -> Sure:
    """Return the line with its fee and its bonus, as they are promised now."""
    deposit = proposal.deposit
    net = deposit.fee_terms.net_of(line.amount)
    redemption = getattr(deposit, "redemption", None)
    by_coupon = redemption.bonus_of(net) if redemption and redemption.given_back_at is None else 0
    return Sure(line, proposal, line.amount - net, deposit.bonus_terms.bonus_of(net) + by_coupon)


def _fingerprint(sure: list[Sure]) -> str:
    """Return what names the lines, requests and amounts that were shown."""
    parts = [f"{one.line.pk}:{one.deposit.pk}:{one.line.amount}:{one.fee}:{one.bonus}" for one in sure]
    return sha256(",".join(parts).encode()).hexdigest()


def _in_words(matched: Matched) -> dict[str, Any]:
    best = matched.best
    return {
        "line": matched.line,
        "day": day_text(matched.line.day),
        "amount": shown_money(matched.line.amount),
        "best": best,
        "asked": shown_money(best.deposit.to_pay) if best else "",
        "sureness": best.sureness.name.lower() if best else "",
        "others": max(0, len(matched.proposals) - 1),
        "hint": matched.hint,
    }


def _asked_lines(matched: list[Matched]) -> set[int]:
    """Return the lines that wait for a second person."""
    waiting = SecondLook.objects.filter(act=APPROVE_LINE, state=SecondLook.State.WAITING)
    return set(waiting.filter(object_id__in=[one.line.pk for one in matched]).values_list("object_id", flat=True))


def _known_words(known: Sequence[Incoming]) -> str:
    """Return which rows were not stored, so that staff see one that is a second, equal payment."""
    shown = [f"line {one.line}: {shown_money(one.amount)} of {day_text(one.day)}" for one in known[:MAX_KNOWN]]
    more = f"; and {len(known) - MAX_KNOWN:,} more" if len(known) > MAX_KNOWN else ""
    return (
        f"Taken for lines of an earlier statement, and not stored again: {'; '.join(shown)}{more}. If one is another "
        "payment of the same day, amount and text, approve its request by hand."
    )


def _lines(count: int) -> str:
    return f"{count:,} line" if count == 1 else f"{count:,} lines"
