"""The form for the customer's name, and allauth's forms with our labels."""

from __future__ import annotations

from typing import Any

from allauth.account import forms as allauth_forms
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.models import EmailAddress
from django import forms
from django.http import HttpRequest

from panel.accounts.addresses import hold_account
from panel.accounts.invitations import remind_invited
from panel.accounts.models import User


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


class LoginForm(_OurLabels, allauth_forms.LoginForm):
    pass


class SignupForm(_OurLabels, allauth_forms.SignupForm):
    pass


class AddEmailForm(_OurLabels, allauth_forms.AddEmailForm):
    def save(self, request: HttpRequest) -> EmailAddress:
        """Add the address, and mail its confirmation once that is committed."""
        with hold_account(self.user):
            address: EmailAddress = EmailAddress.objects.add_email(request, self.user, self.cleaned_data["email"])
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
    pass


class InvitationForm(ResetPasswordKeyForm):
    """The first password of an invited person. The service sets it, once."""
