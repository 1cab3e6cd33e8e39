"""Admin actions with a form to confirm: one page, one form, one service call.

A link in the admin is a GET, and a GET must change nothing; so each action shows its form first. There is no form
for what belongs to one's own account: another person has to act.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from panel.activity.record import differences, record, snapshot
from panel.lib.admin.changes import keep_changes
from panel.lib.admin.ways_back import way_back
from panel.lib.own_account import SENTENCE, OwnAccount, is_own
from panel.lib.recent_sign_in import require_recent_sign_in


class ActionRefused(Exception):
    """The service refused; the message is shown above the form."""


def confirm_and_act(
    *,
    request: HttpRequest,
    model_admin: ModelAdmin,
    obj: Model,
    form_class: Callable[..., forms.Form],
    title: str,
    explanation: str,
    button: str,
    act: Callable[[dict[str, Any]], str],
    initial: dict[str, object] | None = None,
    seen: str = "",
    is_for_good: bool = False,
    may_be_own: bool = False,
    is_routine: bool = False,
    is_atomic: bool = False,
) -> HttpResponse:
    """Show the form; once it is posted and valid, run `act` and redirect to the object's page, or to the one that
    the form was opened from.

    `act` takes the cleaned data and returns the success message; it raises ActionRefused otherwise. `seen` names the
    state of `obj`: a form opened in another state, or sent before, is refused. `is_for_good`: the action cannot be
    undone, and its button is red. `may_be_own`: allowed even if `obj` belongs to the person who acts. `is_atomic`:
    `act` sends nothing to other servers, and is one transaction with its entry in the activity.

    Whoever signed in long ago confirms that it is them first, unless the action `is_routine`: daily work on orders and
    services, but nothing about wallets, keys, roles or settings.
    """
    if not is_routine:
        require_recent_sign_in(request)
    opts = obj._meta  # Not the admin's model: once decided, an order has left the list of reviews.
    back = way_back(request, reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[obj.pk]))
    form = form_class(request.POST if request.method == "POST" else None, initial=initial)
    if act_once(
        request=request,
        model_admin=model_admin,
        obj=obj,
        form=form,
        title=title,
        act=act,
        seen=seen,
        may_be_own=may_be_own,
        is_routine=is_routine,
        is_atomic=is_atomic,
    ):
        return redirect(back)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "explanation": explanation,
        "button": button,
        "form": form,
        "refusal": SENTENCE if not may_be_own and is_own_object(request, obj) else "",
        "original": obj,
        "opts": opts,
        "back": back,
        "seen": seen,
        "variant": "danger" if is_for_good else "",
    }
    return TemplateResponse(request, "admin/confirm_and_act.html", context)


def act_once(
    *,
    request: HttpRequest,
    model_admin: ModelAdmin,
    obj: Model,
    form: forms.Form,
    title: str,
    act: Callable[[dict[str, Any]], str],
    seen: str,
    may_be_own: bool = False,
    is_routine: bool = False,
    is_atomic: bool = False,
) -> bool:
    """Run `act` as in `confirm_and_act`, log it with what it changed of `obj`, and show its message.

    Return True if done; otherwise the form has the error.

    An attempt on one's own account is logged under `title`, even if the form is not valid. `is_routine`: as in
    `confirm_and_act`. A page of its own calls `require_recent_sign_in` when it is opened.
    """
    if request.method == "POST" and not is_routine:
        require_recent_sign_in(request)
    is_valid = form.is_valid()
    try:
        if request.method == "POST" and not may_be_own and is_own_object(request, obj):
            raise OwnAccount
        if not is_valid:
            return False
        if request.POST.get("seen", "") != seen:
            raise ActionRefused("It changed since you opened this page. Nothing was done; look at it again.")
        with transaction.atomic() if is_atomic else nullcontext():
            before = snapshot(obj)
            done = act(form.cleaned_data)
            keep_changes(request, differences(before, snapshot(obj)))
            model_admin.log_change(request, obj, done)
    except OwnAccount as error:
        log_own_attempt(request=request, objects=[obj], title=title)
        form.add_error(None, str(error))
        return False
    except ActionRefused as error:
        form.add_error(None, str(error))
        return False
    messages.success(request, done)
    return True


def is_own_object(request: HttpRequest, obj: Model | None) -> bool:
    """Return True if `obj` belongs to the person who sent the request."""
    return is_own(actor=request.user, customer_id=getattr(obj, "customer_id", None))


def log_own_attempt(*, request: HttpRequest, objects: Sequence[Model], title: str) -> None:
    """Write to the activity log that somebody tried `title` on their own account's objects."""
    message = f"Refused, because it belongs to their own account: {title}."
    record(actor_id=request.user.pk, objects=objects, message=message)
