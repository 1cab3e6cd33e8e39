"""The set-up of a gateway: a list that facts complete, its credentials, and what can be tried."""

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
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from billing.admin.gateway_steps import set_up_steps, site_problem
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
        self.gateway = gateway
        for one in gateway.credentials:
            has_one = bool(stored.get(one.name))
            attrs = {"autocomplete": "off", "spellcheck": "false", "dir": "ltr"}
            if one.is_secret:
                # Browsers fill "off" with the password that they know for this site.
                attrs["autocomplete"] = "new-password"
                attrs["placeholder"] = "stored; write to replace it" if has_one else ""
            self.fields[one.name] = forms.CharField(
                label=one.label if one.is_required else f"{one.label} (optional)",
                help_text=one.help,
                max_length=MAX_LENGTH,
                required=one.is_required and not has_one,
                initial="" if one.is_secret else stored.get(one.name, ""),
                widget=(UnfoldAdminPasswordWidget if one.is_secret else UnfoldAdminTextInputWidget)(attrs=attrs),
            )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for one in self.gateway.credentials:
            if value := data.get(one.name):
                try:
                    data[one.name] = one.clean(value)
                except ValueError as error:
                    self.add_error(one.name, str(error))
        return data

    @property
    def cleared(self) -> list[str]:
        """Return what the owner emptied: fields that are shown, and that the gateway does without."""
        found = self.gateway.credentials
        return [one.name for one in found if not (one.is_required or one.is_secret or self.cleaned_data.get(one.name))]


def gateway_page(model_admin: admin.ModelAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """Show how far the set-up is, and store credentials. A POST may try the connection or the gateway's calls instead.

    Each of its posts can be repeated: they leave what they found, or store the same once more.
    """
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
    if request.method == "POST" and (act := ACTS.get(request.POST.get("do", ""))):
        act(request, method, gateway)
        return redirect(request.path)
    form = CredentialsForm(request.POST or None, gateway=gateway, stored=stored)
    if request.method == "POST" and form.is_valid():
        named = ", ".join(one.label for one in gateway.credentials if form.cleaned_data.get(one.name))
        with transaction.atomic():
            store_credentials(method=method, values=form.cleaned_data, cleared=form.cleared)
            announce_destination(method=method, shifts=[Shift("Credentials", "", named)], actor=user_of(request))
            model_admin.log_change(request, method, f"Replaced credentials: {named}.")
        messages.success(request, "Stored. Test the connection now.")
        return redirect(request.path)
    steps = set_up_steps(method=method, gateway=gateway, stored=stored)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gateway.label,
        "method": method,
        "form": form,
        "gateway": gateway,
        "steps": steps,
        "done": sum(step.is_done for step in steps),
        "has_all": steps[0].is_done,
        "address": _webhook_of(method),
        "site_problem": site_problem(),
        "back": reverse("admin:billing_paymentmethod_change", args=[method.pk]),
    }
    return TemplateResponse(request, "admin/billing/gateway.html", context)


def _webhook_of(method: PaymentMethod) -> str:
    return f"{settings.SITE_URL}{reverse('gateway_call', args=[method.kind, method.pk])}"


def _test(request: HttpRequest, method: PaymentMethod, gateway: Gateway) -> None:
    try:
        words = gateway.check(credentials_for(gateway, method))
    except (GatewayError, GatewayRefused, Undecryptable) as error:
        note_failed(method=method, error=str(error))
        messages.error(request, f"It does not work: {error}")
    else:
        note_reached(method=method)
        messages.success(request, words)


def _send_test(request: HttpRequest, method: PaymentMethod, gateway: Gateway) -> None:
    if not gateway.sends_tests:
        messages.error(request, "This gateway sends no test calls on request.")
        return
    try:
        words = gateway.send_test(_webhook_of(method), credentials_for(gateway, method))
    except (GatewayError, GatewayRefused, Undecryptable) as error:
        messages.error(request, f"No test call was sent: {error}")
    else:
        messages.success(request, words)


# What a button does instead of storing. None of them opens a transaction around its request.
ACTS = {"test": _test, "send_test": _send_test}
