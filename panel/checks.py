"""System checks of the settings that only the environment has. Those of the admin: `panel.site.checks`.

Those of `check --deploy`: `panel.deploy_checks`.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.cache import caches
from django.core.checks import Error, Tags, register, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

OLDEST_SQLITE = (3, 33, 0)
# The tag of the check in `panel.ops.neighbours`.
NEIGHBOURS = "neighbours"
# Also the name of cookies, so fewer characters than Redis allows.
PREFIX = re.compile(r"[A-Za-z0-9_-]{1,40}")


def require_no_neighbours() -> None:
    """Raise ImproperlyConfigured if another panel uses the prefix or the folder of this one. For servers that start.

    Leaves no connections behind: a web server may fork afterwards.
    """
    try:
        found = run_checks(tags=[NEIGHBOURS], databases=["default"])
    finally:
        connections.close_all()
        caches.close_all()
    if found:
        raise ImproperlyConfigured(" ".join(f"{one.msg} {one.hint}" for one in found))


@register()
def check_prefix(**_: Any) -> list[Error]:
    """Report a bad prefix: it goes into the names of cookies and keys."""
    if PREFIX.fullmatch(settings.PANEL_PREFIX):
        return []
    return [Error("PANEL_PREFIX must be 1 to 40 letters, digits, hyphens and underscores.", id="panel.E014")]


@register(Tags.security)
def check_encryption_keys(**_: Any) -> list[Error]:
    """Report malformed keys: with one, secrets can be neither stored nor read."""
    for key in settings.FIELD_ENCRYPTION_KEYS:
        try:
            Fernet(key.strip())
        except ValueError:
            return [
                Error(
                    "FIELD_ENCRYPTION_KEYS holds a key that is no Fernet key (32 random bytes in URL-safe base64).",
                    hint="`python -m panel.env_file` writes a fresh one.",
                    id="panel.E001",
                )
            ]
    return []


@register()
def check_currency(**_: Any) -> list[Error]:
    """Report a bad currency, which goes into every amount."""
    if re.fullmatch(r"[A-Z]{3,5}", settings.PANEL_CURRENCY):
        return []
    return [Error("PANEL_CURRENCY must be a currency code such as USD.", id="panel.E003")]


@register()
def check_sqlite(**_: Any) -> list[Error]:
    """Report a SQLite without UPDATE … FROM, by which polling writes a batch: no order would be tracked."""
    if settings.USES_SQLITE and sqlite3.sqlite_version_info < OLDEST_SQLITE:
        return [Error("SQLite 3.33 or newer is needed. A newer Python usually brings it.", id="panel.E010")]
    return []


@register()
def check_site_url(**_: Any) -> list[Error]:
    """Report a bad SITE_URL: allowed hosts, secure cookies and links in mails all follow from it."""
    parts = urlsplit(settings.SITE_URL)
    if parts.scheme in ("http", "https") and parts.hostname:
        return []
    return [Error("SITE_URL must be a full address such as https://panel.example.com.", id="panel.E007")]
