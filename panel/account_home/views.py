"""The customer's own account: its home, its data, and its end."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from panel.account_home.closing import ClosingRefused, close_account, standing_of
from panel.account_home.forms import CloseForm
from panel.account_home.my_data import my_data
from panel.account_home.overview import overview_of
from panel.accounts.forms import ProfileForm
from panel.accounts.signed_in import user_of
from panel.lib.recent_sign_in import require_recent_sign_in
from panel.lib.templatetags.display import exact_text


@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Show what was spent and ordered, and the way to everything about the account; save the name."""
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        # Only the name: another request may be changing the address or the password of this row.
        form.save(commit=False).save(update_fields=form.fields)
        messages.success(request, _("Your name was saved."))
        return redirect("account")
    return render(request, "accounts/account.html", {"form": form, "overview": overview_of(customer=user_of(request))})


@login_required
@require_safe
def account_data(request: HttpRequest) -> HttpResponseBase:
    """Return everything about the customer as a file."""
    require_recent_sign_in(request, back=reverse("account"))
    response = StreamingHttpResponse(my_data(user_of(request)), content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="my-data-{timezone.localdate():%Y-%m-%d}.json"'
    response["Cache-Control"] = "no-store"
    return response


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account_close(request: HttpRequest) -> HttpResponse:
    """Say what stands in the way of closing the account and what comes of it; close it."""
    require_recent_sign_in(request)
    customer = user_of(request)
    standing = standing_of(customer=customer)
    form = CloseForm(
        request.POST or None,
        customer=customer,
        balance_text=exact_text(standing.balance) if standing.balance > 0 else "",
        initial={"seen": standing.balance},
    )
    if request.method == "POST" and form.is_valid():
        try:
            close_account(customer=customer, gives_up=form.cleaned_data["seen"])
        except ClosingRefused as refusal:
            messages.error(request, str(refusal))
            return redirect("account_close")
        logout(request)
        messages.success(request, _("Your account was closed. A mail confirms it."))
        return redirect("home")
    return render(request, "accounts/close.html", {"form": form, "standing": standing})
