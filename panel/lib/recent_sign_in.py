"""Ask people for their password or code again before what matters, if they signed in long ago.

Whoever finds an open browser, or steals a session, then has neither.
"""

from __future__ import annotations

import time
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

# Seconds. A form that was opened in time can be sent for as long again.
MAX_AGE = 15 * 60
MAX_AGE_SENT = 2 * MAX_AGE


def signed_in_at(request: HttpRequest) -> float:
    """Return when the person last showed a password or code in this session, as a Unix time; 0.0 if never."""
    records = get_authentication_records(request, request.user) if request.user.is_authenticated else []
    return float(records[-1]["at"]) if records else 0.0


def is_recent(request: HttpRequest, *, max_age: float = MAX_AGE) -> bool:
    """Return True if the person signed in, or confirmed that it is them, within `max_age` seconds."""
    # A time ahead is of a clock that was set back since.
    return abs(time.time() - signed_in_at(request)) < max_age


def require_recent_sign_in(request: HttpRequest, *, back: str = "") -> None:
    """Return if the person signed in recently. Otherwise raise ImmediateHttpResponse, which redirects.

    Call it when a form is opened as well as when it is sent. They come back to `back`, by default the address of the
    request. What a form sent is not kept: it may hold secrets, and sessions are stored.
    """
    is_sent = request.method not in ("GET", "HEAD")
    if is_recent(request, max_age=MAX_AGE_SENT if is_sent else MAX_AGE):
        return
    methods = get_adapter(request).get_reauthentication_methods(request.user)
    if request.user.is_authenticated and not methods:
        return  # Nothing to ask for.
    if is_sent:
        text = _("Nothing was changed: the form was open for too long. Confirm that it is you, and fill it in again.")
        messages.warning(request, text)
    query = urlencode({REDIRECT_FIELD_NAME: back or request.get_full_path()})
    address = methods[0]["url"] if methods else reverse("account_login")
    raise ImmediateHttpResponse(HttpResponseRedirect(f"{address}?{query}"))
