"""Fixtures of channels: servers on loopback, and a channel to each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from panel.channels.models import Channel
from panel.lib.crypto import encrypt
from panel.lib.signatures import new_secret
from tests.panel.channels.servers import MailServer, Receiver, Telegram, running


@pytest.fixture
def smtp(settings: Any) -> Iterator[MailServer]:
    with running(MailServer()) as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", server.port, 5
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        yield server


@pytest.fixture
def telegram(settings: Any) -> Iterator[Telegram]:
    with running(Telegram()) as server:
        settings.TELEGRAM_API_URL = server.url
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running(Receiver()) as server:
        yield server


def mail_channel(**values: Any) -> Channel:
    return Channel.objects.create(**{"name": "Mail", "kind": "mail", "target": "owner@example.org", **values})


def telegram_channel(**values: Any) -> Channel:
    secret = encrypt(Telegram.TOKEN)
    return Channel.objects.create(
        **{"name": "Phone", "kind": "telegram", "target": "-1001", "secret_encrypted": secret, **values}
    )


def webhook_channel(receiver: Receiver, **values: Any) -> Channel:
    secret = encrypt(new_secret())
    return Channel.objects.create(
        **{"name": "Hook", "kind": "webhook", "target": f"{receiver.url}/hook", "secret_encrypted": secret, **values}
    )
