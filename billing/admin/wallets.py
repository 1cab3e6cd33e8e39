"""Wallets and entries in the admin: read-only, with money moved only through the ledger."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from billing import ledger
from billing.adjusting import LIMITED_AS, STAFF_KINDS, adjust_wallet
from billing.models import Entry, OrderHold, Reversal, Wallet
from billing.second_looks import asked_adjustment
from billing.wallets import wallet_of
from panel.accounts.models import User
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.lib.admin.fields import AmountField
from panel.staff.deeds import Why
from panel.staff.forms import WhyForm, take_why
from panel.staff.limits import left_alone
from panel.staff.looks import act_or_ask


class MoveMoneyForm(WhyForm):
    amount = AmountField(allow_negative=True, help_text="What to add. A minus takes it away, as an adjustment.")
    kind = forms.ChoiceField(choices=[(kind.value, kind.label) for kind in STAFF_KINDS], widget=UnfoldAdminSelectWidget)
    reason = forms.CharField(
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text="The customer reads it in the wallet: for example the reference of the transfer.",
    )
    request_key = forms.RegexField(r"\A[0-9a-f]{32}\Z", widget=forms.HiddenInput)
    field_order = ("amount", "kind", "reason", "why", "why_note")


@admin.register(Wallet)
class WalletAdmin(ReadOnlyAdmin):
    list_display = ("customer", "shown_balance", "entries_so_far", "created_at")
    search_fields = ("^customer__email",)
    search_help_text = "Start of an e-mail address"
    list_select_related = ("customer",)
    fields = ("customer", "shown_balance", "shown_credit_limit", "shown_hold", "entries_so_far", "created_at")
    readonly_fields = fields
    ordering = ("-pk",)
    actions_detail = ("move_money",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.of_customer)
        return [path("of/<int:customer_id>/", view, name="billing_wallet_of_customer"), *super().get_urls()]

    def of_customer(self, request: HttpRequest, customer_id: int) -> HttpResponse:
        """Redirect to a customer's wallet, so that pages of accounts need not know its id."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        customer = get_object_or_404(get_user_model(), pk=customer_id)
        return redirect("admin:billing_wallet_change", wallet_of(customer=customer).pk)

    @display(description="Balance", ordering="balance")
    def shown_balance(self, wallet: Wallet) -> str:
        return shown_money(wallet.balance)

    @display(description="Credit limit")
    def shown_credit_limit(self, wallet: Wallet) -> str:
        return shown_money(wallet.credit_limit)

    @display(description="Orders")
    def shown_hold(self, wallet: Wallet) -> str:
        """Link to the reversals that hold the customer's orders, where they are released."""
        if wallet.order_hold != OrderHold.HELD:
            return "Not held"
        reversals = Reversal.objects.filter(holds_orders=True, payment__deposit__customer=wallet.customer_id)
        links = [(reverse("admin:billing_reversal_change", args=[one.pk]), str(one)) for one in reversals]
        link = '<a class="text-primary-600 dark:text-primary-400" href="{}">{}</a>'
        return format_html("Held: {}", format_html_join(", ", link, links))

    @display(description="Entries", ordering="entry_count")
    def entries_so_far(self, wallet: Wallet) -> str:
        """Link to the entries: staff want to see what they posted."""
        address = f"{reverse('admin:billing_entry_changelist')}?{urlencode({'wallet__id__exact': wallet.pk})}"
        return format_html(
            '<a class="text-primary-600 dark:text-primary-400" href="{}">{}</a>', address, f"{wallet.entry_count:,}"
        )

    def has_move_money_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("billing.add_entry")

    @action(description="Add or take money", icon="payments", permissions=["move_money"])
    def move_money(self, request: HttpRequest, object_id: str) -> HttpResponse:
        wallet = get_object_or_404(Wallet.objects.select_related("customer"), pk=object_id)

        def act(data: dict[str, Any]) -> str:
            why = take_why(data)
            asked = asked_adjustment(wallet=wallet, kind_label=Entry.Kind(data["kind"]).label, **data)
            return act_or_ask(act=lambda: move(data, why), asked=asked, actor=user_of(request), why=why)

        def move(data: dict[str, Any], why: Why) -> str:
            try:
                posting = adjust_wallet(wallet=wallet, actor=user_of(request), why=why, **data)
            except ledger.InsufficientFunds as error:
                raise ActionRefused(
                    f"The wallet holds {shown_money(error.available)} only. Nothing was moved."
                ) from error
            except (ledger.LedgerError, ValueError) as error:
                raise ActionRefused(f"{error} Nothing was moved.") from error
            moved = shown_money(posting.entry.amount)
            return f"{moved} was posted; the balance is {shown_money(posting.entry.balance_after)}."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=wallet,
            form_class=MoveMoneyForm,
            title=f"Add or take money: {wallet.customer}",
            explanation=(
                f"The balance is {shown_money(wallet.balance)}. What you post is an entry for good: "
                f"a mistake is mended by another entry. {_limits(user_of(request))}"
            ),
            button="Move the money",
            act=act,
            initial={"request_key": uuid4().hex},
            is_atomic=True,
        )


def _limits(user: User) -> str:
    """Return what the person may move alone, for each kind."""
    parts = [
        f"{shown_money(left_alone(user=user, kind=limited_as))} as “{kind.label}”"
        for kind, limited_as in LIMITED_AS.items()
    ]
    return f"Alone you may move up to {', '.join(parts)} now. Above that a second person confirms it."


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "customer", "kind", "shown_amount", "shown_balance", "order_ref", "memo", "actor")
    list_filter = ("kind",)
    search_fields = ("^wallet__customer__email", "=order_ref", "=key")
    search_help_text = "Order, key, or start of an e-mail address"
    list_select_related = ("wallet__customer", "actor")
    ordering = ("-pk",)

    def lookup_allowed(self, lookup: str, value: object, request: HttpRequest) -> bool:
        return lookup == "wallet__id__exact" or super().lookup_allowed(lookup, value, request)

    @display(description="Customer")
    def customer(self, entry: Entry) -> str:
        return str(entry.wallet.customer)

    @display(description="Amount", ordering="amount")
    def shown_amount(self, entry: Entry) -> str:
        return shown_money(entry.amount)

    @display(description="Balance after")
    def shown_balance(self, entry: Entry) -> str:
        return shown_money(entry.balance_after)
