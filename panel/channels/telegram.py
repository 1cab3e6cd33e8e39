"""Messages by a Telegram bot, and the link between a bot and a chat by a code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings

from panel.channels.calls import post_json, read_json, words_of
from panel.channels.models import Channel, Delivery
from panel.channels.results import Result, Sent
from panel.lib.crypto import Undecryptable, decrypt
from panel.lib.http.exchange import Answer

MAX_TEXT = 4_096
TOKEN = re.compile(r"[0-9]{5,20}:[A-Za-z0-9_-]{20,60}")
MAX_WAIT = timedelta(hours=1)


class TelegramError(Exception):
    """Telegram refused or was not reached; the message says why, for staff."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat that a bot may write to."""

    pk: str
    title: str


def deliver(channel: Channel, delivery: Delivery, hand_over: Callable[[], None]) -> Sent:
    """Send the message to the channel's chat. `hand_over` is called before its first byte."""
    try:
        token = decrypt(channel.secret_encrypted)
    except Undecryptable as error:
        return Sent(Result.FAILED, str(error))
    if not channel.target:
        return Sent(Result.FAILED, "no chat is linked yet")
    hand_over()
    answer = _call(token, "sendMessage", chat_id=channel.target, text=_text(delivery), disable_notification=False)
    told = read_json(answer)
    if answer.http_status == 200 and told.get("ok") is True:
        return Sent(Result.DELIVERED, "taken by Telegram")
    if answer.http_status is None:
        return Sent(Result.UNKNOWN if answer.phase.may_have_sent else Result.FAILED, answer.failure)
    if answer.http_status >= 500:
        return Sent(Result.UNKNOWN, _words(answer))
    return Sent(Result.FAILED, _words(answer), wait=_wait(told))


def bot_name(token: str) -> str:
    """Return the name of the token's bot, without its @. Raise TelegramError."""
    result = _result(_call(token, "getMe"))
    name = result.get("username") if isinstance(result, dict) else None
    if not isinstance(name, str):
        raise TelegramError("Telegram answered without the name of the bot.")
    return name


def find_chat(token: str, *, code: str) -> Chat | None:
    """Return the chat in which somebody lately sent the bot the code. Raise TelegramError."""
    result = _result(_call(token, "getUpdates", limit=100, allowed_updates=["message", "channel_post"]))
    for update in reversed(result if isinstance(result, list) else []):
        message = update.get("message") or update.get("channel_post") if isinstance(update, dict) else None
        if isinstance(message, dict) and code in str(message.get("text", "")).split():
            return _chat(message.get("chat"))
    return None


def _chat(found: Any) -> Chat | None:
    if not isinstance(found, dict) or not isinstance(found.get("id"), int):
        return None
    names = (found.get(name) for name in ("title", "username", "first_name"))
    return Chat(str(found["id"]), next((str(name) for name in names if name), "chat")[:60])


def _call(token: str, method: str, **params: object) -> Answer:
    return post_json(f"{settings.TELEGRAM_API_URL}/bot{token}/{method}", json.dumps(params).encode())


def _result(answer: Answer) -> Any:
    told = read_json(answer)
    if told.get("ok") is not True:
        raise TelegramError(_words(answer))
    return told.get("result")


def _words(answer: Answer) -> str:
    """Return Telegram's description of what went wrong."""
    told = read_json(answer)
    if description := told.get("description"):
        return f"{answer.http_status} {str(description)[:200]}"
    return words_of(answer)


def _wait(told: dict[str, Any]) -> timedelta | None:
    parameters = told.get("parameters")
    seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
    if isinstance(seconds, int) and seconds > 0:
        return min(timedelta(seconds=min(seconds, 86_400)), MAX_WAIT)
    return None


def _text(delivery: Delivery) -> str:
    text = f"{delivery.subject}\n\n{delivery.text}"
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
