"""Settings as the page shows them: fields of a form by group, and what only the environment sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from panel.site.groups import GROUPS, Group
from panel.site.kinds import File, Setting
from panel.site.models import SiteFile, StoredSetting
from panel.site.services import may_change


@dataclass(frozen=True, slots=True)
class Field:
    """One setting in its form. `text` is what the field holds, `was` what it held when the page was made."""

    setting: Setting[Any]
    text: str
    was: str
    seen: int
    error: str
    is_open: bool
    # The row that keeps it, or None if it was never changed.
    row: StoredSetting | None
    file: SiteFile | None

    @property
    def default(self) -> str:
        return self.setting.text_of(self.setting.default)

    @property
    def default_shown(self) -> str:
        return self.setting.shown(self.setting.default)

    @property
    def is_default(self) -> bool:
        return self.row is None or self.row.value is None

    @property
    def kilobytes(self) -> int:
        return max(1, len(self.file.content) // 1000) if self.file else 0


@dataclass(frozen=True, slots=True)
class Form:
    """A group of settings. `is_open`: at least one of them may be changed by this person, here."""

    group: Group
    fields: list[Field]
    is_open: bool


def forms_for(user: Any, *, entered: Mapping[str, str], errors: Mapping[str, str]) -> list[Form]:
    """Return all groups; `entered` and `errors` are of a form that was refused, by the name of the setting."""
    rows = StoredSetting.objects.select_related("actor").in_bulk()
    digests = [row.value for row in rows.values() if row.name in _FILES and row.value]
    files = SiteFile.objects.in_bulk(digests)
    forms = []
    for group in GROUPS:
        fields = [_field(user, one, rows.get(one.name), files, entered, errors) for one in group.settings]
        forms.append(Form(group, fields, is_open=any(field.is_open for field in fields)))
    return forms


_FILES = {one.name for group in GROUPS for one in group.settings if isinstance(one, File)}


def _field(
    user: Any,
    setting: Setting[Any],
    row: StoredSetting | None,
    files: Mapping[str, SiteFile],
    entered: Mapping[str, str],
    errors: Mapping[str, str],
) -> Field:
    texts = {setting.name: row.value} if row is not None and row.value is not None else {}
    value = setting.value_in(texts)
    was = "" if setting.is_secret else setting.text_of(value)
    return Field(
        setting=setting,
        text=entered.get(setting.name, was),
        was=was,
        seen=row.version if row else 0,
        error=errors.get(setting.name, ""),
        is_open=may_change(user, setting) and not setting.is_locked,
        row=row,
        file=files.get(value) if isinstance(setting, File) else None,
    )


@dataclass(frozen=True, slots=True)
class Fact:
    """What the environment alone sets. Never a secret: of those, whether there is one."""

    label: str
    variable: str
    value: str
    help: str


def environment_facts() -> list[Fact]:
    """Return what stays in the environment, for reading."""
    cache = settings.CACHES["default"]["BACKEND"]
    broker = settings.CELERY_BROKER_URL.partition(":")[0]
    return [
        Fact("Address", "SITE_URL", settings.SITE_URL, "Links in mails, cookies and allowed hosts follow from it."),
        Fact("Currency", "PANEL_CURRENCY", settings.PANEL_CURRENCY, "Chosen once: the ledger is written in it."),
        Fact("Time zone", "TIME_ZONE", settings.TIME_ZONE, "Of times on pages and of periodic tasks."),
        Fact("Database", "DATABASE_URL", "SQLite" if settings.USES_SQLITE else "PostgreSQL", ""),
        Fact("Broker", "CELERY_BROKER_URL", "embedded" if settings.EMBEDDED_BROKER else broker, "Carries hints."),
        Fact("Cache", "CACHE_URL", "Redis" if "redis" in cache.lower() else "in each process", "Counts requests."),
        Fact("Prefix", "PANEL_PREFIX", settings.PANEL_PREFIX, "Of keys in Redis and of cookies; no other panel's."),
        Fact("Mail server", "EMAIL_URL", _mail(), "Without one, mails are printed into the log."),
        Fact("Sender of mails", "EMAIL_FROM", settings.EMAIL_FROM or "not set", "Not set: the panel's name."),
        Fact("Secret key", "SECRET_KEY", _is_set(settings.SECRET_KEY), "Signs sessions and forms."),
        Fact("Encryption keys", "FIELD_ENCRYPTION_KEYS", _is_set(settings.FIELD_ENCRYPTION_KEYS), "Of stored secrets."),
        Fact("Token for metrics", "METRICS_TOKEN", _is_set(settings.METRICS_TOKEN), "Not set: staff alone read them."),
    ]


def _is_set(value: object) -> str:
    return "set" if value else "not set"


def _mail() -> str:
    return _is_set(settings.EMAIL_HOST) if "smtp" in settings.EMAIL_BACKEND else "not set"
