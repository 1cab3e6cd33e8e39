"""Change settings, undo a change, and keep the files of the branding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from panel.activity.record import HIDDEN, REPLACED, Change, record
from panel.site import stored
from panel.site.files import CheckedFile
from panel.site.groups import SETTINGS
from panel.site.kinds import File, Setting
from panel.site.models import SettingChange, SiteFile, StoredSetting
from panel.site.submission_times import DEPENDENT, conflicts

CHANGE_SETTINGS = "site.change_settings"
CHANGE_MONEY_SETTINGS = "site.change_money_settings"


class SettingsRefused(Exception):
    """Nothing was changed. `errors` has a sentence by the name of each setting that is refused."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in errors.items()))
        self.errors = dict(errors)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants a setting to be: `text` as for `parse`, None for the default. `seen` is the version that the
    person saw.
    """

    text: str | None
    seen: int


def may_change(user: Any, setting: Setting[Any]) -> bool:
    """Return True if `user` has the right to change `setting`, wherever its value comes from."""
    return user.has_perm(CHANGE_MONEY_SETTINGS if setting.touches_money else CHANGE_SETTINGS)


def change_settings(
    *, actor: Any, wanted: Mapping[str, Wanted], files: Iterable[CheckedFile] = ()
) -> list[SettingChange]:
    """Store new values by the names of their settings, all or none. Return the changes; what stays the same is none.

    The text of a setting for files is the digest of one of `files`, or of one kept before. Files are never deleted:
    undoing brings them back.

    Raise SettingsRefused for bad texts, for values that cannot work together, and where somebody else changed a
    setting since `actor` saw it. Raise PermissionDenied.
    """
    kept = [
        SiteFile(digest=one.digest, content=one.content, content_type=one.content_type, name=one.name) for one in files
    ]
    with transaction.atomic():
        SiteFile.objects.bulk_create(kept, ignore_conflicts=True)
        return _change(actor=actor, wanted=wanted, undo_of=None)


def undo_change(*, actor: Any, change: SettingChange) -> list[SettingChange]:
    """Give a setting the value from before `change`. Return the new change.

    Raise SettingsRefused if the setting was changed again since or refuses the value now. Raise PermissionDenied.
    """
    setting = SETTINGS.get(change.name)
    if setting is None:
        raise SettingsRefused({change.name: "This setting no longer exists."})
    if setting.is_secret:
        raise SettingsRefused({change.name: "The secret from before was not kept. Enter it again."})
    with transaction.atomic():
        return _change(actor=actor, wanted={change.name: Wanted(change.old, change.version)}, undo_of=change)


def _change(*, actor: Any, wanted: Mapping[str, Wanted], undo_of: SettingChange | None) -> list[SettingChange]:
    for name in wanted:
        if name not in SETTINGS or not may_change(actor, SETTINGS[name]):
            raise PermissionDenied
    rows = _hold_all()
    new: dict[str, str | None] = {}
    errors: dict[str, str] = {}
    for name, wish in wanted.items():
        setting, row = SETTINGS[name], rows[name]
        try:
            text = _accepted(setting, wish.text)
        except ValueError as error:
            errors[name] = str(error)
            continue
        if text == row.value:
            continue
        if setting.is_locked:
            errors[name] = f"The environment sets {setting.environment}. Change it there and restart."
        elif row.version != wish.seen:
            errors[name] = f"Somebody changed this meanwhile. Now it is: {_now(setting, row)}. Nothing was saved."
        else:
            new[name] = text
    before = {name: row.value for name, row in rows.items()}
    # A conflict that stands already, made by the environment, must not keep the rest from being changed.
    if not errors and (depending := [name for name in new if name in DEPENDENT]):
        texts = {name: text for name, text in {**before, **new}.items() if text is not None}
        errors = _at_the_changed(conflicts(texts), depending)
    if errors:
        raise SettingsRefused(errors)
    changes = [_store(actor, rows[name], text, undo_of) for name, text in new.items()]
    if changes:
        _log(actor, changes)
        transaction.on_commit(stored.forget)
    return changes


def _hold_all() -> dict[str, StoredSetting]:
    """Lock the row of each setting, so that those that depend on each other are judged and changed by one at a time."""
    StoredSetting.objects.bulk_create([StoredSetting(name=name) for name in sorted(SETTINGS)], ignore_conflicts=True)
    rows = StoredSetting.objects.select_for_update().filter(name__in=SETTINGS).order_by("name")
    return {row.name: row for row in rows}


def _accepted(setting: Setting[Any], text: str | None) -> str | None:
    """Return what to store. Raise ValueError with a sentence for the field."""
    if text is None:
        return None
    if isinstance(setting, File):
        value = setting.from_stored(text)
        if not SiteFile.objects.filter(digest=value).exists():
            raise ValueError("The file no longer exists. Upload it again.")
        return value
    return setting.to_store(setting.parse(text))


def _now(setting: Setting[Any], row: StoredSetting) -> str:
    return setting.shown(setting.value_in({} if row.value is None else {row.name: row.value}))


def _at_the_changed(found: Mapping[str, str], changed: Sequence[str]) -> dict[str, str]:
    """Return conflicts at the fields that were changed: the person may not see the others."""
    return {name if name in changed else changed[0]: text for name, text in found.items()}


def _store(actor: Any, row: StoredSetting, text: str | None, undo_of: SettingChange | None) -> SettingChange:
    is_secret = SETTINGS[row.name].is_secret
    held = StoredSetting.objects.filter(name=row.name, version=row.version)
    now = timezone.now()
    if held.update(value=text, version=row.version + 1, updated_at=now, actor=actor) != 1:
        raise SettingsRefused({row.name: "Somebody changed this meanwhile. Nothing was saved."})
    return SettingChange.objects.create(
        name=row.name,
        version=row.version + 1,
        old=None if is_secret else row.value,
        new=None if is_secret else text,
        actor=actor,
        changed_at=now,
        undo_of=undo_of,
    )


def _log(actor: Any, changes: list[SettingChange]) -> None:
    """Write the changes into the admin's log as well, which the page "Activity" shows."""
    rows = StoredSetting.objects.in_bulk([change.name for change in changes])
    for change in changes:
        setting = SETTINGS[change.name]
        was, now = shown_text(setting, change.old), shown_text(setting, change.new)
        text = f"{setting.label} was replaced." if setting.is_secret else f"{setting.label}: {was} → {now}"
        values = (HIDDEN, REPLACED) if setting.is_secret else (was, now)
        record(actor_id=actor.pk, objects=[rows[change.name]], message=text, changes=[Change(setting.label, *values)])


def shown_text(setting: Setting[Any], text: str | None) -> str:
    """Return a stored text for people; what is no longer accepted as it is."""
    if text is None:
        return f"default ({setting.shown(setting.default)})"
    try:
        return setting.shown(setting.from_stored(text))
    except ValueError:
        return text
