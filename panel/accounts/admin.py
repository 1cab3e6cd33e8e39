"""Customers and staff in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from billing.wallets import wallet_of
from panel.accounts.key_admin import ApiKeyAdmin as ApiKeyAdmin
from panel.accounts.models import User
from panel.accounts.roles import GRANT

admin.site.unregister(Group)

ROLES_HELP = (
    "Owner: everything. Manager: prices, imports, customers and orders, but no provider's address or key, no money "
    "of wallets and no roles. Support: orders and customers. None: a customer like any other."
)


class EmailCreationForm(UserCreationForm):
    class Meta:
        model = User
        fields = ("email",)


class EmailChangeForm(UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"
        labels = {"groups": "Role"}
        help_texts = {"groups": ROLES_HELP}
        widgets = {"groups": UnfoldAdminCheckboxSelectMultipleWidget}


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    form = EmailChangeForm
    add_form = EmailCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "first_name", "last_name", "is_active", "shown_role", "date_joined")
    list_filter = ("is_active", "is_staff", "groups")
    search_fields = ("email", "first_name", "last_name")
    show_full_result_count = False
    ordering = ("-pk",)
    filter_horizontal = ()
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)
    readonly_fields = ("last_login", "date_joined")
    actions_detail = ("open_wallet", "open_api_keys")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @display(description="Role")
    def shown_role(self, user: User) -> str:
        """What opens the admin for them; a dash for customers."""
        if user.is_superuser:
            return "Superuser"
        names = ", ".join(sorted(group.name for group in user.groups.all()))
        return names or ("Staff without a role" if user.is_staff else "—")

    # -- who may do what -------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only what may be set: whoever could grant rights could grant them to themselves."""
        if obj is None:
            return self.add_fieldsets
        rights: tuple[str, ...] = ("is_active",)
        if request.user.is_superuser:
            rights = ("is_active", "groups", "is_staff", "is_superuser")
        elif request.user.has_perm(GRANT):
            rights = ("is_active", "groups")
        return (
            (None, {"fields": ("email", "password")}),
            ("Name", {"fields": ("first_name", "last_name")}),
            ("Rights", {"fields": rights}),
            ("Dates", {"fields": ("last_login", "date_joined")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Nobody changes their own role: an owner could lock themselves out."""
        fields = tuple(super().get_readonly_fields(request, obj))
        own = obj is not None and obj.pk == request.user.pk and not request.user.is_superuser
        return (*fields, "groups", "is_active") if own else fields

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Staff are edited by those who hand out roles alone: a new e-mail address or password is a way in."""
        if not super().has_change_permission(request, obj):
            return False
        if obj is None or request.user.is_superuser:
            return True
        return not obj.is_superuser and (not obj.is_staff or request.user.has_perm(GRANT))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # Wallets and orders refer to customers; switching one off is what is meant.

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """A role makes somebody staff, and without any they are none. Only what was touched is written."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        columns = {field.name for field in self.opts.concrete_fields}
        touched = [name for name in form.changed_data if name in columns]
        if "groups" in form.changed_data and "is_staff" not in touched:
            obj.is_staff = obj.is_superuser or bool(form.cleaned_data["groups"])
            touched.append("is_staff")
        if touched:
            obj.save(update_fields=touched)

    # -- what can be done ------------------------------------------------------------------------------

    def has_open_wallet_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("billing.view_wallet")

    @action(description="Wallet", icon="account_balance_wallet", permissions=["open_wallet"])
    def open_wallet(self, request: HttpRequest, object_id: str) -> HttpResponse:
        customer = get_object_or_404(User, pk=object_id)
        return redirect("admin:billing_wallet_change", wallet_of(customer=customer).pk)

    def has_open_api_keys_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("accounts.view_apikey")

    @action(description="API keys", icon="key", permissions=["open_api_keys"])
    def open_api_keys(self, request: HttpRequest, object_id: str) -> HttpResponse:
        customer = get_object_or_404(User, pk=object_id)
        return redirect(f"{reverse('admin:accounts_apikey_changelist')}?customer__id__exact={customer.pk}")
