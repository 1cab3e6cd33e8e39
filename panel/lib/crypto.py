"""Encryption of stored secrets, with keys that can be rotated.

`FIELD_ENCRYPTION_KEYS` lists Fernet keys, newest first: the first encrypts, all decrypt.
"""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Undecryptable(Exception):
    """No configured key decrypts this secret: FIELD_ENCRYPTION_KEYS lost a key, or the text was changed."""


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key.strip()) for key in settings.FIELD_ENCRYPTION_KEYS])


def encrypt(secret: str) -> str:
    """Return the ciphertext as ASCII text."""
    return _fernet().encrypt(secret.encode()).decode()


def decrypt(ciphertext: str) -> str:
    """Return the secret. Raise Undecryptable."""
    try:
        return _fernet().decrypt(ciphertext.encode()).decode()
    except InvalidToken:
        raise Undecryptable("The stored secret cannot be decrypted with the configured keys.") from None
