"""Second looks in the admin: waiting ones first, and the two decisions about them."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Case, IntegerField, Value, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.staff.forms import CodeForm
from panel.staff.kinds import LIMITS
from panel.staff.looks import LookRefused, Standing, confirm_look, decline_look, standing_of
from panel.staff.models import SecondLook

_STATE_COLORS = {
    SecondLook.State.WAITING: "warning",
    SecondLook.State.CONFIRMED: "success",
    SecondLook.State.DECLINED: "danger",
}
_WAITING_FIRST = Case(
    When(state=SecondLook.State.WAITING, then=Value(1)), default=Value(0), output_field=IntegerField()
).desc()


class DeclineForm(forms.Form):
    note = forms.CharField(
        label="Reason",
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text="The person who asked reads it here.",
    )


@admin.register(SecondLook)
class SecondLookAdmin(ReadOnlyAdmin):
    list_display = (
        "number",
        "shown_state",
        "shown_kind",
        "shown_amount",
        "asked_by",
        "decided_by",
        "shown_why",
        "customer",
        "asked_at",
    )
    list_filter = ("state", "kind", "reason")
    search_fields = ("=pk", "^asked_by__email", "^decided_by__email", "^customer__email")
    list_select_related = ("asked_by", "decided_by", "customer")
    fields = (
        "text",
        "shown_amount",
        "customer",
        "reason",
        "note",
        "asked_by",
        "asked_at",
        "state",
        "decided_by",
        "decided_at",
        "is_alone",
        "result",
    )
    readonly_fields = fields
    # Empty until it is decided.
    _decision = ("decided_by", "decided_at", "is_alone", "result")
    ordering = (_WAITING_FIRST, "-pk")
    sortable_by = ()
    actions_detail = ("confirm", "decline")

    @display(description="Second look")
    def number(self, look: SecondLook) -> int:
        return look.pk

    @display(description="State", label=_STATE_COLORS)
    def shown_state(self, look: SecondLook) -> tuple[str, str]:
        return look.state, look.get_state_display()

    @display(description="What")
    def shown_kind(self, look: SecondLook) -> str:
        return look.get_kind_display()

    @display(description="Amount")
    def shown_amount(self, look: SecondLook) -> str:
        return shown_money(look.amount) if look.kind != LIMITS else f"up to {shown_money(look.amount)}"

    @display(description="Why")
    def shown_why(self, look: SecondLook) -> str:
        return f"{look.get_reason_display()}: {look.note}" if look.note else look.get_reason_display()

    def get_fields(self, request: HttpRequest, obj: SecondLook | None = None) -> tuple[str, ...]:
        waits = obj is not None and obj.state == SecondLook.State.WAITING
        return tuple(name for name in self.fields if not (waits and name in self._decision))

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[object]:
        """Offer no actions once it is decided."""
        look = self.get_object(request, str(object_id))
        waits = look is not None and look.state == SecondLook.State.WAITING
        return super().get_actions_detail(request, object_id) if waits else []

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("staff.change_secondlook")

    @action(description="Confirm", icon="check", permissions=["decide"], variant="primary")
    def confirm(self, request: HttpRequest, object_id: str) -> HttpResponse:
        look = self._get(request, object_id)
        user = user_of(request)
        standing, why_not = standing_of(user=user, look=look)
        if request.method != "POST" and standing == Standing.NOT:
            messages.warning(request, why_not)
            return redirect("admin:staff_secondlook_change", look.pk)
        is_alone = standing == Standing.ALONE

        def act(data: dict[str, Any]) -> str:
            try:
                return confirm_look(look=look, actor=user, has_code="code" in data)
            except LookRefused as error:
                raise ActionRefused(str(error)) from error

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=look,
            form_class=partial(_CodeForm, user=user) if is_alone else forms.Form,
            title=f"Confirm: {look.text}",
            explanation=f"{_asked(look)} What you confirm happens at once, and is recorded with both names.",
            button="Confirm",
            act=act,
            seen=look.state,
            is_for_good=True,
        )

    @action(description="Decline", icon="block", permissions=["decide"])
    def decline(self, request: HttpRequest, object_id: str) -> HttpResponse:
        look = self._get(request, object_id)

        def act(data: dict[str, Any]) -> str:
            try:
                decline_look(look=look, note=data["note"], actor=user_of(request))
            except LookRefused as error:
                raise ActionRefused(str(error)) from error
            return "It was declined. Nothing moved."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=look,
            form_class=DeclineForm,
            title=f"Decline: {look.text}",
            explanation=f"{_asked(look)} Nothing moves, and it leaves the queue.",
            button="Decline",
            act=act,
            seen=look.state,
        )

    def _get(self, request: HttpRequest, object_id: str) -> SecondLook:
        look: SecondLook | None = self.get_object(request, object_id)
        if look is None:
            raise Http404
        return look


class _CodeForm(CodeForm):
    """As `confirm_and_act` makes forms: with initial values, which a code does not have."""

    def __init__(self, data: Any = None, *, initial: Any = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)


def _asked(look: SecondLook) -> str:
    note = f": {look.note}" if look.note else ""
    return f"{look.asked_by.email} asked for it. {look.get_reason_display()}{note}."
