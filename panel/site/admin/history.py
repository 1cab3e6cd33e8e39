"""The history of settings, as rows for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from panel.site.groups import SETTINGS
from panel.site.kinds import File
from panel.site.models import SettingChange, SiteFile, StoredSetting
from panel.site.services import may_change, shown_text

MAX_LATEST = 8
ROWS = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One change. `can_undo`: it is the latest of its setting, and this person may change that."""

    change: SettingChange
    label: str
    old: str
    new: str
    is_secret: bool
    can_undo: bool


def latest_changes(user: Any) -> tuple[list[Line], int]:
    """Return the last changes, and how many there are in all."""
    changes = SettingChange.objects.select_related("actor")
    return _lines(user, changes[:MAX_LATEST]), SettingChange.objects.count()


def changes_page(user: Any, *, before: str) -> tuple[list[Line], int | None]:
    """Return the changes before the one with the primary key `before`, and where the next page begins."""
    changes = SettingChange.objects.select_related("actor")
    if before.isascii() and before.isdecimal() and len(before) < 18:
        changes = changes.filter(pk__lt=int(before))
    found = list(changes[: ROWS + 1])
    older = found[ROWS - 1].pk if len(found) > ROWS else None
    return _lines(user, found[:ROWS]), older


def _lines(user: Any, changes: Iterable[SettingChange]) -> list[Line]:
    found = list(changes)
    versions = dict(StoredSetting.objects.values_list("name", "version"))
    digests = {
        text
        for change in found
        if isinstance(SETTINGS.get(change.name), File)
        for text in (change.old, change.new)
        if text is not None
    }
    files = dict(SiteFile.objects.filter(digest__in=digests).values_list("digest", "name")) if digests else {}
    return [_line(user, change, versions.get(change.name), files) for change in found]


def _line(user: Any, change: SettingChange, version: int | None, files: Mapping[str, str]) -> Line:
    setting = SETTINGS.get(change.name)
    if setting is None:  # Of a version that had another setting.
        return Line(change, change.name, change.old or "", change.new or "", is_secret=False, can_undo=False)
    can_undo = version == change.version and not (setting.is_secret or setting.is_locked) and may_change(user, setting)
    old, new = (
        files[text] if text is not None and text in files else shown_text(setting, text)
        for text in (change.old, change.new)
    )
    return Line(change, setting.label, old, new, is_secret=setting.is_secret, can_undo=can_undo)
