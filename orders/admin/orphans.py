"""Orphans in the admin: the orders that providers have and this database lacks, adopted or written off."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from catalog.models import Service
from orders.admin.after_restore import PERMISSION, after_restore_page
from orders.checkout.validation import OrderInput, OrderRefused
from orders.models import Orphan
from orders.recovery.orphans import OrphanError, adopt_orphan, write_off_orphan
from panel.accounts.models import User
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.lib.own_account import OwnAccount


class AdoptForm(forms.Form):
    customer = forms.EmailField(label="The customer's e-mail", widget=UnfoldAdminTextInputWidget)
    service = forms.IntegerField(label="Number of the service", widget=UnfoldAdminTextInputWidget)
    link = forms.CharField(max_length=2_000, widget=UnfoldAdminTextInputWidget)
    quantity = forms.IntegerField(required=False, widget=UnfoldAdminTextInputWidget)

    def clean_customer(self) -> User:
        customer = User.objects.filter(email__iexact=self.cleaned_data["customer"]).first()
        if customer is None:
            raise forms.ValidationError("Nobody has this e-mail.")
        return customer

    def clean_service(self) -> int:
        number: int = self.cleaned_data["service"]
        if not Service.objects.filter(pk=number).exists():
            raise forms.ValidationError("There is no such service.")
        return number


class WriteOffForm(forms.Form):
    note = forms.CharField(label="Why", max_length=300, widget=UnfoldAdminTextInputWidget)


@admin.register(Orphan)
class OrphanAdmin(ReadOnlyAdmin):
    list_display = ("upstream_id", "provider", "shown_status", "remains", "shown_charge", "shown_state", "found_at")
    list_filter = ("state", "provider")
    search_fields = ("=upstream_id",)
    ordering = ("provider_id", "pk")
    list_select_related = ("provider", "order")
    actions_detail = ("adopt", "write_off")
    fields = (
        "provider",
        "upstream_id",
        "shown_status",
        "start_count",
        "remains",
        "shown_charge",
        "shown_state",
        "shown_order",
        "note",
        "found_at",
        "decided_at",
        "decided_by",
    )
    readonly_fields = fields

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.after_restore)
        return [path("after-restore/", page, name="orders_after_restore"), *super().get_urls()]

    def after_restore(self, request: HttpRequest) -> HttpResponse:
        return after_restore_page(request=request, model_admin=self)

    @display(description="Status")
    def shown_status(self, orphan: Orphan) -> str:
        return orphan.status_text or "—"

    @display(description="Charge")
    def shown_charge(self, orphan: Orphan) -> str:
        return shown_money(orphan.charge, orphan.currency or orphan.provider.currency)

    @display(
        description="State",
        label={Orphan.State.OPEN: "warning", Orphan.State.ADOPTED: "success", Orphan.State.WRITTEN_OFF: "info"},
    )
    def shown_state(self, orphan: Orphan) -> tuple[str, str]:
        return orphan.state, orphan.get_state_display()

    @display(description="Order")
    def shown_order(self, orphan: Orphan) -> str:
        if orphan.order is None:
            return "—"
        url = reverse("admin:orders_order_change", args=[orphan.order.pk])
        return format_html('<a class="text-primary-600 dark:text-primary-400" href="{}">{}</a>', url, orphan.order)

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        if not request.user.has_perm(PERMISSION):
            return False
        if object_id is None:
            return True
        orphan = self.get_object(request, object_id)
        return orphan is not None and orphan.state == Orphan.State.OPEN

    @action(description="Adopt for a customer", icon="person_add", permissions=["decide"])
    def adopt(self, request: HttpRequest, object_id: str) -> HttpResponse:
        orphan = self._orphan(request, object_id)

        def act(data: dict[str, Any]) -> str:
            wanted = OrderInput(data["service"], data["link"], data["quantity"], {})
            try:
                order = adopt_orphan(
                    orphan=orphan, customer=data["customer"], order_input=wanted, actor=user_of(request)
                )
            except (OrphanError, OrderRefused, OwnAccount) as error:
                raise ActionRefused(str(error)) from error
            return f"It is order {order.pk} of {order.customer} now, charged with {shown_money(order.charge)}."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=orphan,
            form_class=AdoptForm,
            title=f"Adopt {orphan.upstream_id} for a customer",
            explanation=(
                f"{orphan.provider} reports {self._report(orphan)}. The customer is charged today's price. Nothing is "
                "sent: the order is followed from now on."
            ),
            button="Adopt it",
            act=act,
            may_be_own=True,
        )

    @action(description="Write off", icon="money_off", permissions=["decide"])
    def write_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        orphan = self._orphan(request, object_id)

        def act(data: dict[str, Any]) -> str:
            try:
                write_off_orphan(orphan=orphan, note=data["note"], actor=user_of(request))
            except OrphanError as error:
                raise ActionRefused(str(error)) from error
            return f"{orphan.upstream_id} is written off."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=orphan,
            form_class=WriteOffForm,
            title=f"Write off {orphan.upstream_id}",
            explanation=f"No order here stands for it. {orphan.provider} charged {self.shown_charge(orphan)} for it.",
            button="Write it off",
            act=act,
            is_for_good=True,
        )

    def _report(self, orphan: Orphan) -> str:
        remains = "unknown remains" if orphan.remains is None else f"{orphan.remains:,} remaining"
        return f"“{orphan.status_text}”, {remains}, and a charge of {self.shown_charge(orphan)}"

    def _orphan(self, request: HttpRequest, object_id: str) -> Orphan:
        orphan: Orphan | None = self.get_object(request, object_id)
        if orphan is None:
            raise Http404
        return orphan
