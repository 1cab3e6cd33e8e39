"""The customer's page of the e-mail address, and the link that confirms one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.views import ConfirmEmailView, EmailView
from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from panel.accounts.addresses import hold_account
from panel.site.mail_setup import asks_for_codes


@method_decorator(sensitive_post_parameters("password", "code"), name="dispatch")
class AddressView(EmailView):
    template_name = "account/email.html"

    def _action_primary(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return _run_held(super()._action_primary, request)

    def _action_remove(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return _run_held(super()._action_remove, request)


def _run_held(action: Callable[[HttpRequest], object], request: HttpRequest) -> object:
    """Run `action` while the account is held as it was read. Return its response; None redirects to the page."""
    try:
        with hold_account(request.user):  # type: ignore[arg-type]  # Nobody else gets here.
            return action(request)
    except IntegrityError:  # allauth accepts an address without checking that another account uses it.
        messages.error(request, _("Another account signs in with this address. Nothing was changed."))
        return None


def confirm_address(request: HttpRequest, key: str) -> HttpResponseBase:
    """Confirm the address of the link. Links that were mailed before codes replaced them open nothing."""
    if asks_for_codes():
        if request.user.is_authenticated:
            text = _("Addresses are confirmed with a code now. Ask for one on the page of your e-mail address.")
            messages.info(request, text)
            return redirect("account_email")
        # Who never signed in cannot: a link for a new password confirms the address as well.
        text = _("This link is no longer of use. Ask for a link to set your password: it confirms your address, too.")
        messages.info(request, text)
        return redirect("account_reset_password")
    response: HttpResponseBase = ConfirmEmailView.as_view()(request, key=key)
    return response
