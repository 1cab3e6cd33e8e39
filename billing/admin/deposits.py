"""Deposits in the admin: pending ones first, and the two decisions about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from billing.admin.amounts import with_fee_and_bonus
from billing.deposits import (
    MAX_NOTE,
    DecisionRefused,
    approve_deposit,
    deposits_to_decide,
    refuse_deposit,
)
from billing.models import Deposit
from billing.models.deposits import DEPOSIT_RANK
from billing.references import codes_in, shown_code
from billing.second_looks import asked_approval
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.lib.admin.fields import AmountField
from panel.lib.formats import percent_text
from panel.staff.deeds import Why
from panel.staff.forms import WhyForm, take_why
from panel.staff.kinds import Kind, Reason
from panel.staff.limits import limit_sentence
from panel.staff.looks import act_or_ask

_UNPAID = "unpaid"
_STATE_COLORS = {
    _UNPAID: "warning",
    Deposit.State.PENDING: "info",
    Deposit.State.APPROVED: "success",
    Deposit.State.REFUSED: "danger",
}


class ApproveForm(WhyForm):
    credited = AmountField(
        label="Amount that came in", help_text="It is credited less the fee; the bonus is counted from what is added."
    )
    note = forms.CharField(
        required=False,
        max_length=MAX_NOTE,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="The customer reads it: for example why the amount differs.",
    )
    field_order = ("credited", "note", "why", "why_note")


class RefuseForm(forms.Form):
    reason = forms.CharField(
        max_length=MAX_NOTE,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="The customer reads it, on the page and in a mail.",
    )


@admin.register(Deposit)
class DepositAdmin(ReadOnlyAdmin):
    list_display = (
        *("created_at", "customer", "method", "shown_amount", "shown_state"),
        *("shown_code", "reference", "shown_receipt"),
    )
    list_filter = ("state", "method")
    search_fields = ("=pk", "^customer__email", "=reference")
    search_help_text = "Number, reference, start of an address"
    list_select_related = ("customer", "method", "redemption__coupon")
    fields = (
        "customer",
        "method",
        "shown_amount",
        "shown_fee",
        "shown_bonus",
        "shown_code",
        "reference",
        "shown_receipt",
        "state",
        "shown_credited",
        "shown_payments",
        "note",
        "created_at",
        "paid_at",
        "decided_at",
        "decided_by",
        "shown_mailed",
    )
    readonly_fields = fields
    ordering = (DEPOSIT_RANK.desc(), "-pk")
    actions_detail = ("approve", "refuse", "decide_next")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Deposit], search_term: str
    ) -> tuple[QuerySet[Deposit], bool]:
        """Find a request also by its reference as a bank wrote it."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        codes = codes_in(search_term)
        return (found | queryset.filter(code__in=codes), may_repeat) if codes else (found, may_repeat)

    @display(description="Amount", ordering="amount")
    def shown_amount(self, deposit: Deposit) -> str:
        return shown_money(deposit.amount)

    @display(description="Fee")
    def shown_fee(self, deposit: Deposit) -> str:
        if not deposit.all_fee_terms:
            return "—"
        terms = deposit.all_fee_terms.shown(settings.PANEL_CURRENCY)
        if not deposit.fee_terms:
            cost = deposit.all_fee_terms.fee_on(deposit.credited or deposit.amount)
            return f"{shown_money(cost)}, which you pay ({terms})"
        fee = deposit.fee if deposit.credited else deposit.fee_terms.fee_on(deposit.amount)
        return f"{shown_money(fee)} of the customer, who was to pay {shown_money(deposit.to_pay)} ({terms})"

    @display(description="Bonus")
    def shown_bonus(self, deposit: Deposit) -> str:
        terms, redemption = deposit.bonus_terms, getattr(deposit, "redemption", None)
        promised = deposit.bonus or terms.bonus_of(deposit.amount)
        if redemption and not deposit.bonus:
            promised += redemption.bonus_of(deposit.amount)
        if not promised:
            return "—"
        percent = percent_text(terms.bp_of(deposit.amount))
        return f"{shown_money(promised)} ({percent}{f', coupon {redemption.coupon}' if redemption else ''})"

    @display(description="State", ordering="state", label=_STATE_COLORS)
    def shown_state(self, deposit: Deposit) -> tuple[str, str]:
        if deposit.state == Deposit.State.PENDING and deposit.paid_at is None:
            return _UNPAID, "To be paid"
        return deposit.state, deposit.get_state_display()

    @display(description="Our reference", ordering="code")
    def shown_code(self, deposit: Deposit) -> str:
        return shown_code(deposit.code) if deposit.code else "—"

    @display(description="Credited")
    def shown_credited(self, deposit: Deposit) -> str:
        if deposit.credited is None:
            return "—"
        return with_fee_and_bonus(deposit.credited, fee=deposit.fee, bonus=deposit.bonus)

    @display(description="Payments")
    def shown_payments(self, deposit: Deposit) -> str:
        """Link to what a gateway counted for it. What staff approved by hand has none."""
        address = f"{reverse('admin:billing_payment_changelist')}?q={deposit.pk}"
        link = '<a class="text-primary-600 dark:text-primary-400" href="{}">{} by its gateway</a>'
        count = deposit.payments.count()
        return format_html(link, address, count) if count else "—"

    @display(description="Receipt")
    def shown_receipt(self, deposit: Deposit) -> str:
        if not deposit.receipt:
            return "—"
        return format_html(
            '<a class="text-primary-600 dark:text-primary-400" href="{}" target="_blank" rel="noopener">{}</a>',
            reverse("deposit_receipt", args=[deposit.pk]),
            deposit.receipt_name or "Open",
        )

    @display(description="Customer knows", boolean=True)
    def shown_mailed(self, deposit: Deposit) -> bool:
        return deposit.mail_due_at is None

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("billing.decide_deposit")

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[object]:
        """Offer the decisions while it waits; after that, the next one that does."""
        deposit = self.get_object(request, str(object_id))
        offered: tuple[str, ...] = ()
        if deposit is not None and deposit.state == Deposit.State.PENDING:
            offered = ("approve", "refuse")
        elif deposits_to_decide().exists():
            offered = ("decide_next",)
        return [one for one in super().get_actions_detail(request, object_id) if one.action_name.endswith(offered)]

    @action(description="Approve", icon="check", permissions=["decide"], variant="primary")
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = user_of(request)

        def act(deposit: Deposit, data: dict[str, Any]) -> str:
            why = take_why(data)
            asked = asked_approval(deposit=deposit, **data)
            return act_or_ask(act=lambda: approve(deposit, data, why), asked=asked, actor=user, why=why)

        def approve(deposit: Deposit, data: dict[str, Any], why: Why) -> str:
            decided = approve_deposit(deposit_id=deposit.pk, actor=user, why=why, **data)
            return f"{self.shown_credited(decided)} was added to the wallet of {decided.customer}."

        return self._confirm(
            request,
            object_id,
            form_class=ApproveForm,
            title="Approve",
            explanation=(
                "What you approve is an entry in the customer's wallet for good, and the customer gets a mail. "
                f"{limit_sentence(user=user, kind=Kind.DEPOSIT)}"
            ),
            button="Add the money",
            act=act,
        )

    @action(description="Decide the next one", icon="arrow_forward", permissions=["decide"], variant="primary")
    def decide_next(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the decision about the request that waits longest."""
        waiting = deposits_to_decide().exclude(pk=object_id).order_by("paid_at", "pk").first()
        if waiting is None:
            messages.info(request, "No deposit waits for you.")
            return redirect("admin:billing_deposit_change", object_id)
        return redirect("admin:billing_deposit_approve", waiting.pk)

    @action(description="Refuse", icon="block", permissions=["decide"])
    def refuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(deposit: Deposit, data: dict[str, Any]) -> str:
            refuse_deposit(deposit_id=deposit.pk, actor=user_of(request), **data)
            return "It was refused. The customer gets a mail with the reason."

        return self._confirm(
            request,
            object_id,
            form_class=RefuseForm,
            title="Refuse",
            explanation="Nothing is added, and the customer gets the reason by mail.",
            button="Refuse",
            act=act,
        )

    def _with_links(self, deposit: Deposit, text: str, *, but: str) -> str:
        """Return the text with what else may be needed to decide: the receipt, and the other decision."""
        links = [(reverse("deposit_receipt", args=[deposit.pk]), "Open the receipt")] if deposit.receipt else []
        links += [
            (reverse(f"admin:billing_deposit_{name}", args=[deposit.pk]), f"{name.capitalize()} it instead")
            for name in ("approve", "refuse")
            if name != but
        ]
        shown = format_html_join("", ' <a class="font-medium underline" href="{}">{}</a>', links)
        return format_html("{}{}", text, shown)

    def _confirm(
        self,
        request: HttpRequest,
        object_id: str,
        *,
        title: str,
        explanation: str,
        act: Callable[[Deposit, dict[str, Any]], str],
        **words: Any,
    ) -> HttpResponse:
        deposit: Deposit | None = self.get_object(request, object_id)
        if deposit is None:  # Also if the address has no valid number.
            raise Http404
        if request.method != "POST" and deposit.state != Deposit.State.PENDING:
            messages.info(request, "It was decided already.")
            return redirect("admin:billing_deposit_change", deposit.pk)

        def decide(data: dict[str, Any]) -> str:
            try:
                return act(deposit, data)
            except DecisionRefused as error:
                raise ActionRefused(f"{error} Nothing was done.") from error

        payment = f"{shown_money(deposit.to_pay)} by {deposit.method.name}"
        by_code = f" Look for {shown_code(deposit.code)}." if deposit.code else ""
        by_reference = f", reference “{deposit.reference}”" if deposit.reference else ""
        has_said = "says that they sent" if deposit.paid_at else "has not said yet that they sent"
        fee = f" Fee: {self.shown_fee(deposit)}." if deposit.fee_terms else ""
        promised = self.shown_bonus(deposit)
        bonus = f" {promised} bonus was promised." if promised != "—" else ""
        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=deposit,
            title=f"{title}: {payment} of {deposit.customer}",
            explanation=self._with_links(
                deposit,
                f"{deposit.customer} {has_said} {payment}{by_reference}.{by_code}{fee}{bonus} {explanation}",
                but=title.lower(),
            ),
            act=decide,
            initial={"credited": deposit.to_pay, "why": Reason.PAYMENT, "why_note": deposit.method.name},
            seen=deposit.state,
            is_atomic=True,
            **words,
        )
