"""The pages behind the link of an invitation."""

from __future__ import annotations

from allauth.account.utils import perform_login
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from panel.accounts.forms import InvitationForm
from panel.accounts.invitations import InvitationOver, accept_invitation, ends_at, find_invited

_KEPT = "invitation"


@never_cache
@require_safe
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Move the token into the session and redirect, so that it reaches no other site and no log."""
    try:
        find_invited(token)
    except InvitationOver:
        return _over(request)
    request.session[_KEPT] = token
    return redirect("invitation_accept")


@never_cache
def invitation_accept(request: HttpRequest) -> HttpResponse:
    """Show the form for a password, open the account with it, and sign in."""
    try:
        user = find_invited(request.session.get(_KEPT, ""))
        form = InvitationForm(request.POST if request.method == "POST" else None, user=user)
        if form.is_valid():
            accept_invitation(user=user, password=form.cleaned_data["password1"])
            del request.session[_KEPT]
            messages.success(request, _("Welcome. Your password is set, and you are signed in."))
            start = reverse("admin:index" if user.is_staff else "order_new")
            return perform_login(request, user, redirect_url=start, email=user.email)
    except InvitationOver:
        return _over(request)
    context = {"form": form, "invited": user, "ends_at": ends_at(user)}
    return render(request, "accounts/invitation.html", context)


def _over(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/invitation_over.html", status=410)
