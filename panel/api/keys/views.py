"""The customer's API keys. Views parse and render; services create, change and revoke."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST, require_safe

from panel.accounts.models import ApiKey
from panel.accounts.sign_up import lacks_confirmed_address
from panel.accounts.signed_in import user_of
from panel.api.docs.examples import first_request
from panel.api.keys.emails import mail_of_changed_key, mail_of_new_key
from panel.api.keys.forms import KeyForm, NewKeyForm, values_of
from panel.api.keys.one_time_secret import forget, leave_secret, take_secret
from panel.api.keys.services import (
    MAX_KEYS,
    AddressNotConfirmed,
    KeyMadeBefore,
    TooManyKeys,
    change_key,
    keys_in_use,
    keys_revoked,
    make_key,
    revoke_key,
    switch_key_on,
)

# Revoked keys shown on the page, latest first.
MAX_REVOKED = 50


@login_required
@require_safe
def api_keys(request: HttpRequest) -> HttpResponse:
    """Show the customer's keys, and below them the revoked ones."""
    forget(session=request.session)
    keys = list(keys_in_use(customer=user_of(request)))
    context = {
        "keys": keys,
        "are_some_off": any(key.off_since for key in keys),
        "lacks_address": lacks_confirmed_address(user_of(request)),
        "revoked": keys_revoked(customer=user_of(request))[:MAX_REVOKED],
        "most": MAX_KEYS,
        "is_full": len(keys) >= MAX_KEYS,
        "address": _address(),
    }
    return render(request, "accounts/api_keys.html", context)


@login_required
def api_key_new(request: HttpRequest) -> HttpResponse:
    """Create a key, and redirect to the page that shows its secret."""
    form = NewKeyForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            made = make_key(customer=user_of(request), **form.cleaned_data)
        except KeyMadeBefore as error:
            return redirect("api_key_made", error.key.pk)
        except (AddressNotConfirmed, TooManyKeys) as error:
            form.add_error(None, str(error))
        else:
            leave_secret(session=request.session, made=made)
            # Now: the second request of a double click must find it, and a mail may take seconds.
            request.session.save()
            mail_of_new_key(request=request, key=made.key)
            return redirect("api_key_made", made.key.pk)
    return render(request, "accounts/api_key_new.html", {"form": form})


@login_required
@never_cache
@require_GET
def api_key_made(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the secret of a new key, once."""
    key = _own(request, pk)
    secret = take_secret(session=request.session, key=key)
    if secret is None:
        text = _("A key is shown once, right after it was made. If you did not copy it, revoke it and make another.")
        messages.info(request, text)
        return redirect("api_keys")
    address = _address()
    context = {"key": key, "secret": secret, "address": address, "first_request": first_request(address=address)}
    return render(request, "accounts/api_key_made.html", context)


@login_required
def api_key_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Edit the name and the limits of a key, never its secret. A revoked key cannot be changed."""
    key = _own(request, pk)
    form = KeyForm(request.POST if request.method == "POST" else None, initial=values_of(key))
    is_sound = form.is_valid()
    if key.is_revoked or (is_sound and not change_key(key=key, **form.cleaned_data)):
        messages.warning(request, _("“%(name)s” is revoked and cannot be changed any more.") % {"name": key.name})
        return redirect("api_keys")
    if is_sound:
        mail_of_changed_key(request=request, key=key)
        messages.success(request, _("“%(name)s” was saved.") % {"name": form.cleaned_data["name"]})
        return redirect("api_keys")
    return render(request, "accounts/api_key_edit.html", {"form": form, "key": key})


@login_required
def api_key_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for confirmation, then revoke the key for good."""
    key = _own(request, pk)
    if request.method == "POST":
        revoke_key(key=key)
        text = _("“%(name)s” was revoked. Programs that use it are refused from now on.")
        messages.success(request, text % {"name": key.name})
        return redirect("api_keys")
    if key.is_revoked:
        return redirect("api_keys")
    return render(request, "accounts/api_key_revoke.html", {"key": key})


@login_required
@require_POST
def api_key_switch_on(request: HttpRequest, pk: int) -> HttpResponse:
    """Confirm a key that a new password switched off."""
    key = _own(request, pk)
    try:
        if switch_key_on(key=key):
            mail_of_changed_key(request=request, key=key)
            messages.success(request, _("“%(name)s” is on again.") % {"name": key.name})
    except AddressNotConfirmed as error:
        messages.error(request, str(error))
    return redirect("api_keys")


def _own(request: HttpRequest, pk: int) -> ApiKey:
    """Return the customer's key. Raise Http404 for another customer's."""
    return get_object_or_404(ApiKey, customer=request.user, pk=pk)


def _address() -> str:
    return f"{settings.SITE_URL}{reverse('api_v2')}"
