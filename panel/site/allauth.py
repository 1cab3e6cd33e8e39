"""Settings of the sign-in library that the owner changes while the panel runs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import Error


def setting(name: str, default: Any) -> Any:
    """Return a setting for allauth, which reads each where it uses it."""
    if hasattr(settings, name):
        return getattr(settings, name)
    if name not in ("ACCOUNT_EMAIL_VERIFICATION", "MFA_TOTP_ISSUER"):
        return default
    from panel.site import registry  # The library reads others before there are models.

    one = registry.EMAIL_VERIFICATION if name == "ACCOUNT_EMAIL_VERIFICATION" else registry.PANEL_NAME
    try:
        return one.value
    except Error:
        return one.default  # Its checks run without a database, too.
