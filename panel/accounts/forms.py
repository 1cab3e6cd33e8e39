"""The form for the customer's name, and allauth's forms with our labels."""

from __future__ import annotations

from typing import Any

from allauth.account import forms as allauth_forms
from allauth.account.adapter import get_adapter
from allauth.account.fields import PasswordField
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django import forms
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from panel.accounts.addresses import hold_account
from panel.accounts.invitations import remind_invited
from panel.accounts.models import User
from panel.accounts.sign_in.code_forms import AuthenticateForm
from panel.accounts.sign_up import confirm_only_address, switch_keys_off
from panel.site.allauth import verified_as_set
from panel.site.mail_setup import asks_for_codes


class ProfileForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("first_name", "last_name")


class _OurLabels:
    """Mixin that writes labels with one capital letter, and "E-mail" as everywhere else."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.label = str(field.label).capitalize().replace("Email", "E-mail")
        if "password1" in self.fields:
            # A refusal names the rule. All of them before anything is typed are read by nobody.
            self.fields["password1"].help_text = _(
                "At least 10 characters. A few words that only you would put together are strong, and easy to keep."
            )


class LoginForm(_OurLabels, allauth_forms.LoginForm):
    def _clean_with_password(self, credentials: dict[str, Any]) -> dict[str, Any]:
        """Check the password under what the owner set for addresses that are not confirmed.

        The library has been told that confirming is mandatory, which is for sign-ups. It would also refuse a right
        password while a stranger signs up with the address again and again.
        """
        with verified_as_set():
            cleaned: dict[str, Any] = super()._clean_with_password(credentials)
        return cleaned


class SignupForm(_OurLabels, allauth_forms.SignupForm):
    def try_save(self, request: HttpRequest) -> Any:
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])  # A new account takes as long.
        return super().try_save(request)


class AddEmailForm(_OurLabels, allauth_forms.AddEmailForm):
    """The new address of an account, with its password, and a code if a second factor is on."""

    password = PasswordField(label=gettext_lazy("Password"), autocomplete="current-password")
    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
        help_text=gettext_lazy("From your authenticator app, or one of your recovery codes."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("New e-mail address")
        if not is_mfa_enabled(self.user, [Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES]):
            del self.fields["code"]

    def clean(self) -> dict[str, Any]:
        """Check the password first: a code is used up by being checked."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        if not get_adapter().reauthenticate(self.user, cleaned["password"]):
            self.add_error("password", get_adapter().validation_error("incorrect_password"))
        elif "code" in self.fields:
            form = AuthenticateForm({"code": cleaned["code"]}, user=self.user)
            for error in form.errors.get("code", []):
                self.add_error("code", error)
        return cleaned

    def save(self, request: HttpRequest) -> EmailAddress:
        """Mail the confirmation of the address, which replaces the one before once it is confirmed."""
        email = self.cleaned_data["email"]
        if asks_for_codes():
            address = EmailAddress(user=self.user, email=email)
        else:
            with hold_account(self.user):
                EmailAddress.objects.filter(user=self.user, primary=False, verified=False).exclude(
                    email=self.user.email.lower()
                ).delete()
                address = EmailAddress.objects.add_email(request, self.user, email)
        send_verification_email_to_address(request, address)
        return address


class ChangePasswordForm(_OurLabels, allauth_forms.ChangePasswordForm):
    pass


class ResetPasswordForm(_OurLabels, allauth_forms.ResetPasswordForm):
    def clean_email(self) -> str:
        """Send no link to an additional address that was never confirmed: it may be a stranger's."""
        self.users: list[User]
        email: str = super().clean_email()
        confirmed = set(EmailAddress.objects.filter(email=email.lower(), verified=True).values_list("user", flat=True))
        self.users = [user for user in self.users if user.email.lower() == email.lower() or user.pk in confirmed]
        return email

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Send the link. To somebody who has not accepted their invitation, send the invitation again instead."""
        email: str = self.cleaned_data["email"]
        if not self.users and remind_invited(email=email):
            return email
        return str(super().save(request, **kwargs))


class ResetPasswordKeyForm(_OurLabels, allauth_forms.ResetPasswordKeyForm):
    def save(self) -> None:
        """Set the password, switch the API keys off, and forget all devices: whoever had the account before may have
        made some.
        """
        with transaction.atomic():
            super().save()
            User.objects.filter(pk=self.user.pk).update(session_generation=F("session_generation") + 1)
            switch_keys_off(customer=self.user)
            confirm_only_address(user=self.user)


class InvitationForm(ResetPasswordKeyForm):
    """The first password of an invited person. The service sets it, once."""
