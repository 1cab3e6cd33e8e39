"""Admin actions that ask before they act: one page, one form, one service call.

A link in the admin is a GET, and a GET must change nothing; so each action shows its form first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse


class ActionRefused(Exception):
    """The service said no; the message is shown above the form."""


def ask_and_act(
    *,
    request: HttpRequest,
    model_admin: ModelAdmin,
    obj: Any,
    form_class: Callable[..., forms.Form],
    title: str,
    explanation: str,
    button: str,
    act: Callable[[dict[str, Any]], str],
    initial: dict[str, Any] | None = None,
    seen: str = "",
    is_for_good: bool = False,
) -> HttpResponse:
    """Shows the form; when it is posted and valid, runs `act` and returns to the object's page.

    `act` takes the cleaned data and returns the message of success; it raises ActionRefused otherwise.
    `seen` names the state of `obj`: a form that was opened at another state, or was sent before, is refused.
    `is_for_good`: nothing takes it back, and its button is red.
    """
    opts = obj._meta  # Not the admin's model: once settled, an order has left the list of reviews.
    back = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[obj.pk])
    form = form_class(request.POST if request.method == "POST" else None, initial=initial)
    if act_once(request=request, model_admin=model_admin, obj=obj, form=form, act=act, seen=seen):
        return redirect(back)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "explanation": explanation,
        "button": button,
        "form": form,
        "original": obj,
        "opts": opts,
        "back": back,
        "seen": seen,
        "variant": "danger" if is_for_good else "",
    }
    return TemplateResponse(request, "admin/ask_and_act.html", context)


def act_once(
    *,
    request: HttpRequest,
    model_admin: ModelAdmin,
    obj: Any,
    form: forms.Form,
    act: Callable[[dict[str, Any]], str],
    seen: str,
) -> bool:
    """Runs `act` as in `ask_and_act`, and logs it and tells of it; whether it was done. Else the form says why not."""
    if not form.is_valid():
        return False
    try:
        if request.POST.get("seen", "") != seen:
            raise ActionRefused("It changed since you opened this page. Nothing was done; look at it again.")
        done = act(form.cleaned_data)
    except ActionRefused as error:
        form.add_error(None, str(error))
        return False
    model_admin.log_change(request, obj, done)
    messages.success(request, done)
    return True
