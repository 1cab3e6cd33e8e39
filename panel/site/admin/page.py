"""The page "Settings": see, change, undo."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from panel.lib.recent_sign_in import require_recent_sign_in
from panel.site import registry
from panel.site.accent import Look, look_of
from panel.site.admin.fields import environment_facts, forms_for
from panel.site.admin.history import changes_page, latest_changes
from panel.site.files import CheckedFile, FileRefused, check_file
from panel.site.groups import GROUPS, SETTINGS, Group
from panel.site.kinds import File, Setting
from panel.site.models import SettingChange
from panel.site.services import (
    CHANGE_MONEY_SETTINGS,
    CHANGE_SETTINGS,
    SettingsRefused,
    Wanted,
    change_settings,
    may_change,
    undo_change,
)


def settings_page(request: HttpRequest) -> HttpResponse:
    """Show all settings, and save those of one group."""
    _check_right(request)
    require_recent_sign_in(request)
    entered: dict[str, str] = {}
    errors: dict[str, str] = {}
    if request.method == "POST":
        group = next((one for one in GROUPS if one.slug == request.POST.get("group")), None)
        if group is None:
            raise PermissionDenied
        entered, errors = _save(request, group)
        if not errors:
            return HttpResponseRedirect(f"{reverse('settings')}#{group.slug}")
        messages.error(request, f"Nothing was saved in “{group.title}”. See what is marked there.")
    changes, count = latest_changes(request.user)
    context = {
        **admin.site.each_context(request),
        "title": "Settings",
        "forms": forms_for(request.user, entered=entered, errors=errors),
        "errors": errors,
        "facts": environment_facts(),
        "look": look_of(registry.PANEL_ACCENT.value),
        "brand_name": registry.PANEL_NAME.value,
        "brand_logo": registry.PANEL_LOGO.url,
        "changes": changes,
        "change_count": count,
    }
    return TemplateResponse(request, "admin/site/settings.html", context)


@require_POST
def settings_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Undo one change, if nothing happened to the setting since."""
    _check_right(request)
    require_recent_sign_in(request, back=reverse("settings"))
    change = get_object_or_404(SettingChange, pk=pk)
    setting = SETTINGS.get(change.name)
    label = setting.label if setting else change.name
    try:
        undo_change(actor=request.user, change=change)
    except SettingsRefused as refused:
        messages.error(request, f"{label} was not changed. {refused.errors[change.name]}")
    else:
        messages.success(request, f"{label} is as it was before.")
    return HttpResponseRedirect(f"{reverse('settings')}#history")


@require_safe
def settings_history(request: HttpRequest) -> HttpResponse:
    """Show all changes, the newest first."""
    _check_right(request)
    changes, older = changes_page(request.user, before=request.GET.get("before", ""))
    context = {
        **admin.site.each_context(request),
        "title": "Changes of settings",
        "changes": changes,
        "older": older,
    }
    return TemplateResponse(request, "admin/site/history.html", context)


@require_safe
def settings_look(request: HttpRequest) -> HttpResponse:
    """Return how a colour would look, for the preview while somebody types it."""
    _check_right(request)
    try:
        colour = registry.PANEL_ACCENT.parse(request.GET.get("colour", ""))
    except ValueError as error:
        return JsonResponse({"error": str(error)})
    return JsonResponse(_as_json(look_of(colour)))


def _as_json(look: Look) -> dict[str, Any]:
    return {
        "accent": look.accent,
        "on_accent": look.on_accent,
        "light": look.light,
        "dark": look.dark,
        "facts": [{"is_good": fact.is_good, "text": fact.text} for fact in look.facts],
    }


def _check_right(request: HttpRequest) -> None:
    if not (request.user.has_perm(CHANGE_SETTINGS) or request.user.has_perm(CHANGE_MONEY_SETTINGS)):
        raise PermissionDenied


def _save(request: HttpRequest, group: Group) -> tuple[dict[str, str], dict[str, str]]:
    """Save what was changed in the form. Return the texts that were entered and the errors, both by setting."""
    entered: dict[str, str] = {}
    errors: dict[str, str] = {}
    wanted: dict[str, Wanted] = {}
    files: list[CheckedFile] = []
    for setting in group.settings:
        if not may_change(request.user, setting):
            continue
        try:
            text = _wish(request, setting, entered, files)
        except (ValueError, FileRefused) as error:
            errors[setting.name] = str(error)
            continue
        if text is not _UNTOUCHED:
            wanted[setting.name] = Wanted(text, _version(request, setting))
    if errors:
        return entered, errors
    try:
        changes = change_settings(actor=request.user, wanted=wanted, files=files)
    except SettingsRefused as refused:
        return entered, refused.errors
    if changes:
        labels = ", ".join(SETTINGS[change.name].label for change in changes)
        messages.success(request, f"Saved: {labels}. Every process follows within a second.")
    else:
        messages.info(request, f"Nothing was different in “{group.title}”.")
    return {}, {}


# Stands for a field that the person left as it was.
_UNTOUCHED = "\x00"


def _wish(request: HttpRequest, setting: Setting[Any], entered: dict[str, str], files: list[CheckedFile]) -> str | None:
    """Return the text to store, None for the default, or _UNTOUCHED. Raise ValueError or FileRefused."""
    name = setting.name
    is_removed = f"remove-{name}" in request.POST
    if isinstance(setting, File):
        if (upload := request.FILES.get(name)) is not None and not isinstance(upload, list):
            content = upload.read(_MOST_READ)
            files.append(check_file(content=content, name=upload.name or "", types=setting.types))
            return files[-1].digest
        return None if is_removed else _UNTOUCHED
    if setting.is_secret:
        if is_removed:
            return None
        return request.POST.get(name) or _UNTOUCHED
    text = request.POST.get(name)
    if text is None or text == request.POST.get(f"was-{name}"):
        return _UNTOUCHED
    entered[name] = text
    return None if setting.parse(text) == setting.default else text


# More is refused by its size, so that the rest need not be read.
_MOST_READ = 300_000


def _version(request: HttpRequest, setting: Setting[Any]) -> int:
    """Return the version that the person saw; one that never is, if the form does not say."""
    text = request.POST.get(f"seen-{setting.name}", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
