"""Link the chat of a Telegram channel: whoever sends the bot the code shows that the chat is theirs."""

from __future__ import annotations

import time

from django.utils.crypto import constant_time_compare, salted_hmac

from panel.channels.models import Channel
from panel.channels.telegram import Chat, find_chat
from panel.lib.crypto import decrypt

# Seconds that a code lasts, and as long again.
CODE_LASTS = 15 * 60
CODE_LENGTH = 12


def code_for(channel: Channel, *, ago: int = 0) -> str:
    """Return the code that links a chat now, or `ago` times CODE_LASTS before. Once one is linked, it is another."""
    turn = int(time.time() // CODE_LASTS) - ago
    about = f"{channel.pk} {channel.secret_encrypted} {channel.target} {turn}"
    return salted_hmac("panel.channels.linking", about, algorithm="sha256").hexdigest()[:CODE_LENGTH]


def link_chat(*, channel: Channel, code: str) -> Chat | None:
    """Link the chat that sent the code. Return it; None if the code has ended or nobody sent it.

    Raise TelegramError or Undecryptable.
    """
    if not any(constant_time_compare(code, code_for(channel, ago=ago)) for ago in (0, 1)):
        return None
    chat = find_chat(decrypt(channel.secret_encrypted), code=code)
    if chat is None:
        return None
    # Somebody may have linked another chat, or changed the bot, since the page was opened.
    row = Channel.objects.filter(pk=channel.pk, target=channel.target, secret_encrypted=channel.secret_encrypted)
    return chat if row.update(target=chat.pk) else None
