"""Sessions in the database. A visitor's, which anybody can have without an account, ends after an hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone

# Enough for what a visitor's session holds: a draft, the link of a mail, a password before its second factor.
VISITOR_SECONDS = 3600


class SessionStore(DatabaseStore):
    """Keeps the name of Django's class, which is part of the key that signs the data."""

    def get_expiry_age(self, **kwargs: Any) -> int:
        """Return in how many seconds the session ends. Signing in, which sets the account, makes it long."""
        age: int = super().get_expiry_age(**kwargs)
        return age if SESSION_KEY in self else min(age, VISITOR_SECONDS)

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        date: datetime = super().get_expiry_date(**kwargs)
        longest = kwargs.get("modification", timezone.now()) + timedelta(seconds=VISITOR_SECONDS)
        return date if SESSION_KEY in self else min(date, longest)
