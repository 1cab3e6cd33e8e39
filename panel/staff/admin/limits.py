"""The page of limits: what each role may move alone. Lower ones hold at once, higher ones wait for a second person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.widgets import UnfoldAdminTextInputWidget

from panel.accounts.signed_in import user_of
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.lib.admin.fields import AmountField
from panel.lib.money import MAX_MICROS
from panel.lib.recent_sign_in import require_recent_sign_in
from panel.staff.deeds import MAX_NOTE, Why
from panel.staff.kinds import ALERT, EVERYBODY, LIMITS, RANKS, Kind, Limit
from panel.staff.limits import all_limits, is_raised, store_limits
from panel.staff.looks import MAX_TEXT, Asked, ask_second_look, waiting_sentence
from panel.staff.models import StaffLimit
from panel.staff.raising import ACT, params_of

PERMISSION = "staff.change_stafflimit"
_Key = tuple[str, str]
_ALERT_KEY: _Key = (EVERYBODY, ALERT)
KEYS: tuple[_Key, ...] = (*((role, kind.value) for role in RANKS for kind in Kind), _ALERT_KEY)


@dataclass(frozen=True, slots=True)
class Row:
    """Two fields of the form, with their name."""

    label: str
    at_once: forms.BoundField
    a_day: forms.BoundField


@dataclass(frozen=True, slots=True)
class Table:
    """The limits of one role."""

    title: str
    text: str
    rows: list[Row]


class LimitsForm(forms.Form):
    """All limits, with why they change."""

    note = forms.CharField(
        label="Why",
        max_length=MAX_NOTE,
        widget=UnfoldAdminTextInputWidget,
        help_text="For the log, and for the second person.",
    )

    def __init__(self, data: Any = None, *, limits: dict[_Key, Limit]) -> None:
        super().__init__(data)
        for key in KEYS:
            for part, value in (("at_once", limits[key].at_once), ("a_day", limits[key].a_day)):
                attrs = {"inputmode": "decimal", "aria-label": _label(key, part)}
                widget = UnfoldAdminTextInputWidget(attrs=attrs)
                self.fields[_name(key, part)] = AmountField(initial=value, label=_label(key, part), widget=widget)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for key in KEYS:
            at_once, a_day = data.get(_name(key, "at_once")), data.get(_name(key, "a_day"))
            if at_once is None or a_day is None:
                continue
            if a_day > MAX_MICROS:
                self.add_error(_name(key, "a_day"), f"At most {shown_money(MAX_MICROS)}.")
            elif at_once > a_day:
                self.add_error(_name(key, "at_once"), "This is above the limit of a day.")
        return data

    def wanted(self) -> dict[_Key, Limit]:
        data = self.cleaned_data
        return {key: Limit(data[_name(key, "at_once")], data[_name(key, "a_day")]) for key in KEYS}

    def tables(self) -> list[Table]:
        texts = dict.fromkeys(RANKS, "")
        texts[RANKS[0]] = "Superusers have these limits, too."
        tables = [
            Table(role, texts[role], [self._row((role, kind.value), kind.label) for kind in Kind]) for role in RANKS
        ]
        text = "An alert tells of one deed, or of one person’s day, above these amounts. Owners are told of as well."
        return [*tables, Table("Alert", text, [self._row(_ALERT_KEY, "Any kind")])]

    def _row(self, key: _Key, label: str) -> Row:
        return Row(label, self[_name(key, "at_once")], self[_name(key, "a_day")])


@admin.register(StaffLimit)
class StaffLimitAdmin(ReadOnlyAdmin):
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(PERMISSION)

    def get_urls(self) -> list[URLPattern]:
        return [path("", self.admin_site.admin_view(self.limits_page), name="staff_stafflimit_changelist")]

    def limits_page(self, request: HttpRequest) -> HttpResponse:
        """Show the limits; store lower ones, and ask a second person for higher ones."""
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        require_recent_sign_in(request)
        before = all_limits()
        form = LimitsForm(request.POST if request.method == "POST" else None, limits=before)
        if form.is_valid():
            self._change(request, before, form.wanted(), Why(note=form.cleaned_data["note"]))
            return redirect("admin:staff_stafflimit_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": "Limits of staff",
            "form": form,
            "tables": form.tables(),
            "currency": settings.PANEL_CURRENCY,
        }
        return TemplateResponse(request, "admin/staff/limits.html", context)

    def _change(self, request: HttpRequest, before: dict[_Key, Limit], wanted: dict[_Key, Limit], why: Why) -> None:
        user = user_of(request)
        changed = {key: limit for key, limit in wanted.items() if limit != before[key]}
        raised = {key: limit for key, limit in changed.items() if is_raised(before[key], limit)}
        lowered = {key: limit for key, limit in changed.items() if key not in raised}
        if not changed:
            messages.info(request, "Nothing was changed.")
        if lowered:
            store_limits(lowered)
            told = f"Lowered: {_listed(lowered)} {why.note}"
            self.log_change(request, StaffLimit.objects.filter(role=next(iter(lowered))[0])[0], told)
            messages.success(request, f"Lowered, and in force: {_listed(lowered)}")
        if raised:
            text = f"Raise limits of staff: {_listed(raised)}"
            if len(text) > MAX_TEXT:
                messages.error(request, "These are more than a second person reads at once: raise a few at a time.")
                return
            asked = Asked(
                act=ACT, about=StaffLimit(pk=0), text=text, params=params_of(before, raised), request_key="limits"
            )
            most = max(limit.a_day for limit in raised.values())
            look = ask_second_look(asked=asked, kind=LIMITS, amount=most, actor=user, why=why)
            messages.warning(request, waiting_sentence(look=look, above="Higher limits take a second person."))


def _listed(limits: dict[_Key, Limit]) -> str:
    parts = [
        f"{role}, {_kind_label(kind).lower()}: {shown_money(limit.at_once)} at once, {shown_money(limit.a_day)} a day"
        for (role, kind), limit in limits.items()
    ]
    return f"{'; '.join(parts)}."


def _kind_label(kind: str) -> str:
    return "Alert" if kind == ALERT else str(Kind(kind).label)


def _label(key: _Key, part: str) -> str:
    return f"{key[0]}: {_kind_label(key[1])}, {'at once' if part == 'at_once' else 'a day'}"


def _name(key: _Key, part: str) -> str:
    return f"{key[0]}-{key[1]}-{part}".lower()
