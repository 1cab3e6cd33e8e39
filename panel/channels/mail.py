"""Messages by e-mail. The connection is opened first: a server that refuses has certainly not taken the message."""

from __future__ import annotations

import smtplib
from collections.abc import Callable

from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from panel.channels.models import Channel, Delivery
from panel.channels.results import Result, Sent
from panel.site.names import sender

# A server that answered so has refused it.
_REFUSALS = (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused, smtplib.SMTPNotSupportedError)


def deliver(channel: Channel, delivery: Delivery, hand_over: Callable[[], None]) -> Sent:
    """Send the message to all addresses of the channel. `hand_over` is called before its first byte."""
    connection = get_connection()
    try:
        connection.open()
    except Exception as error:  # Each mail backend raises its own errors.
        return Sent(Result.FAILED, reason_of(error))
    try:
        hand_over()
        _message(channel, delivery, connection).send()
    except _REFUSALS as error:
        return Sent(Result.FAILED, reason_of(error))
    except (OSError, smtplib.SMTPException) as error:
        return Sent(Result.UNKNOWN, reason_of(error))
    finally:
        connection.close()
    return Sent(Result.DELIVERED, "taken by the mail server")


def split_addresses(text: str) -> list[str]:
    """Return the addresses in a text, which commas or blanks separate."""
    return text.replace(",", " ").split()


def reason_of(error: Exception) -> str:
    """Return what the mail server said, or what kept us from reaching it."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, words = next(iter(error.recipients.values()))
        return f"{code} {_text(words)}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _text(words: bytes | str) -> str:
    text = words.decode(errors="replace") if isinstance(words, bytes) else words
    return " ".join(text.split())


def _message(channel: Channel, delivery: Delivery, connection: BaseEmailBackend) -> EmailMessage:
    from_email = sender()
    domain = from_email.rstrip("> ").rpartition("@")[2] or "localhost"
    headers = {"Message-ID": f"<{delivery.uid}@{domain}>", "Auto-Submitted": "auto-generated"}
    if delivery.is_urgent:
        headers |= {"X-Priority": "1", "Importance": "high"}
    return EmailMessage(
        subject=delivery.subject,
        body=delivery.text,
        from_email=from_email,
        to=split_addresses(channel.target),
        connection=connection,
        headers=headers,
    )
