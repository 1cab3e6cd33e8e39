"""Whether mails reach people, and so whether the panel may ask for what they bring."""

from __future__ import annotations

from django.conf import settings

from panel.site import registry as site

# Mails of these are printed or dropped.
_NOWHERE = ("console", "dummy", "filebased")


def is_mail_set_up() -> bool:
    """Return True if EMAIL_URL names a server, so that mails leave this machine."""
    return settings.EMAIL_BACKEND.split(".")[-2] not in _NOWHERE


def asks_for_codes() -> bool:
    """Return True if addresses are confirmed by a code: mail is set up, and the owner wants addresses confirmed."""
    return is_mail_set_up() and site.EMAIL_VERIFICATION.value != "none"
