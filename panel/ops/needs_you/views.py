"""The page "Needs you": one item with what is known of it and the choices, and those that follow."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from panel.accounts.signed_in import user_of
from panel.ops.needs_you.choices import PAGE, Choices, open_page, read_choices
from panel.ops.needs_you.kind import Item, Kind
from panel.ops.needs_you.queue import KINDS_BY_KEY, count_left, find_item, first_items, items_after
from panel.ops.needs_you.sitting import add_decided, begin_anew, count_decided, put_off, put_off_items

TITLE = "Needs you"
# Items in the list below the open one.
MAX_NEXT = 8


@require_GET
def needs_you(request: HttpRequest) -> HttpResponse:
    """Lead to the first item; say so if there is none."""
    first = first_items(user_of(request), later=put_off_items(request), count=1)
    if first:
        return redirect(first[0].url)
    return _page(request, {"left": count_left(user_of(request))})


@require_http_methods(["GET", "POST"])
def needs_you_item(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Show an item and what may be done; a POST decides it, and the next one follows."""
    found = _kind(request, kind)
    item = find_item(user_of(request), found, pk)
    if item is None:
        return _decided(request, found, pk)
    if request.method != "POST":
        return _item_page(request, item, read_choices(request, item))
    page = request.POST.get(PAGE, "")
    if page not in found.pages(item.obj):
        messages.error(request, "That is not a choice now. Nothing was done; look at it again.")
        return redirect(item.url)
    answer = open_page(request, item, page)
    now = find_item(user_of(request), found, pk)
    if answer.status_code == 302:
        if now is None:
            add_decided(request)
        else:  # A second person decides, or it could not be done: the message says which.
            put_off(request, item.key)
        return _next(request, item)
    if now is None:
        return _decided(request, found, pk)
    return _item_page(request, now, read_choices(request, now, answer))


@require_POST
def needs_you_later(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Put an item off until all others are decided."""
    found = _kind(request, kind)
    item = find_item(user_of(request), found, pk)
    if item is None:
        return _decided(request, found, pk)
    following = items_after(user_of(request), found, item.obj, later=put_off_items(request), count=1)
    put_off(request, item.key)
    if not following:
        messages.info(request, "It is the only one that is left.")
    return redirect(following[0].url if following else item.url)


def _kind(request: HttpRequest, key: str) -> Kind:
    kind = KINDS_BY_KEY.get(key)
    if kind is None:
        raise Http404
    if not request.user.has_perm(kind.permission):
        raise PermissionDenied
    return kind


def _decided(request: HttpRequest, kind: Kind, pk: int) -> HttpResponse:
    """Tell that it waits no more, and by whom it was decided, and go on with the next one."""
    obj = kind.model._base_manager.filter(pk=pk).first()
    if obj is None:
        raise Http404
    who = kind.decided_by(obj)
    by = "you" if who == request.user else str(who)
    text = f"It was decided by {by} already" if who else "It waits for you no more"
    messages.info(request, f"{obj}: {text}. Nothing more was done.")
    return _next(request, Item(kind, obj))


def _next(request: HttpRequest, item: Item) -> HttpResponse:
    user, later = user_of(request), put_off_items(request)
    following = items_after(user, item.kind, item.obj, later=later, count=1)
    if not following:
        following = first_items(user, later=later, count=1)
    if following:
        return redirect(following[0].url)
    begin_anew(request)
    return redirect("needs_you")


def _item_page(request: HttpRequest, item: Item, choices: Choices) -> HttpResponse:
    user = user_of(request)
    left = count_left(user)
    context = {
        "left": left,
        "total": left.count + count_decided(request),
        "item": item,
        "evidence": [(label, text) for label, text in item.kind.evidence(request, item.obj) if text],
        "choices": choices,
        "following": items_after(user, item.kind, item.obj, later=put_off_items(request), count=MAX_NEXT),
    }
    return _page(request, context)


def _page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": TITLE, **context}
    return TemplateResponse(request, "admin/needs_you/page.html", context)
