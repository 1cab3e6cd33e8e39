"""Signatures of webhooks by Standard Webhooks 1.0.0: HMAC-SHA256 over `id.timestamp.body`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"
SECRET_BYTES = 32
MIN_BYTES, MAX_BYTES = 24, 64


def new_secret() -> str:
    """Return a secret as receivers' libraries take it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """Return the key in a secret. Raise ValueError if it is none of 24 to 64 bytes."""
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    if not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise ValueError(f"The secret has {len(key)} bytes, not {MIN_BYTES} to {MAX_BYTES}.")
    return key


def sign(*, secrets: Iterable[str], uid: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature`: one signature for each secret. `timestamp` is a Unix time."""
    signed = f"{uid}.{timestamp}.".encode() + body
    digests = (hmac.new(key_of(secret), signed, hashlib.sha256).digest() for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
