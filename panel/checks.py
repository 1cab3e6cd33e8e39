"""System checks of the settings that a person writes."""

from __future__ import annotations

import re
import sqlite3
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import Error, Tags, Warning, register

LEASE_SPARE_SECONDS = 2
# Orders within the window are searched while the wallet is locked.
MAX_WINDOW = 86_400
OLDEST_SQLITE = (3, 33, 0)


@register(Tags.security)
def check_encryption_keys(**_: Any) -> list[Error]:
    """Report malformed keys: with one, providers' API keys can be neither stored nor read."""
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
def check_branding(**_: Any) -> list[Error]:
    """Report a bad accent, which goes into a style sheet, or currency, which goes into every amount."""
    errors = []
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", settings.PANEL_ACCENT):
        errors.append(Error("PANEL_ACCENT must be a colour such as #4f46e5.", id="panel.E002"))
    if not re.fullmatch(r"[A-Z]{3,5}", settings.PANEL_CURRENCY):
        errors.append(Error("PANEL_CURRENCY must be a currency code such as USD.", id="panel.E003"))
    return errors


@register()
def check_times(**_: Any) -> list[Error]:
    """Report impossible times. Found only while an order is being sent, they would leave it in doubt."""
    errors = []
    if not settings.POLL_INTERVALS or min(settings.POLL_INTERVALS) < 1:
        errors.append(Error("POLL_INTERVALS must be whole seconds above zero, such as 60,300.", id="panel.E004"))
    if settings.UPSTREAM_ADD_TIMEOUT <= 0:
        errors.append(Error("UPSTREAM_ADD_TIMEOUT must be above zero.", id="panel.E008"))
    if settings.SUBMISSION_LEASE_SECONDS < settings.UPSTREAM_ADD_TIMEOUT + LEASE_SPARE_SECONDS:
        errors.append(
            Error(
                "SUBMISSION_LEASE_SECONDS must exceed UPSTREAM_ADD_TIMEOUT: an order would be in doubt while its "
                "provider may still answer.",
                id="panel.E005",
            )
        )
    if settings.QUEUE_LIMIT_HOURS < 1:
        errors.append(Error("QUEUE_LIMIT_HOURS must be at least 1.", id="panel.E009"))
    if settings.DOUBT_DEADLINE_MINUTES < 1:
        errors.append(Error("DOUBT_DEADLINE_MINUTES must be at least 1.", id="panel.E006"))
    return errors


@register()
def check_api(**_: Any) -> list[Error]:
    """Report unreadable rates, which would silently limit nobody."""
    errors = []
    for name in ("API_RATE_PER_KEY", "API_RATE_PER_ADDRESS"):
        if not re.fullmatch(r"[1-9][0-9]*/[smhd]", getattr(settings, name)):
            errors.append(Error(f"{name} must be requests per s, m, h or d, such as 1200/m.", id="panel.E011"))
    if not 0 <= settings.API_DUPLICATE_WINDOW <= MAX_WINDOW:
        errors.append(Error("API_DUPLICATE_WINDOW must be seconds, from 0 to 86400.", id="panel.E012"))
    return errors


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


@register(deploy=True)
def check_shared_cache(**_: Any) -> list[Warning]:
    """Warn about a cache per process: rate limits count in the cache, so each process would allow the full rate."""
    backend = settings.CACHES["default"]["BACKEND"]
    if "locmem" in backend and not settings.USES_SQLITE:
        return [
            Warning(
                "The cache is private to each process, so rate limits are not shared.",
                hint="Set CACHE_URL, for example rediscache://127.0.0.1:6379/1.",
                id="panel.W001",
            )
        ]
    return []
