"""The library's forms for a code of the second factor. They log codes that are refused."""

from __future__ import annotations

from allauth.core import context
from allauth.mfa.base import forms as allauth_forms
from django.core.exceptions import ValidationError

from panel.accounts.models import SignIn
from panel.accounts.sign_in.log import record_failure


class _LogsFailures:
    """Mixin that records a refused code, with the account but never the code."""

    def clean_code(self) -> str:
        try:
            code: str = super().clean_code()  # type: ignore[misc]
        except ValidationError:
            record_failure(context.request, outcome=SignIn.Outcome.WRONG_CODE, user=self.user)  # type: ignore[attr-defined]
            raise
        return code


class AuthenticateForm(_LogsFailures, allauth_forms.AuthenticateForm):
    pass


class ReauthenticateForm(_LogsFailures, allauth_forms.ReauthenticateForm):
    pass
