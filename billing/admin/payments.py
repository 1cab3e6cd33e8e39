"""Payments in the admin: those that wait for staff first, and the two decisions about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from billing import ledger
from billing.admin.amounts import with_fee_and_bonus
from billing.admin.money_in import money_in_export, money_in_page
from billing.admin.payment_lists import HEADER, DaysFilter, asked_of, export_rows, found_payments
from billing.intake.crediting import CannotCredit, PaymentMoved, credit_held_payment, dismiss_payment
from billing.intake.proposals import proposals_for
from billing.models import Deposit, GatewayCall, Payment
from billing.second_looks import asked_credit
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.lib.csv_files import as_csv, csv_response
from panel.lib.digits import whole_number
from panel.lib.formats import moment_text
from panel.staff.deeds import Why
from panel.staff.forms import WhyForm, take_why
from panel.staff.kinds import Kind
from panel.staff.limits import limit_sentence
from panel.staff.looks import act_or_ask

# Characters of an id in the list.
MAX_ID = 14
_STATE_COLORS = {
    Payment.State.SEEN: "info",
    Payment.State.CREDITED: "success",
    Payment.State.HELD: "warning",
}
_OUTCOME_COLORS = {
    GatewayCall.Outcome.ACCEPTED: "success",
    GatewayCall.Outcome.CONFLICT: "danger",
    GatewayCall.Outcome.REFUSED: "warning",
}


class CreditForm(WhyForm):
    """Choose the request, or write the number of another."""

    proposal = forms.ChoiceField(
        label="Request",
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="The likeliest first: of the same amount, or waiting for money by this method.",
    )
    other = forms.CharField(
        label="Or another request, by its number",
        required=False,
        max_length=18,
        widget=UnfoldAdminTextInputWidget,
    )
    field_order = ("proposal", "other", "why", "why_note")

    def __init__(self, *args: Any, proposals: list[Deposit], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(one.pk), _in_words(one)) for one in proposals]
        self.fields["proposal"].choices = [*choices, ("", "None of these")]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        number = whole_number(data.get("other") or data.get("proposal") or "")
        deposit = Deposit.objects.select_related("customer").filter(pk=number or 0).first()
        if deposit is None:
            self.add_error("other", "There is no request with this number." if number else "Say which request it is.")
        data["deposit"] = deposit
        return data


class DismissForm(forms.Form):
    note = forms.CharField(
        label="Why",
        max_length=300,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="For colleagues. The customer is not told.",
    )


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    change_list_template = "admin/billing/payments.html"
    list_display = (
        "shown_ids",
        "method",
        "shown_state",
        "shown_hold",
        "shown_customer",
        "shown_asked",
        "shown_came_in",
        "shown_credited",
        "shown_bonus",
        "shown_times",
    )
    list_filter = ("state", "method", "hold", DaysFilter)
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ("=external_id",)  # It only shows the field: see get_search_results.
    search_help_text = "Id, reference, request, start of an address"
    list_select_related = ("method", "deposit__customer", "deposit__invoice")
    # Each other order would sort all payments.
    sortable_by = ()
    fields = (
        "external_id",
        "method",
        "shown_deposit",
        "reference",
        "shown_asked",
        "shown_came_in",
        "shown_credited",
        "shown_fee",
        "shown_bonus",
        "state",
        "shown_hold",
        "note",
        "seen_at",
        "credited_at",
        "decided_by",
        "shown_calls",
    )
    readonly_fields = fields
    actions_detail = ("credit", "dismiss")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("export/", wrap(self.export), name="billing_payment_export"),
            path("money-in/", wrap(self.money_in), name="billing_payment_money_in"),
            path("money-in/export/", wrap(self.money_in_export), name="billing_payment_money_in_export"),
            *super().get_urls(),
        ]

    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        """Send what the list shows with these filters as a CSV file, the latest first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        payments = self.get_changelist_instance(request).get_queryset(request).select_related("decided_by")
        return csv_response(name="payments", lines=as_csv(HEADER, export_rows(payments)))

    def money_in(self, request: HttpRequest) -> HttpResponse:
        return money_in_page(request=request, model_admin=self)

    def money_in_export(self, request: HttpRequest) -> StreamingHttpResponse:
        return money_in_export(request=request, model_admin=self)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Put held payments first; filtered by day or state, the latest. There is an index for each."""
        if request.GET.get("seen_from") or request.GET.get("seen_to"):
            return ("-seen_at", "-pk")
        return ("-pk",) if request.GET.get("state__exact") else ("-hold", "-pk")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Payment], search_term: str
    ) -> tuple[QuerySet[Payment], bool]:
        term = search_term.strip()
        return (queryset.filter(pk__in=found_payments(term=term)) if term else queryset), False

    @display(description="Payment")
    def shown_ids(self, payment: Payment) -> str:
        lines = (_cut(payment.external_id), _cut(payment.reference))
        return format_html('<bdi class="block">{}</bdi><bdi class="block text-xs">{}</bdi>', *lines)

    @display(description="Seen, credited")
    def shown_times(self, payment: Payment) -> str:
        credited = moment_text(payment.credited_at) if payment.credited_at else "—"
        lines = '<span class="block whitespace-nowrap">{}</span><span class="block whitespace-nowrap">{}</span>'
        return format_html(lines, moment_text(payment.seen_at), credited)

    @display(description="Customer")
    def shown_customer(self, payment: Payment) -> str:
        return str(payment.deposit.customer) if payment.deposit else "—"

    @display(description="Asked for")
    def shown_asked(self, payment: Payment) -> str:
        asked = asked_of(payment)
        return shown_money(asked[0], asked[1] or None) if asked else "—"

    @display(description="Came in", ordering="came_in")
    def shown_came_in(self, payment: Payment) -> str:
        return shown_money(payment.came_in, payment.currency)

    @display(description="Credited")
    def shown_credited(self, payment: Payment) -> str:
        return shown_money(payment.credited) if payment.credited else "—"

    @display(description="Fee")
    def shown_fee(self, payment: Payment) -> str:
        return shown_money(payment.fee) if payment.fee else "—"

    @display(description="Bonus")
    def shown_bonus(self, payment: Payment) -> str:
        return shown_money(payment.bonus) if payment.bonus else "—"

    @display(description="State", ordering="state", label=_STATE_COLORS)
    def shown_state(self, payment: Payment) -> tuple[str, str]:
        return payment.state, payment.get_state_display()

    @display(description="Waits because")
    def shown_hold(self, payment: Payment) -> str:
        return payment.get_hold_display() or "—"

    @display(description="Request")
    def shown_deposit(self, payment: Payment) -> str:
        if payment.deposit is None:
            return "—"
        address = reverse("admin:billing_deposit_change", args=[payment.deposit_id])
        return _link(address, str(payment.deposit))

    @display(description="Calls")
    def shown_calls(self, payment: Payment) -> str:
        address = f"{reverse('admin:billing_gatewaycall_changelist')}?payment__id__exact={payment.pk}"
        return _link(address, "What was told")

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("billing.decide_deposit")

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[object]:
        """Offer no actions unless it waits."""
        payment = self.get_object(request, str(object_id))
        waits = payment is not None and payment.state == Payment.State.HELD
        return super().get_actions_detail(request, object_id) if waits else []

    @action(description="Credit it", icon="check", permissions=["decide"], variant="primary")
    def credit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = user_of(request)

        def act(payment: Payment, data: dict[str, Any]) -> str:
            why, deposit = take_why(data), data["deposit"]
            asked = asked_credit(payment=payment, deposit=deposit)
            return act_or_ask(act=lambda: credit(payment, deposit, why), asked=asked, actor=user, why=why)

        def credit(payment: Payment, deposit: Deposit, why: Why) -> str:
            credited = credit_held_payment(
                payment_id=payment.pk, deposit=deposit, actor=user, came_in=payment.came_in, why=why
            )
            words = with_fee_and_bonus(credited.credited, fee=credited.fee, bonus=credited.bonus)
            return f"{words} was added to the wallet of {deposit.customer}."

        return self._confirm(
            request,
            object_id,
            form_of=lambda payment: (
                lambda *args, **kwargs: CreditForm(*args, proposals=proposals_for(payment=payment), **kwargs)
            ),
            title="Credit",
            explanation=(
                "What came in is credited to the customer of the request, less its fee and with its bonus, for good. "
                "What does not exceed the fee is credited without one. "
                f"{limit_sentence(user=user, kind=Kind.DEPOSIT)}"
            ),
            button="Add the money",
            act=act,
        )

    @action(description="Do not credit it", icon="block", permissions=["decide"])
    def dismiss(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(payment: Payment, data: dict[str, Any]) -> str:
            dismiss_payment(payment_id=payment.pk, actor=user_of(request), note=data["note"])
            return "It is not credited, however often it is told again."

        return self._confirm(
            request,
            object_id,
            form_of=lambda payment: DismissForm,
            title="Do not credit",
            explanation="Nothing is added to any wallet. For what was paid for something else, or credited by hand.",
            button="Do not credit it",
            act=act,
        )

    def _confirm(
        self,
        request: HttpRequest,
        object_id: str,
        *,
        title: str,
        form_of: Callable[[Payment], Callable[..., forms.Form]],
        act: Callable[[Payment, dict[str, Any]], str],
        **words: Any,
    ) -> HttpResponse:
        payment: Payment | None = self.get_object(request, object_id)
        if payment is None:  # Also if the address has no valid number.
            raise Http404
        if request.method != "POST" and payment.state != Payment.State.HELD:
            messages.info(request, "It was decided already.")
            return redirect("admin:billing_payment_change", payment.pk)

        def decide(data: dict[str, Any]) -> str:
            try:
                return act(payment, data)
            except PaymentMoved:
                raise ActionRefused("It was decided meanwhile. Nothing was done.") from None
            except (CannotCredit, ledger.LedgerError) as error:
                raise ActionRefused(f"{error} Nothing was done.") from error

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=payment,
            form_class=form_of(payment),
            title=f"{title}: {self.shown_came_in(payment)} through {payment.method.name}",
            act=decide,
            seen=f"{payment.state}:{payment.came_in}",
            is_atomic=True,
            **words,
        )


@admin.register(GatewayCall)
class GatewayCallAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "method", "shown_outcome", "is_genuine", "payment", "problem", "address")
    list_filter = ("outcome", "is_genuine", "method")
    search_fields = ("=call_id", "=payment__external_id")
    list_select_related = ("method", "payment")
    fields = (
        "received_at",
        "method",
        "outcome",
        "problem",
        "is_genuine",
        "call_id",
        "payment",
        "address",
        "shown_headers",
        "size",
        "shown_body",
    )
    readonly_fields = fields

    @display(description="Outcome", ordering="outcome", label=_OUTCOME_COLORS)
    def shown_outcome(self, call: GatewayCall) -> tuple[str, str]:
        return call.outcome, call.get_outcome_display()

    @display(description="Headers")
    def shown_headers(self, call: GatewayCall) -> str:
        return _block("\n".join(f"{name}: {value}" for name, value in sorted(call.headers.items())))

    @display(description="Body")
    def shown_body(self, call: GatewayCall) -> str:
        return _block(bytes(call.body).decode("utf-8", "backslashreplace"))


def _link(address: str, text: str) -> str:
    return format_html('<a class="text-primary-600 dark:text-primary-400" href="{}">{}</a>', address, text)


def _block(text: str) -> str:
    return format_html('<pre class="break-all whitespace-pre-wrap" dir="ltr">{}</pre>', text)


def _cut(text: str) -> str:
    """Return an id as long as the list has room for: its page has all of it."""
    return text if len(text) <= MAX_ID else f"{text[: MAX_ID - 1]}…"


def _in_words(deposit: Deposit) -> str:
    amount, day = shown_money(deposit.to_pay), moment_text(deposit.created_at)
    return f"{deposit.pk}: {amount} of {deposit.customer}, {deposit.method.name}, {day}"
