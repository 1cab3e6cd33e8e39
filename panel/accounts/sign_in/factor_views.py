"""Setting up a second factor ends what was signed in without it."""

from __future__ import annotations

from typing import Any

from allauth.mfa.totp.views import ActivateTOTPView
from django.http import HttpResponseBase

from panel.accounts.sign_in.sessions import end_other_sessions


class ActivateView(ActivateTOTPView):
    """As the library's, but sessions that never showed the factor end: one may be of who knows the password."""

    def form_valid(self, form: Any) -> HttpResponseBase:
        response: HttpResponseBase = super().form_valid(form)
        end_other_sessions(self.request)
        return response
