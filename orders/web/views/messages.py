"""What several pages of orders need."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.messages.storage.base import BaseStorage
from django.http import HttpRequest


def say_once(request: HttpRequest, level: int, text: str) -> None:
    """Shown on the next page; the two halves of a double click say it once."""
    waiting = cast(BaseStorage, messages.get_messages(request))
    said = {str(message) for message in waiting}
    waiting.used = False  # Looked at, not shown.
    if text not in said:
        messages.add_message(request, level, text)
