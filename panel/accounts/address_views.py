"""The customer's own page of addresses."""

from __future__ import annotations

from typing import Any

from allauth.account.views import EmailView
from django.http import HttpRequest

from panel.accounts.addresses import hold_account


class AddressView(EmailView):
    def _action_primary(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with hold_account(request.user):  # type: ignore[arg-type]  # Nobody else gets here.
            return super()._action_primary(request, *args, **kwargs)
