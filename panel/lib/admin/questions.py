"""A question before an action on many rows of a list: how many, which, what happens, and what is left out and why.

The list's form is kept in the page that asks, and sent again to the list once it is confirmed. If other rows are
selected by then, such as by a filter that finds more of them, it asks again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from hashlib import sha256
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from panel.lib.admin.base import ModelAdmin

# An action that is undone as easily as it is done asks only about more rows than these.
MAX_UNASKED = 10
# Rows that one action may change.
MAX_SELECTED = 100_000
# Of the rows, so many are named.
MAX_NAMED = 5
# The field by which the question is answered: it names what was selected.
CONFIRMED = "confirmed"
_KEPT = ("action", "select_across", ACTION_CHECKBOX_NAME)


@dataclass(frozen=True, slots=True)
class Question:
    """What an action would do. `rows` are those that it would change, and `nouns` what one and several are called.

    `button` names the act, with "{}" for how many of what; `consequence` and `undo` are sentences, `undo` "" if it
    cannot be undone. `left` are rows that it leaves alone, with the reason; those with the count 0 are not shown.
    """

    rows: QuerySet[Any]
    nouns: tuple[str, str]
    button: str
    consequence: str
    undo: str = ""
    left: tuple[tuple[int, str], ...] = ()
    is_dangerous: bool = False


Action = Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponse | None]


def asks_first(
    question_of: Callable[[Any, HttpRequest, QuerySet[Any]], Question],
    *,
    above: int = 0,
    keeps: tuple[str, ...] = (),
) -> Callable[[Action], Action]:
    """Have an action of a list ask about more than `above` rows. `keeps` are more fields of the list's form.

    It stands below Unfold's `action`, which checks the permission, and tells what was left alone afterwards. The action
    itself is one transaction, and looks again at each row: some may have changed since they were counted.
    """

    def decorated(act: Action) -> Action:
        @wraps(act)
        def asking(model_admin: ModelAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
            question = question_of(model_admin, request, queryset)
            pks = list(question.rows.order_by().values_list("pk", flat=True)[: MAX_SELECTED + 1])
            if len(pks) > MAX_SELECTED:
                text = f"More than {MAX_SELECTED:,} are selected. Filter the list first. Nothing was changed."
                messages.error(request, text)
                return None
            seen = sha256(",".join(map(str, sorted(pks))).encode()).hexdigest()
            answer = request.POST.get(CONFIRMED, "")
            if len(pks) <= above or answer == seen:
                response = act(model_admin, request, queryset)
                for number, why in question.left:
                    if number:
                        messages.info(request, f"{number:,} left alone: {why}.")
                return response
            if answer:
                messages.warning(request, "Other rows are selected now than when you were asked. Nothing was changed.")
            return _page(model_admin, request, question, len(pks), seen, keeps)

        asking.asks_first = True  # type: ignore[attr-defined]
        return asking

    return decorated


def _page(
    model_admin: ModelAdmin, request: HttpRequest, question: Question, count: int, seen: str, keeps: tuple[str, ...]
) -> HttpResponse:
    noun = question.nouns[0] if count == 1 else question.nouns[1]
    words = question.button.format(f"{count:,} {noun}")
    names = [str(row) for row in question.rows.order_by("pk")[:MAX_NAMED]]
    fields = [(name, value) for name in (*_KEPT, *keeps) for value in request.POST.getlist(name)]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"{words}?",
        "opts": model_admin.opts,
        "question": question,
        "button": words,
        "names": names,
        "more": count - len(names),
        "left": [(number, why) for number, why in question.left if number],
        "fields": [*fields, (CONFIRMED, seen)],
        "back": request.get_full_path(),
    }
    return TemplateResponse(request, "admin/asks_first.html", context)
