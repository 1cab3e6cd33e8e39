"""Messages that a page shows once, kept in a cookie with this panel's name for it. Django has no setting for that."""

from __future__ import annotations

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class PanelCookieStorage(CookieStorage):
    cookie_name = settings.MESSAGE_COOKIE_NAME


class PanelMessageStorage(FallbackStorage):
    """Keeps messages in the cookie, and in the session if they are too long for one."""

    storage_classes = (PanelCookieStorage, SessionStorage)
