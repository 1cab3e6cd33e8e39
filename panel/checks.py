"""System checks of the settings that a person writes."""

from __future__ import annotations

import re
from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import Error, Tags, Warning, register


@register(Tags.security)
def check_encryption_keys(**_: Any) -> list[Error]:
    """Providers' API keys could be neither stored nor read with a malformed key."""
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
    """The accent goes into a style sheet, the currency into every amount."""
    errors = []
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", settings.PANEL_ACCENT):
        errors.append(Error("PANEL_ACCENT must be a colour such as #4f46e5.", id="panel.E002"))
    if not re.fullmatch(r"[A-Z]{3,5}", settings.PANEL_CURRENCY):
        errors.append(Error("PANEL_CURRENCY must be a currency code such as USD.", id="panel.E003"))
    return errors


@register(deploy=True)
def check_shared_cache(**_: Any) -> list[Warning]:
    """Rate limits count in the cache: one cache per process multiplies them."""
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
