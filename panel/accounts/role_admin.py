"""The page “Roles”: those that come with the panel, to read, and those that owners make."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from panel.accounts.models import Role
from panel.accounts.own_roles import RoleRefused, delete_role, give_rights, is_built_in, rights_of
from panel.accounts.rights import RIGHTS_BY_KEY, SECTIONS, in_words, with_needed
from panel.accounts.roles import GRANT, RIGHTS, ROLES
from panel.lib.admin.base import AsksAgain, ModelAdmin

RIGHT_FIELDS = tuple(section.key for section in SECTIONS)


class _RoleForm(forms.ModelForm):
    """The name, and the rights by section. `seen` carries the rights that the page showed."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    merged_fields = RIGHT_FIELDS

    class Meta:
        model = Role
        fields = ("name",)
        labels = {"name": "Name"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.held = rights_of(self.instance) if self.instance.pk else frozenset()
        for section in SECTIONS:
            self.initial[section.key] = [right.key for right in section.rights if right.key in self.held]
        self.initial["seen"] = ",".join(sorted(self.held))

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name.casefold() in {one.casefold() for one in ROLES}:
            raise forms.ValidationError("A role with this name comes with the panel. Choose another name.")
        if Role.objects.filter(name__iexact=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("There is a role with this name.")
        return name

    @property
    def ticked(self) -> frozenset[str]:
        return frozenset(key for field in RIGHT_FIELDS for key in self.cleaned_data.get(field, ()))

    @property
    def rights(self) -> frozenset[str]:
        """Return the rights to give: those ticked, and what they need."""
        return with_needed(self.ticked)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if not self.errors and not self.ticked:
            raise forms.ValidationError("Tick at least one right: a role without rights opens nothing.")
        return data


def _field(section: Any) -> forms.Field:
    return forms.MultipleChoiceField(
        label=section.title,
        required=False,
        choices=[(right.key, right.words) for right in section.rights],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )


RoleForm: type[forms.ModelForm] = type("RoleForm", (_RoleForm,), {section.key: _field(section) for section in SECTIONS})


@admin.register(Role)
class RoleAdmin(AsksAgain, ModelAdmin):
    form = RoleForm
    is_short = True
    list_display = ("name", "shown_kind", "shown_rights", "shown_people")
    ordering = ("name",)
    search_fields = ("name",)
    actions = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Role]:
        return super().get_queryset(request).annotate(people=Count("user", distinct=True))

    # -- permissions: whoever may hand out roles ---------------------------------------------------------

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(GRANT)

    def has_view_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        return request.user.has_perm(GRANT)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(GRANT)

    def has_change_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        """Return False for built-in roles, and for one's own: another owner changes that."""
        if not request.user.has_perm(GRANT):
            return False
        return obj is None or not (is_built_in(obj) or obj.user_set.filter(pk=request.user.pk).exists())

    def has_delete_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        return obj is not None and self.has_change_permission(request, obj)

    # -- what is shown -----------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Role | None = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return ((None, {"fields": ("name", "shown_rights", "shown_people")}),)
        people = ("shown_people",) if obj else ()
        return (
            (None, {"fields": ("name", *people, "seen")}),
            ("What it may do", {"fields": RIGHT_FIELDS, "description": "What a right needs is ticked with it."}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Role | None = None) -> tuple[str, ...]:
        return ("shown_people",)

    @display(description="Kind", label={"Built in": "info"})
    def shown_kind(self, role: Role) -> str:
        return "Built in" if is_built_in(role) else "Own"

    @display(description="May")
    def shown_rights(self, role: Role) -> str:
        if is_built_in(role):
            return format_html('<span class="whitespace-normal">{}</span>', RIGHTS[role.name])
        words = [(one,) for one in in_words(rights_of(role))]
        return format_html('<ul class="whitespace-normal">{}</ul>', format_html_join("", "<li>{}</li>", words))

    @display(description="People", ordering="people")
    def shown_people(self, role: Any) -> str:
        address = reverse("admin:accounts_user_changelist")
        count = role.people
        text = "Nobody" if not count else "1 person" if count == 1 else f"{count:,} people"
        return format_html('<a class="underline" href="{}?groups__id__exact={}">{}</a>', address, role.pk, text)

    # -- changes -----------------------------------------------------------------------------------------

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except RoleRefused as error:
            messages.error(request, str(error))
            return redirect(request.get_full_path())
        return response

    def save_model(self, request: HttpRequest, obj: Role, form: Any, change: bool) -> None:
        obj.save()
        seen = [key for key in form.cleaned_data["seen"].split(",") if key in RIGHTS_BY_KEY]
        give_rights(role=obj, rights=form.rights, seen=seen if change else None)
        if added := form.rights - form.ticked:
            messages.info(request, f"Given as well, because others need it: {'; '.join(in_words(added))}.")

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> str:
        """Return for the log which rights were given and taken."""
        given, taken = in_words(form.rights - form.held), in_words(form.held - form.rights)
        parts = [
            f"Name: {form.cleaned_data['name']}." if add or "name" in form.changed_data else "",
            f"Given: {'; '.join(given)}." if given else "",
            f"Taken: {'; '.join(taken)}." if taken else "",
        ]
        return " ".join(filter(None, parts)) or "Saved without a change."

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        try:
            response: HttpResponse = super().delete_view(request, object_id, extra_context)
        except RoleRefused as error:
            messages.error(request, str(error))
            return redirect("admin:accounts_role_change", object_id)
        return response

    def delete_model(self, request: HttpRequest, obj: Role) -> None:
        delete_role(role=obj)
