"""The customer's name, and allauth's forms with labels in the panel's words."""

from __future__ import annotations

from typing import Any

from allauth.account import forms as allauth_forms
from django import forms

from panel.accounts.models import User


class ProfileForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("first_name", "last_name")


class _InOurWords:
    """Labels with one capital letter, and "E-mail" as everywhere else."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.label = str(field.label).capitalize().replace("Email", "E-mail")


class LoginForm(_InOurWords, allauth_forms.LoginForm):
    pass


class SignupForm(_InOurWords, allauth_forms.SignupForm):
    pass


class AddEmailForm(_InOurWords, allauth_forms.AddEmailForm):
    pass


class ChangePasswordForm(_InOurWords, allauth_forms.ChangePasswordForm):
    pass


class ResetPasswordForm(_InOurWords, allauth_forms.ResetPasswordForm):
    pass


class ResetPasswordKeyForm(_InOurWords, allauth_forms.ResetPasswordKeyForm):
    pass
