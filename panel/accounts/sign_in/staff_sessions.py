"""Sessions of staff: they end when idle and after some hours, and open the admin with a second factor if one is needed.

Each session holds when it began and when it was used last. One from before this was counted begins with its next
request, so that an upgrade signs nobody out.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from panel.accounts.models import User, Visit
from panel.accounts.sign_in.second_factor import lacks_second_factor
from panel.accounts.visits import end_visit
from panel.site import sign_in_settings

_KEPT = "staff"
# Seconds: a session is a row, which not every request should write.
_NOTED_EVERY = 60
# Programs and files, for which no account is looked up.
_UNATTENDED = ("/api/v2", "/brand/", "/healthz", "/metrics", "/theme.css", "/static/")


class StaffSessionMiddleware:
    """Signs staff out in time, and keeps the admin closed until they have the second factor that their role needs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.admin = reverse("admin:index")

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and not request.path.startswith(_UNATTENDED):
            user = request.user
            if isinstance(user, User) and user.is_staff and (answer := self._answer(request, user)) is not None:
                return answer
        return self.get_response(request)

    def _answer(self, request: HttpRequest, user: User) -> HttpResponseBase | None:
        if is_over(request):
            end_visit(request, how=Visit.End.IDLE)
            logout(request)
            messages.info(request, _("You were signed out, because you are on the staff and were away for long."))
            if is_by_script(request):
                return HttpResponse(status=204, headers={"HX-Refresh": "true"})
            return redirect_to_login(request.get_full_path() if request.method == "GET" else self.admin)
        if request.path.startswith(self.admin) and lacks_second_factor(user):
            messages.warning(request, _("Your role needs a second factor. Set one up, then the admin opens."))
            return redirect("mfa_activate_totp")
        return None


def is_over(request: HttpRequest) -> bool:
    """Return True if the session was idle or open for too long. Otherwise note that it is used."""
    now = time.time()
    began_at, used_at = request.session.get(_KEPT) or (now, 0.0)
    if used_at and now - used_at > sign_in_settings.STAFF_IDLE_MINUTES.value * 60:
        return True
    if now - began_at > sign_in_settings.STAFF_SESSION_HOURS.value * 3_600:
        return True
    # A time ahead is of a clock that was set back since.
    if not used_at or (abs(now - used_at) >= _NOTED_EVERY and not is_by_script(request)):
        request.session[_KEPT] = [min(began_at, now), now]
    return False


def is_by_script(request: HttpRequest) -> bool:
    """Return True for a request of a page that refreshes itself, with or without somebody in front of it."""
    return "HX-Request" in request.headers
