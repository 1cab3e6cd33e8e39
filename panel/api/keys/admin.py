"""API keys in the admin: staff see and revoke them. Only customers create and change them."""

from __future__ import annotations

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from panel.accounts.models import ApiKey
from panel.api.keys.services import revoke_key
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin, shown_money

STATES = {"In use": "success", "Read only": "info", "Off until confirmed": "warning", "Revoked": "danger"}


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ("name", "shown_ending", "customer", "shown_state", "shown_limit", "last_used_at", "created_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "is_read_only")
    list_select_related = ("customer",)
    search_fields = ("^customer__email", "=ending", "name")
    search_help_text = "Address, name, or last four characters"
    actions_detail = ("open_orders", "revoke")
    # Without the digest: nobody needs it.
    fieldsets = (
        (None, {"fields": ("name", "shown_ending", "customer", "shown_state")}),
        ("What it may do", {"fields": ("is_read_only", "shown_networks", "shown_limit", "shown_spent")}),
        ("Use", {"fields": ("created_at", "last_used_at", "last_address", "off_since", "revoked_at")}),
    )

    @display(description="Ends in", ordering="ending")
    def shown_ending(self, key: ApiKey) -> str:
        return f"…{key.ending}"

    @display(description="State", label=STATES)
    def shown_state(self, key: ApiKey) -> str:
        if key.is_revoked:
            return "Revoked"
        if key.off_since:
            return "Off until confirmed"
        return "Read only" if key.is_read_only else "In use"

    @display(description="May be used from")
    def shown_networks(self, key: ApiKey) -> str:
        return ", ".join(key.addresses) or "Anywhere"

    @display(description="Daily limit", ordering="daily_limit")
    def shown_limit(self, key: ApiKey) -> str:
        return shown_money(key.daily_limit)

    @display(description="Spent today")
    def shown_spent(self, key: ApiKey) -> str:
        """Return what the key spent today; a dash if it has no limit, since nothing is counted then."""
        return shown_money(None if key.daily_limit is None else key.spent_today)

    def has_open_orders_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("orders.view_order")

    @action(description="Its orders", icon="list_alt", permissions=["open_orders"])
    def open_orders(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key: ApiKey | None = self.get_object(request, object_id)
        if key is None:
            raise Http404
        # By customer as well: orders have an index by customer, none by key.
        chosen = urlencode({"customer__id__exact": key.customer_id, "api_key_ref": key.pk})
        return redirect(f"{reverse('admin:orders_order_changelist')}?{chosen}")

    def has_revoke_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("accounts.change_apikey")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[object]:
        """Return the actions, without "revoke" for a revoked key."""
        key = self.get_object(request, object_id)
        in_use = key is not None and not key.is_revoked
        return [one for one in super().get_actions_detail(request, object_id) if in_use or one.path != "revoke"]

    @action(description="Revoke", icon="key_off", permissions=["revoke"], variant=ActionVariant.DANGER)
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key: ApiKey | None = self.get_object(request, object_id)
        if key is None:  # Also if the id is not a number.
            raise Http404
        if request.method != "POST" and key.is_revoked:
            messages.info(request, "It was revoked already.")
            return redirect("admin:accounts_apikey_change", key.pk)

        def act(data: dict[str, object]) -> str:
            if not revoke_key(key=key):
                raise ActionRefused("It was revoked already.")
            return "Revoked."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=key,
            form_class=forms.Form,
            title=f"Revoke: {key} of {key.customer}",
            explanation="Programs that use it are refused from the next request on, for good. Orders stay as they are.",
            button="Revoke the key",
            act=act,
            seen="revoked" if key.is_revoked else "in use",
            is_for_good=True,
            may_be_own=True,
            is_atomic=True,
        )
