"""The customer's own page of addresses."""

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
        return _held(super()._action_primary, request)

    def _action_remove(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return _held(super()._action_remove, request)


def _held(action: Callable[[HttpRequest], object], request: HttpRequest) -> object:
    """Return what `action` answers, done with the account as the request read it; None leads back to the page."""
    try:
        with hold_account(request.user):  # type: ignore[arg-type]  # Nobody else gets here.
            return action(request)
    except IntegrityError:  # allauth lets people note an address without saying that it is somebody else's.
        messages.error(request, _("Another account signs in with this address. Nothing was changed."))
        return None
