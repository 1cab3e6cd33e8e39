"""Encryption of secrets at rest, with keys that can be rotated.

`FIELD_ENCRYPTION_KEYS` lists Fernet keys, newest first: the first encrypts, all decrypt.
"""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Undecryptable(Exception):
    """No configured key opens this secret: FIELD_ENCRYPTION_KEYS lost a key, or the text was changed."""


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key.strip()) for key in settings.FIELD_ENCRYPTION_KEYS])


def encrypt(secret: str) -> str:
    """Ciphertext as ASCII text."""
    return _fernet().encrypt(secret.encode()).decode()


def decrypt(ciphertext: str) -> str:
    """The secret. Raises Undecryptable."""
    try:
        return _fernet().decrypt(ciphertext.encode()).decode()
    except InvalidToken:
        raise Undecryptable("The stored secret cannot be decrypted with the configured keys.") from None
