"""Messages that several pages of orders show."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.messages.storage.base import BaseStorage
from django.http import HttpRequest

from orders.models import DripFeed, Order


def add_message_once(
    request: HttpRequest, level: int, text: str, *, while_open: Order | DripFeed | None = None
) -> None:
    """Show the text on the next page, once even after a double click.

    With `while_open`, it leaves the page of that order or drip-feed as soon as that has ended.
    """
    waiting = cast(BaseStorage, messages.get_messages(request))
    shown = {str(message) for message in waiting}
    waiting.used = False  # Reading them marks them as shown.
    if text not in shown:
        messages.add_message(request, level, text, extra_tags=tag_of(while_open) if while_open else "")


def tag_of(subject: Order | DripFeed) -> str:
    """Return what ties messages to an order or a drip-feed: "order-7"."""
    return f"{subject._meta.model_name}-{subject.pk}"
