"""The choices about an item, read from the admin's own pages that decide it.

A page that is opened says what would happen, with its form and the state that was seen; nothing is decided by that.
What is posted goes to the same page, with all of its guards.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from django import forms
from django.contrib import admin
from django.contrib.messages.storage.base import BaseStorage
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.html import strip_tags

from panel.ops.needs_you.kind import Item

# The field that names the page, and the one of a page with several choices.
PAGE = "page"
_ONE_OF = "choice"


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to decide. `hidden` are the fields that name it, `text` is the consequence."""

    key: str
    hidden: tuple[tuple[str, str], ...]
    text: str
    button: str
    form: forms.Form
    is_dangerous: bool
    warning: str = ""

    @property
    def fields(self) -> list[Any]:
        return list(self.form.visible_fields())

    @property
    def errors(self) -> list[str]:
        return [str(error) for error in self.form.non_field_errors()] if self.form.is_bound else []

    @property
    def needs_typing(self) -> bool:
        """Return True if a field has to be filled in first, or one was and is wrong."""
        if self.form.is_bound:
            return bool(self.form.errors)
        empty = [field for field in self.fields if field.value() in (None, "", [], False)]
        return any(field.field.required or field.name in self.form.initial for field in empty)


@dataclass(frozen=True, slots=True)
class Choices:
    """What the person may choose of; `why_not` says why it is nothing, `confirm` is where they prove who they are."""

    all: tuple[Choice, ...] = ()
    why_not: str = ""
    confirm: str = ""

    @property
    def primary(self) -> Choice | None:
        """Return the choice that a key confirms: the first that takes no typing and can be undone."""
        return next((one for one in self.all if not one.needs_typing and not one.is_dangerous), None)


class _Unread(BaseStorage):
    """Keeps the messages of a page that is only read."""

    def _get(self, *args: Any, **kwargs: Any) -> tuple[list[Any], bool]:
        return [], True

    def _store(self, messages: Any, response: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return []


def read_choices(request: HttpRequest, item: Item, answer: HttpResponse | None = None) -> Choices:
    """Return the choices about the item. `answer` is that of the page to which a form was sent that it refused."""
    sent = request.POST.get(PAGE, "") if answer is not None else ""
    found: list[Choice] = []
    why_not = ""
    for page in item.kind.pages(item.obj):
        reading = _reading(request)
        try:
            response = answer if page == sent and answer is not None else open_page(reading, item, page)
        except (PermissionDenied, Http404):
            continue
        except ImmediateHttpResponse as error:
            return Choices(confirm=error.response.headers["Location"])
        context = getattr(response, "context_data", None)
        if context is None:
            why_not = why_not or " ".join(strip_tags(str(one)) for one in reading._messages)  # type: ignore[attr-defined]
            continue
        why_not = why_not or str(context.get("refusal") or context.get("why_not") or "")
        found += _several(page, context) if "cards" in context else _one(page, context)
    return Choices(tuple(found), "" if found else why_not or "You may look, but not decide.")


def open_page(request: HttpRequest, item: Item, page: str) -> HttpResponse:
    """Return what the admin's page about the item answers."""
    model_admin = admin.site.get_model_admin(item.kind.model)
    response: HttpResponse = getattr(model_admin, page)(request, object_id=str(item.obj.pk))
    return response


def _reading(request: HttpRequest) -> HttpRequest:
    """Return the request as one that only reads."""
    reading = copy(request)
    reading.method = "GET"
    reading._messages = _Unread(reading)  # type: ignore[attr-defined]
    return reading


def _one(page: str, context: dict[str, Any]) -> list[Choice]:
    if context["refusal"]:
        return []
    hidden = ((PAGE, page), ("seen", context["seen"]))
    is_dangerous = context["variant"] == "danger"
    return [_choice(page, hidden, context["explanation"], context["button"], context["form"], is_dangerous)]


def _several(page: str, context: dict[str, Any]) -> list[Choice]:
    def one(key: str, text: str, button: str, form: forms.Form, variant: str = "", warning: str = "") -> Choice:
        hidden = ((PAGE, page), ("seen", context["seen"]), (_ONE_OF, key))
        return _choice(key, hidden, text, button, form, variant == "danger", warning)

    cards = [
        one(card.choice, card.text, card.button, card.form, card.variant, card.warning) for card in context["cards"]
    ]
    if form := context.get("search_form"):
        text = "The provider is asked again now for what it has of this order."
        cards.append(one("search", text, "Search again", form))
    return cards


def _choice(
    key: str,
    hidden: tuple[tuple[str, str], ...],
    text: str,
    button: str,
    form: forms.Form,
    is_dangerous: bool,
    warning: str = "",
) -> Choice:
    # Several forms with the same fields are on one page.
    form.auto_id = f"id_{key}_%s"
    return Choice(key, hidden, text, button, form, is_dangerous, warning)
