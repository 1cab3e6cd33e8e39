"""The page that previews and sets a group's discount."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from catalog.models import CustomerGroup
from catalog.prices.group_discounts import (
    DiscountChanged,
    LevelWouldBeWorse,
    is_own_group,
    preview_discount,
    set_discount,
)
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import ActionRefused, act_once
from panel.lib.admin.fields import PercentField
from panel.lib.formats import percent_text
from panel.lib.money import BASIS, MoneyError
from panel.lib.own_account import SENTENCE
from panel.lib.recent_sign_in import require_recent_sign_in


class DiscountField(PercentField):
    """A discount in basis points, below 100%: a price of zero is not allowed."""

    def read(self, text: str) -> int:
        try:
            discount = super().read(text)
        except MoneyError as error:
            raise MoneyError("Enter a discount such as 5 or 7.5, from 0 to 99.99%.") from error
        if discount >= BASIS:
            raise MoneyError("A discount is 99.99% at most.")
        return discount


class DiscountForm(forms.Form):
    discount = DiscountField(label="New discount in percent")


def discount_page(*, request: HttpRequest, model_admin: ModelAdmin, group: CustomerGroup) -> HttpResponse:
    """Preview the discount of a GET, set it on the POST that follows. The caller checks permissions."""
    require_recent_sign_in(request)
    back = reverse("admin:catalog_customergroup_change", args=[group.pk])
    is_own = is_own_group(group=group, actor=user_of(request))

    def act(data: dict[str, Any]) -> str:
        try:
            set_discount(group=group, discount_bp=data["discount"], seen=group.discount_bp, actor=user_of(request))
        except DiscountChanged as error:
            raise ActionRefused("Somebody else changed the discount just now. Nothing was changed.") from error
        except LevelWouldBeWorse as error:
            raise ActionRefused(f"{error} Nothing was changed.") from error
        return f"The discount was {percent_text(group.discount_bp)} and is {percent_text(data['discount'])} now."

    data = request.POST if request.method == "POST" else request.GET
    form = DiscountForm(data if "discount" in data else None, initial={"discount": group.discount_bp})
    seen, title = str(group.discount_bp), f"Discount of {group}"
    if request.method == "POST" and act_once(
        request=request, model_admin=model_admin, obj=group, form=form, title=title, act=act, seen=seen
    ):
        return redirect(back)
    new = form.cleaned_data.get("discount") if form.is_bound and not form.has_error("discount") else None
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": group._meta,
        "form": form,
        "refusal": SENTENCE if is_own else "",
        "now": percent_text(group.discount_bp),
        "new": percent_text(new),
        "typed": form["discount"].value(),
        "preview": None if new is None or is_own else _preview(group, new),
        "seen": seen,
        "back": back,
    }
    return TemplateResponse(request, "admin/catalog/discount.html", context)


def _preview(group: CustomerGroup, discount_bp: int) -> dict[str, Any]:
    preview = preview_discount(group=group, discount_bp=discount_bp)
    worst = [(effect, percent_text(effect.share_after)) for effect in preview.worst]
    return {"of": preview, "worst": worst, "changed": preview.lowered + preview.raised}
