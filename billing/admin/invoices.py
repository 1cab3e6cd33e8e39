"""Invoices at gateways and reversals, in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from billing.intake.reversals import settle_reversal
from billing.intake.sync import sync_invoice
from billing.models import Invoice, Reversal
from billing.order_holds import release_orders
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin, shown_money

_COLORS = {
    Invoice.State.OPEN: "info",
    Invoice.State.PARTIAL: "warning",
    Invoice.State.PAID: "success",
    Invoice.State.LOST: "warning",
    Invoice.State.FAILED: "danger",
}


class AskForm(forms.Form):
    """Nothing to fill in."""


class SettleForm(forms.Form):
    note = forms.CharField(
        label="What you did",
        max_length=300,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="For colleagues: for example the correction that you posted in the wallet.",
    )


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    list_display = ("our_ref", "method", "shown_customer", "shown_amount", "shown_state", "created_at", "last_error")
    list_filter = ("state", "method")
    search_fields = ("=our_ref", "=external_id")
    list_select_related = ("method", "deposit__customer")
    fields = (
        "our_ref",
        "external_id",
        "method",
        "deposit",
        "shown_amount",
        "state",
        "url",
        "created_at",
        "expires_at",
        "next_poll_at",
        "polls",
        "create_attempts",
        "last_error",
    )
    readonly_fields = fields
    actions_detail = ("ask_now",)

    @display(description="Customer")
    def shown_customer(self, invoice: Invoice) -> str:
        return str(invoice.deposit.customer)

    @display(description="Amount", ordering="amount")
    def shown_amount(self, invoice: Invoice) -> str:
        return shown_money(invoice.amount, invoice.currency)

    @display(description="State", ordering="state", label=_COLORS)
    def shown_state(self, invoice: Invoice) -> tuple[str, str]:
        return invoice.state, invoice.get_state_display()

    def has_ask_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("billing.decide_deposit")

    @action(description="Ask now", icon="sync", permissions=["ask"])
    def ask_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        invoice: Invoice | None = self.get_object(request, object_id)
        if invoice is None:
            raise Http404

        def act(data: dict[str, Any]) -> str:
            asked = sync_invoice(invoice_id=invoice.pk)
            if asked.last_error:
                raise ActionRefused(f"The gateway did not say: {asked.last_error}")
            return f"It is {asked.get_state_display().lower()}. What came in is credited."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=invoice,
            form_class=AskForm,
            title=f"Ask about {invoice.our_ref}",
            explanation="The gateway is asked what came in for this invoice. What it says is credited, as always.",
            button="Ask now",
            act=act,
            is_routine=True,
        )


@admin.register(Reversal)
class ReversalAdmin(ReadOnlyAdmin):
    list_display = ("payment", "shown_customer", "shown_amount", "shown_state", "shown_hold", "seen_at", "note")
    list_filter = ("state", "holds_orders")
    list_select_related = ("payment__deposit__customer",)
    fields = (
        "shown_payment",
        "shown_customer",
        "shown_amount",
        "state",
        "shown_orders",
        "note",
        "seen_at",
        "settled_by",
    )
    readonly_fields = fields
    actions_detail = ("settle", "release")

    @display(description="Payment")
    def shown_payment(self, reversal: Reversal) -> str:
        return _link(reverse("admin:billing_payment_change", args=[reversal.payment_id]), reversal.payment)

    @display(description="Customer")
    def shown_customer(self, reversal: Reversal) -> str:
        deposit = reversal.payment.deposit
        if deposit is None:
            return "—"
        return _link(reverse("admin:billing_wallet_of_customer", args=[deposit.customer_id]), deposit.customer)

    @display(description="State", ordering="state", label={Reversal.State.OPEN: "warning"})
    def shown_state(self, reversal: Reversal) -> tuple[str, str]:
        return reversal.state, reversal.get_state_display()

    @display(description="Orders", label={"held": "danger"})
    def shown_hold(self, reversal: Reversal) -> tuple[str, str]:
        return ("held", "Held") if reversal.holds_orders else ("free", "Not held")

    @display(description="Orders of the customer")
    def shown_orders(self, reversal: Reversal) -> str:
        if not reversal.holds_orders:
            return "Not held because of it"
        return "Held, until it is settled or you let them order again"

    @display(description="Taken back")
    def shown_amount(self, reversal: Reversal) -> str:
        return shown_money(reversal.amount)

    def has_settle_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("billing.decide_deposit")

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[object]:
        """Offer what is left to do."""
        reversal = self.get_object(request, str(object_id))
        wanted = []
        if reversal is not None and reversal.state == Reversal.State.OPEN:
            wanted.append("settle")
        if reversal is not None and reversal.holds_orders:
            wanted.append("release")
        offered = super().get_actions_detail(request, object_id)
        return [one for one in offered if one.action_name.rpartition("_")[2] in wanted]

    @action(description="Let them order again", icon="lock_open", permissions=["settle"])
    def release(self, request: HttpRequest, object_id: str) -> HttpResponse:
        reversal: Reversal | None = self.get_object(request, object_id)
        if reversal is None:
            raise Http404
        address = reverse("admin:billing_reversal_change", args=[reversal.pk])
        if request.method != "POST" and not reversal.holds_orders:
            messages.info(request, "It holds no orders.")
            return redirect(address)

        def act(data: dict[str, Any]) -> str:
            if not release_orders(reversal_id=reversal.pk):
                raise ActionRefused("The orders were released meanwhile. Nothing was done.")
            return "The customer may order again, unless another reversal holds the orders."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=reversal,
            form_class=AskForm,
            title=f"Let the customer order again: {reversal.payment}",
            explanation="What waits in the queue is sent, and new orders are taken. The reversal stays to be settled.",
            button="Let them order again",
            act=act,
            seen=f"{reversal.state}:{reversal.holds_orders}",
            is_atomic=True,
        )

    @action(description="Settled", icon="check", permissions=["settle"], variant="primary")
    def settle(self, request: HttpRequest, object_id: str) -> HttpResponse:
        reversal: Reversal | None = self.get_object(request, object_id)
        if reversal is None:
            raise Http404
        if request.method != "POST" and reversal.state != Reversal.State.OPEN:
            messages.info(request, "It was settled already.")
            return redirect(reverse("admin:billing_reversal_change", args=[reversal.pk]))

        def act(data: dict[str, Any]) -> str:
            if not settle_reversal(reversal_id=reversal.pk, actor=user_of(request), note=data["note"]):
                raise ActionRefused("It was settled meanwhile. Nothing was done.")
            return "It is settled."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=reversal,
            form_class=SettleForm,
            title=f"Settle the reversal of {reversal.payment}",
            explanation=(
                "Nothing is debited here. If the money is gone, take it from the customer's wallet first."
                f"{' The customer may order again.' if reversal.holds_orders else ''}"
            ),
            button="It is settled",
            act=act,
            seen=reversal.state,
            is_atomic=True,
        )


def _link(address: str, to: object) -> str:
    return format_html('<a class="text-primary-600 dark:text-primary-400" href="{}"><bdi>{}</bdi></a>', address, to)
