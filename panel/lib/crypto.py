"""Encryption of stored secrets, with keys that can be rotated.

`FIELD_ENCRYPTION_KEYS` lists Fernet keys, newest first: the first encrypts, all decrypt. What a process encrypts or
decrypts is hidden in its logs, wherever it appears.
"""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from panel.logging import never_log

# How each Fernet token begins until the year 2106: its version and the first bytes of its time.
_TOKEN_START = "gAAAAA"  # noqa: S105


class Undecryptable(Exception):
    """No configured key decrypts this secret: FIELD_ENCRYPTION_KEYS lost a key, or the text was changed."""


def encrypt(secret: str) -> str:
    """Return the ciphertext as ASCII text."""
    never_log(secret)
    return _fernet().encrypt(secret.encode()).decode()


def decrypt(ciphertext: str) -> str:
    """Return the secret. Raise Undecryptable."""
    try:
        secret = _fernet().decrypt(ciphertext.encode()).decode()
    except InvalidToken:
        raise _undecryptable() from None
    never_log(secret)
    return secret


def reencrypt(ciphertext: str) -> str:
    """Return the same secret encrypted with the newest key. Raise Undecryptable."""
    try:
        return _fernet().rotate(ciphertext.encode()).decode()
    except InvalidToken:
        raise _undecryptable() from None


def has_newest_key(ciphertext: str) -> bool:
    """Return True if the newest key decrypts the text."""
    try:
        _keys()[0].decrypt(ciphertext.encode())
    except InvalidToken:
        return False
    return True


def is_ciphertext(text: str) -> bool:
    """Return True if the text looks like the result of `encrypt`, with whatever key."""
    return text.startswith(_TOKEN_START)


def _fernet() -> MultiFernet:
    return MultiFernet(_keys())


def _keys() -> list[Fernet]:
    return [Fernet(key.strip()) for key in settings.FIELD_ENCRYPTION_KEYS]


def _undecryptable() -> Undecryptable:
    return Undecryptable("The stored secret cannot be decrypted with the configured keys.")
