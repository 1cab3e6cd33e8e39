"""What the panel calls itself where its name cannot stand as it is: in headers, variables and senders."""

from __future__ import annotations

import re
import unicodedata
from email.utils import formataddr

from django.conf import settings

from panel.site.registry import PANEL_NAME, UPSTREAM_USER_AGENT


def user_agent() -> str:
    """Return how the panel introduces itself to providers, in ASCII."""
    if chosen := UPSTREAM_USER_AGENT.value:
        return chosen
    product = re.sub(r"[^A-Za-z0-9.-]+", "-", _plain_name()).strip("-.") or "Panel"
    return f"{product}/1 (+{settings.SITE_URL})"


def key_variable() -> str:
    """Return the environment variable of the key in the API's documentation, such as UPMARK_KEY."""
    word = re.sub(r"[^A-Z0-9]+", "_", _plain_name().upper()).strip("_")
    return f"{word if word and not word[0].isdigit() else 'PANEL'}_KEY"


def sender() -> str:
    """Return the sender of mails: the environment's, else the panel's name."""
    return settings.EMAIL_FROM or formataddr((PANEL_NAME.value, "panel@localhost"))


def _plain_name() -> str:
    """Return the panel's name without accents, and without letters that ASCII does not have."""
    return unicodedata.normalize("NFKD", PANEL_NAME.value).encode("ascii", "ignore").decode()
