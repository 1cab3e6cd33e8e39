"""The customer's page of e-mail addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.views import EmailView
from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from panel.accounts.addresses import hold_account


class AddressView(EmailView):
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
