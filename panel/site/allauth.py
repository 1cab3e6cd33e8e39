"""Settings of the sign-in library that the owner changes while the panel runs."""

from __future__ import annotations

from typing import Any

from django.conf import settings


def setting(name: str, default: Any) -> Any:
    """Return a setting for allauth, which reads each where it uses it."""
    if hasattr(settings, name):
        return getattr(settings, name)
    if name not in ("ACCOUNT_EMAIL_VERIFICATION", "MFA_TOTP_ISSUER"):
        return default
    from panel.site import registry  # The library reads others before there are models.

    if name == "ACCOUNT_EMAIL_VERIFICATION":
        return registry.EMAIL_VERIFICATION.value
    return registry.PANEL_NAME.value
