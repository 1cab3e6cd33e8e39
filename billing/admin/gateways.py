"""The set-up of a gateway: its credentials, the address for its calls, and whether it answers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from billing.destinations import announce_destination
from billing.intake.credentials import credentials_for, credentials_of, note_failed, note_reached, store_credentials
from billing.intake.gateways import Gateway, GatewayError, GatewayRefused, gateways
from billing.models import PaymentMethod
from panel.accounts.owner_notices import Shift
from panel.accounts.signed_in import user_of
from panel.lib.crypto import Undecryptable
from panel.lib.digits import whole_number
from panel.lib.recent_sign_in import require_recent_sign_in

MAX_LENGTH = 500


class CredentialsForm(forms.Form):
    """The gateway's own fields. A secret is never shown; left empty, the stored one stays."""

    def __init__(self, *args: Any, gateway: Gateway, stored: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for one in gateway.credentials:
            has_one = bool(stored.get(one.name))
            attrs = {"autocomplete": "off", "spellcheck": "false", "dir": "ltr"}
            if one.is_secret:
                attrs["placeholder"] = "stored; write to replace it" if has_one else ""
            self.fields[one.name] = forms.CharField(
                label=one.label,
                help_text=one.help,
                max_length=MAX_LENGTH,
                required=not has_one,
                initial="" if one.is_secret else stored.get(one.name, ""),
                widget=UnfoldAdminTextInputWidget(attrs=attrs),
            )


def gateway_page(model_admin: admin.ModelAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """Show and store the credentials; a POST may test them instead."""
    if not request.user.has_perm("billing.change_paymentmethod"):
        raise PermissionDenied
    require_recent_sign_in(request)
    method = get_object_or_404(PaymentMethod, pk=whole_number(object_id) or 0)
    gateway = gateways().get(method.kind)
    if gateway is None:
        raise Http404
    try:
        stored = credentials_of(method)
    except Undecryptable as error:
        stored = {}
        messages.error(request, str(error))
    form = CredentialsForm(request.POST or None, gateway=gateway, stored=stored)
    if request.method == "POST" and request.POST.get("do") == "test":
        _test(request, method, gateway)
        return redirect(request.path)
    if request.method == "POST" and form.is_valid():
        named = ", ".join(one.label for one in gateway.credentials if form.cleaned_data.get(one.name))
        with transaction.atomic():
            store_credentials(method=method, values=form.cleaned_data)
            announce_destination(method=method, shifts=[Shift("Credentials", "", named)], actor=user_of(request))
            model_admin.log_change(request, method, f"Replaced credentials: {named}.")
        messages.success(request, "Stored. Test the connection now.")
        return redirect(request.path)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gateway.label,
        "method": method,
        "form": form,
        "has_all": all(stored.get(one.name) for one in gateway.credentials),
        "address": f"{settings.SITE_URL}{reverse('gateway_call', args=[method.kind, method.pk])}",
        "back": reverse("admin:billing_paymentmethod_change", args=[method.pk]),
    }
    return TemplateResponse(request, "admin/billing/gateway.html", context)


def _test(request: HttpRequest, method: PaymentMethod, gateway: Gateway) -> None:
    try:
        words = gateway.check(credentials_for(gateway, method))
    except (GatewayError, GatewayRefused) as error:
        note_failed(method=method, error=str(error))
        messages.error(request, f"It does not work: {error}")
    else:
        note_reached(method=method)
        messages.success(request, words)
