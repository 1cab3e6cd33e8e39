"""The mails about API keys: an intruder in an account would create a key first, or widen one."""

from __future__ import annotations

import structlog
from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from panel.accounts.models import ApiKey
from panel.lib import clock
from panel.site import registry as site

log = structlog.get_logger(__name__)


def mail_of_new_key(*, request: HttpRequest, key: ApiKey) -> bool:
    """Mail the customer that the key was created, and from which address. Return True if sent; the key stays either
    way.
    """
    adapter = get_adapter(request)
    try:
        address = str(adapter.get_client_ip(request))
    except PermissionDenied:
        address = _("unknown")  # On a socket without addresses.
    context = {
        "key": key,
        "panel_name": site.PANEL_NAME.value,
        "keys_url": f"{settings.SITE_URL}{reverse('api_keys')}",
        "ip": address,
        "user_agent": adapter.get_http_user_agent(request)[:200],
        "timestamp": clock.now(),
    }
    try:
        adapter.send_mail("account/email/api_key_made", key.customer.email, context)
    except Exception as error:  # Each mail backend raises its own errors.
        log.warning("mail of a new API key not sent", api_key_id=key.pk, error=type(error).__name__)
        return False
    return True


def mail_of_changed_key(*, request: HttpRequest, key: ApiKey) -> None:
    """Queue a mail to the customer that the limits of the key were changed, or that it was switched on again."""
    context = {"key": key, "keys_url": reverse("api_keys")}
    get_adapter(request).send_notification_mail("account/email/api_key_changed", key.customer, context)
