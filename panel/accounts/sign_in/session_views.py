"""The page of one's own sessions."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from panel.accounts.sign_in.browsers import browser_name
from panel.accounts.sign_in.devices import remember_device
from panel.accounts.sign_in.sessions import end_other_sessions, sessions_of
from panel.accounts.signed_in import user_of


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def sessions(request: HttpRequest) -> HttpResponse:
    """Show the sessions of the account, and end all but this one."""
    if request.method == "POST":
        end_other_sessions(request)
        messages.success(request, _("All other sessions were ended. You are still signed in here."))
        response = redirect("usersessions_list")
        remember_device(request, response, user=user_of(request))
        return response
    rows = [
        {
            "browser": browser_name(one.user_agent),
            "address": one.ip,
            "since": one.created_at,
            "is_here": one.is_current(),
        }
        for one in sessions_of(request)
    ]
    return render(request, "accounts/sessions.html", {"sessions": rows})
