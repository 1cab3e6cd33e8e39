"""The page that previews and sets levels, and the list of moves."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from catalog.models import CustomerGroup
from catalog.prices.group_discounts import LevelWouldBeWorse
from panel.accounts.signed_in import user_of
from panel.levels import change
from panel.levels.change import PERMISSION, LevelsChanged, drafted_terms, state_of_levels
from panel.levels.models import LevelMove
from panel.levels.preview import preview_levels
from panel.levels.terms import current_terms
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.lib.admin.fields import AmountField, CountField
from panel.lib.formats import percent_text
from panel.lib.money import MAX_MICROS
from panel.lib.recent_sign_in import require_recent_sign_in
from panel.site.level_settings import LEVELS_PERIOD_DAYS
from panel.site.services import SettingsRefused


class LevelsForm(forms.Form):
    """From how much spent each group is reached, in which time, and whether customers move down."""

    period_days = CountField(
        required=False,
        label="Days that count",
        help_text="What was spent in so many last days. Empty: all that a customer ever spent.",
    )
    moves_down = forms.BooleanField(
        required=False,
        label="Customers move down, too",
        help_text="Off: a level that was reached is kept.",
        widget=UnfoldBooleanSwitchWidget,
    )

    def __init__(self, data: Any = None, *, groups: list[CustomerGroup], initial: dict[str, Any]) -> None:
        super().__init__(data, initial=initial)
        self.groups = groups
        for group in groups:
            self.fields[_name(group)] = AmountField(
                required=False,
                initial=group.level_from,
                label=f"“{group.name}” is reached from",
                widget=UnfoldAdminTextInputWidget(
                    attrs={"inputmode": "decimal", "aria-label": f"“{group.name}” is reached from", "placeholder": "—"}
                ),
            )

    def clean_period_days(self) -> int:
        days: int = self.cleaned_data["period_days"] or 0
        if not 0 <= days <= LEVELS_PERIOD_DAYS.most:
            raise forms.ValidationError(f"Enter a number of days up to {LEVELS_PERIOD_DAYS.most:,}, or nothing.")
        return days

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        names: dict[int, str] = {}
        for group in self.groups:
            amount = data.get(_name(group))
            if amount is None:
                continue
            if not 0 < amount <= MAX_MICROS:
                self.add_error(_name(group), f"Enter an amount above zero, at most {shown_money(MAX_MICROS)}.")
            elif amount in names:
                self.add_error(_name(group), f"“{names[amount]}” is reached from the same amount. Enter another one.")
            names[amount] = group.name
        return data

    def wanted(self) -> dict[str, Any]:
        """Return what `drafted_terms` and `set_levels` take."""
        data = self.cleaned_data
        return {
            "level_from": {group.pk: data[_name(group)] for group in self.groups},
            "period_days": data["period_days"],
            "moves_down": data["moves_down"],
        }

    def rows(self) -> list[tuple[CustomerGroup, str, forms.BoundField]]:
        return [(group, percent_text(group.discount_bp), self[_name(group)]) for group in self.groups]


@admin.register(LevelMove)
class LevelMoveAdmin(ReadOnlyAdmin):
    list_display = ("customer", "before", "after", "shown_direction", "reason", "moved_at")
    list_filter = ("is_up",)
    list_select_related = ("customer",)
    search_fields = ("^customer__email",)
    search_help_text = "Start of an e-mail address"
    actions_list = ("set_levels",)
    ordering = ("-pk",)

    @display(description="Moved", label={"Up": "success", "Down": "warning"})
    def shown_direction(self, move: LevelMove) -> str:
        return "Up" if move.is_up else "Down"

    def has_set_levels_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PERMISSION)

    @action(description="Set levels", icon="stairs", permissions=["set_levels"])
    def set_levels(self, request: HttpRequest) -> HttpResponse:
        """Preview the levels of a GET with `preview`, save them on the POST that follows."""
        require_recent_sign_in(request)
        seen = state_of_levels()
        form = _form(request)
        preview = None
        if form.is_valid():
            try:
                if request.method == "POST":
                    change.set_levels(actor=user_of(request), seen=request.POST.get("seen", ""), **form.wanted())
                    messages.success(request, "Saved. Customers are moved within five minutes.")
                    return redirect("admin:levels_levelmove_set_levels")
                preview = preview_levels(terms=drafted_terms(**form.wanted()))
            except LevelsChanged:
                form.add_error(None, "Somebody else changed levels or discounts just now. Nothing was saved.")
            except LevelWouldBeWorse as error:
                form.add_error(None, f"{error} Nothing was saved.")
            except SettingsRefused as error:
                for text in error.errors.values():
                    form.add_error(None, text)
        context = {
            **self.admin_site.each_context(request),
            "title": "Set levels",
            "opts": self.opts,
            "form": form,
            "currency": settings.PANEL_CURRENCY,
            "preview": preview,
            "sent": [(field.html_name, field.data) for field in form if field.data] if preview else [],
            "back": reverse("admin:levels_levelmove_changelist"),
            "seen": seen,
        }
        return TemplateResponse(request, "admin/levels/set.html", context)


def _form(request: HttpRequest) -> LevelsForm:
    terms = current_terms()
    data = request.POST if request.method == "POST" else request.GET
    return LevelsForm(
        data if request.method == "POST" or "preview" in data else None,
        groups=list(CustomerGroup.objects.order_by("discount_bp", "name")),
        initial={"period_days": str(terms.period_days or ""), "moves_down": terms.moves_down},
    )


def _name(group: CustomerGroup) -> str:
    return f"from-{group.pk}"
