"""The address and secrets of a method's signed calls."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from billing.destinations import announce_destination
from billing.intake.secrets import add_secret, end_old_secrets, secrets_of
from billing.models import PaymentMethod
from panel.accounts.owner_notices import Shift
from panel.accounts.signed_in import user_of
from panel.lib.digits import whole_number
from panel.lib.recent_sign_in import require_recent_sign_in


@sensitive_variables("secret")
def signed_calls_page(model_admin: admin.ModelAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """Show the address and the secrets; a POST makes a secret, shown this once, or ends the old ones."""
    if not request.user.has_perm("billing.change_paymentmethod"):
        raise PermissionDenied
    require_recent_sign_in(request)
    method = get_object_or_404(PaymentMethod, pk=whole_number(object_id) or 0)
    if method.kind != "signed":
        raise Http404
    rows = secrets_of(method=method)
    seen, secret, refusal = str(max((row.pk for row in rows), default=0)), "", ""
    if request.method == "POST":
        if request.POST.get("seen") != seen:
            refusal = "The secrets were changed since you opened this page. Nothing was done; look again."
        elif request.POST.get("do") == "end":
            ended = end_old_secrets(method=method)
            model_admin.log_change(request, method, f"Ended {ended} old secrets at once.")
        else:
            with transaction.atomic():
                secret = add_secret(method=method)
                shifts = [Shift("Secrets of signed calls", "", "a new one")]
                announce_destination(method=method, shifts=shifts, actor=user_of(request))
                model_admin.log_change(request, method, "Made a new secret for signed calls.")
        rows = secrets_of(method=method)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Signed calls",
        "method": method,
        "address": f"{settings.SITE_URL}{reverse('signed_call', args=[method.pk])}",
        "secret": secret,
        "secrets": rows,
        "has_old": any(row.ends_at for row in rows),
        "seen": seen,
        "refusal": refusal,
        "back": reverse("admin:billing_paymentmethod_change", args=[method.pk]),
    }
    return TemplateResponse(request, "admin/billing/signed_calls.html", context)
