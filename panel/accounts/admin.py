"""Customers and staff in the admin, and their sign-ins."""

from __future__ import annotations

from typing import Any

import allauth.account.admin
import allauth.mfa.admin  # noqa: F401
import allauth.usersessions.admin  # noqa: F401
import django.contrib.auth.admin  # noqa: F401  (registers what is unregistered below)
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db import IntegrityError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.timezone import now
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

import panel.accounts.role_admin  # noqa: F401  (registers the page “Roles”)
from panel.accounts.addresses import is_taken
from panel.accounts.invitations import can_be_invited, ends_at, invite
from panel.accounts.models import SignIn, User
from panel.accounts.owner_notices import tell_of_new_staff
from panel.accounts.roles import GRANT, RIGHTS
from panel.accounts.sign_in.browsers import browser_name
from panel.accounts.signed_in import user_of
from panel.accounts.user_actions import UserActions
from panel.lib.admin.base import AsksAgain, ModelAdmin, ReadOnlyAdmin
from panel.lib.formats import moment_text

# Addresses change in one place only, which keeps allauth's and the account's the same. Secrets of second factors belong
# and keys of sessions belong on no page.
admin.site.unregister([Group, EmailAddress, Authenticator, UserSession])

ROLES_HELP = format_html_join(
    "",
    "<span class='block mt-1'><strong>{}</strong>: {}</span>",
    [
        *RIGHTS.items(),
        ("Others", "made by owners; the page “Roles” shows what they may."),
        ("None", "a customer like any other."),
    ],
)


OUTCOMES = {
    "Signed in": "success",
    "Wrong password": "warning",
    "Wrong code": "warning",
    "Too many attempts": "danger",
    "Further failures": "danger",
}


class UserForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("first_name", "last_name", "is_active", "groups", "is_staff", "is_superuser")
        labels = {"groups": "Role"}
        help_texts = {
            "groups": ROLES_HELP,
            "is_active": "Off: they can neither sign in nor use API keys. An invitation switches it on by itself.",
        }
        widgets = {"groups": UnfoldAdminCheckboxSelectMultipleWidget}


class InviteForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("email", "first_name", "last_name", "groups")
        labels = {"groups": "Role"}
        help_texts = {"groups": ROLES_HELP, "email": "They get a link that is good for 48 hours."}
        widgets = {"groups": UnfoldAdminCheckboxSelectMultipleWidget}

    def clean_email(self) -> str:
        address: str = self.cleaned_data["email"].lower()
        if is_taken(address=address):
            raise forms.ValidationError("There is an account with this address.")
        return address


@admin.register(User)
class UserAdmin(UserActions, AsksAgain, ModelAdmin):
    form = UserForm
    list_display = ("email", "first_name", "last_name", "shown_state", "shown_role", "date_joined")
    list_filter = ("is_active", "is_staff", "groups")
    search_fields = ("=pk", "^email", "^first_name", "^last_name")
    search_help_text = "Number, start of an e-mail address or name"
    sortable_by = ("email",)
    ordering = ("-pk",)
    actions_detail = (
        "open_wallet",
        "open_api_keys",
        "send_password_link",
        "block",
        "unblock",
        "change_address",
        "invite_again",
        "withdraw_invitation",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @display(description="Role")
    def shown_role(self, user: User) -> str:
        """Return the roles that open the admin for `user`; a dash for customers."""
        if user.is_superuser:
            return "Superuser"
        names = ", ".join(sorted(group.name for group in user.groups.all()))
        return names or ("Staff without a role" if user.is_staff else "—")

    @display(description="State", label={"Active": "success", "Off": "danger", "Invited": "info", "Closed": "danger"})
    def shown_state(self, user: User) -> str:
        if user.is_active:
            return "Active"
        if user.closed_at:
            return "Closed"
        until = ends_at(user)
        if until is None:
            return "Off"
        return "Invited" if until > now() else "Invitation over"

    @display(description="Invitation")
    def shown_invitation(self, user: User) -> str:
        until = ends_at(user)
        if until is None:
            return "—"
        moment = moment_text(until)
        return f"Good until {moment}" if until > now() else f"It ended on {moment}"

    @display(description="Orders")
    def shown_order_hold(self, user: User) -> str:
        address = reverse("admin:billing_wallet_of_customer", args=[user.pk])
        return format_html("Held, since a payment was taken back. <a href='{}' class='underline'>Why</a>", address)

    @display(description="E-mail address confirmed", boolean=True)
    def shown_confirmed(self, user: User) -> bool:
        return EmailAddress.objects.filter(user=user, email=user.email.lower(), verified=True).exists()

    # -- permissions -----------------------------------------------------------------------------------

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> type[forms.ModelForm]:
        return super().get_form(request, obj, **{"form": UserForm if kwargs.get("change") else InviteForm, **kwargs})

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Return only the fields that this person may set: whoever can grant rights could grant them to themselves."""
        may_grant = request.user.has_perm(GRANT)
        if obj is None:
            rights: tuple[str, ...] = ("groups",) if may_grant else ()
            return ((None, {"fields": ("email", "first_name", "last_name", *rights)}),)
        rights = ("is_active", "groups") if may_grant else ("is_active",)
        if request.user.is_superuser:
            rights = ("is_active", "groups", "is_staff", "is_superuser")
        invitation = ("shown_invitation",) if obj.invited_at else ()
        hold = ("shown_order_hold",) if getattr(getattr(obj, "wallet", None), "order_hold", None) == "held" else ()
        return (
            (None, {"fields": ("email", "shown_confirmed", *invitation, *hold)}),
            ("Name", {"fields": ("first_name", "last_name")}),
            ("Rights", {"fields": rights}),
            ("Dates", {"fields": ("last_login", "date_joined")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Make a person's own role read-only, so that no owner locks themselves out. Only an invitation opens an
        account.
        """
        if obj is None:
            return ()
        fields = ("email", "shown_confirmed", "shown_invitation", "shown_order_hold", "last_login", "date_joined")
        if obj.pk == request.user.pk and not request.user.is_superuser:
            return (*fields, "groups", "is_active")
        return (*fields, "is_active") if can_be_invited(obj) else fields

    def asks_again(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(GRANT))

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Return True for staff accounts only if the person may grant roles, and for superusers only to superusers.

        A closed account stays as it is.
        """
        if not super().has_change_permission(request, obj) or (obj is not None and obj.closed_at):
            return False
        if obj is None or request.user.is_superuser:
            return True
        return not obj.is_superuser and (not obj.is_staff or request.user.has_perm(GRANT))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # Wallets and orders refer to customers; staff deactivate an account instead.

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        context = {"title": "Invite somebody", "show_save_and_continue": False, **(extra_context or {})}
        response: HttpResponse = super().add_view(request, form_url, context)
        return response

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except IntegrityError:  # Two forms at the same moment, after both were checked.
            messages.error(request, "There is an account with this address. Nothing was changed.")
            return redirect(request.get_full_path())
        return response

    def save_model(self, request: HttpRequest, obj: User, form: forms.ModelForm, change: bool) -> None:
        """Save the changed fields only. Having a role makes somebody staff; having none ends it."""
        if not change:
            obj.is_staff = bool(form.cleaned_data.get("groups"))
            invite(user=obj)
            messages.success(request, f"An invitation is on its way to {obj.email}.")
            return
        columns = {field.name for field in self.opts.concrete_fields}
        touched = [name for name in form.changed_data if name in columns]
        if "groups" in form.changed_data and "is_staff" not in touched:
            obj.is_staff = obj.is_superuser or bool(form.cleaned_data["groups"])
            touched.append("is_staff")
        if "is_active" in touched and obj.is_active:
            obj.blocked_reason = ""
            touched.append("blocked_reason")
        if touched:
            obj.save(update_fields=touched)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if form.instance.is_staff and {"groups", "is_staff", "is_superuser"} & set(form.changed_data):
            tell_of_new_staff(user=form.instance, actor=user_of(request))

    # -- links to related pages ------------------------------------------------------------------------

    def has_open_wallet_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("billing.view_wallet")

    @action(description="Wallet", icon="account_balance_wallet", permissions=["open_wallet"])
    def open_wallet(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:billing_wallet_of_customer", object_id)

    def has_open_api_keys_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("accounts.view_apikey")

    @action(description="API keys", icon="key", permissions=["open_api_keys"])
    def open_api_keys(self, request: HttpRequest, object_id: str) -> HttpResponse:
        customer = get_object_or_404(User, pk=object_id)
        return redirect(f"{reverse('admin:accounts_apikey_changelist')}?customer__id__exact={customer.pk}")


@admin.register(Authenticator)
class AuthenticatorAdmin(AsksAgain, ReadOnlyAdmin):
    """Second factors, without their secrets. A superuser may delete one for somebody who lost theirs."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("^user__email",)
    search_help_text = "Start of an e-mail address"
    ordering = ("-pk",)
    fields = list_display

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)


@admin.register(SignIn)
class SignInAdmin(ReadOnlyAdmin):
    """The log of sign-ins, which owners read."""

    list_display = ("last_at", "who", "shown_outcome", "times", "address", "shown_browser", "shown_device")
    list_filter = ("outcome", "is_new_device", ("created_at", admin.DateFieldListFilter))
    list_select_related = ("user",)
    search_fields = ("^user__email", "typed", "address")
    search_help_text = "Start of an e-mail or network address"
    ordering = ("-pk",)
    fields = ("who", "typed", "shown_outcome", "times", "created_at", "last_at", "address", "agent", "is_new_device")

    @display(description="Who")
    def who(self, row: SignIn) -> str:
        if row.user:
            return row.user.email
        return f"{row.typed} (no account)" if row.typed else "Several addresses (no account)"

    @display(description="Outcome", ordering="outcome", label=OUTCOMES)
    def shown_outcome(self, row: SignIn) -> str:
        return SignIn.Outcome(row.outcome).label

    @display(description="Device", label={"New": "info"})
    def shown_device(self, row: SignIn) -> str:
        return "New" if row.is_new_device else ""

    @display(description="Browser")
    def shown_browser(self, row: SignIn) -> str:
        return browser_name(row.agent) or "—"
