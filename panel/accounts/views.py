"""The customer's own account."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from panel.accounts.forms import ProfileForm


@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Show name, password, e-mail and second factor; on a phone also links to everything else."""
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        # Only the name: another request may be changing the address or the password of this row.
        form.save(commit=False).save(update_fields=form.fields)
        messages.success(request, _("Your name was saved."))
        return redirect("account")
    return render(request, "accounts/account.html", {"form": form})
