"""The page of times for refills that lists propose: accept or decline, for all services of a provider at once."""

from __future__ import annotations

from itertools import groupby

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from catalog.models import CatalogChange
from catalog.prices.changes import ChangeRefused
from catalog.prices.refill_proposals import answer_proposal, open_proposals
from panel.accounts.signed_in import user_of

PERMISSIONS = ("catalog.change_service", "catalog.change_pricechange")


class AnswerForm(forms.Form):
    """The proposal that is answered, as it was shown."""

    provider = forms.IntegerField()
    days = forms.IntegerField(min_value=0)
    now = forms.IntegerField(required=False)
    seen = forms.CharField()


def refills_view(request: HttpRequest) -> HttpResponse:
    """Show the proposals; on POST, accept or decline one."""
    if not request.user.has_perm("catalog.view_catalogchange"):
        raise PermissionDenied
    if request.method == "POST":
        if not request.user.has_perms(PERMISSIONS):
            raise PermissionDenied
        _answer(request)
        return redirect("admin:catalog_catalogchange_refills")
    context = {
        **admin.site.each_context(request),
        "title": "Times for refills",
        "opts": CatalogChange._meta,
        "groups": [(one, list(rows)) for one, rows in groupby(open_proposals(), key=lambda row: row.provider)],
        "may_answer": request.user.has_perms(PERMISSIONS),
    }
    return TemplateResponse(request, "admin/catalog/refill_proposals.html", context)


def _answer(request: HttpRequest) -> None:
    form = AnswerForm(request.POST)
    if not form.is_valid():
        messages.error(request, "This could not be read. Nothing was changed; look at it again.")
        return
    data, accept = form.cleaned_data, "accept" in request.POST
    try:
        count = answer_proposal(
            provider_id=data["provider"],
            days=data["days"],
            now=data["now"],
            seen=data["seen"],
            accept=accept,
            actor=user_of(request),
        )
    except ChangeRefused as error:
        messages.error(request, f"{error} Nothing was changed.")
        return
    verb = "Accepted" if accept else "Declined"
    messages.success(
        request, f"{verb} for {count:,} service{'' if count == 1 else 's'}. It can be undone in the history."
    )
