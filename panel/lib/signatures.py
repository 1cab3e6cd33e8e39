"""Signatures of webhooks by Standard Webhooks 1.0.0: HMAC-SHA256 over `id.timestamp.body`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping

PREFIX = "whsec_"
SECRET_BYTES = 32
MIN_BYTES, MAX_BYTES = 24, 64
# Seconds between a signature and its arrival, in either direction.
MAX_AGE = 300
# Signatures of one call that are tried: a sender has two secrets at most.
MAX_SIGNATURES = 10
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SECONDS = re.compile(r"[0-9]{1,12}")


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


class BadSignature(Exception):
    """The call is not known to be genuine. The message is for whoever sends it."""


def verify(*, secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now: float) -> str:
    """Return the message's id if one of `secrets` signed the body at most MAX_AGE seconds before or after `now`.

    Raise BadSignature. `headers` have names in lower case. Never raises anything else, whatever was sent.
    """
    uid, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    # An id with a dot would sign the same text as a shorter id with a longer body.
    if not _ID.fullmatch(uid):
        raise BadSignature("The header webhook-id is missing, or is not 1 to 64 letters, digits, “_” and “-”.")
    if not _SECONDS.fullmatch(timestamp):
        raise BadSignature("The header webhook-timestamp is missing, or is not a Unix time in whole seconds.")
    if abs(now - int(timestamp)) > MAX_AGE:
        raise BadSignature("The time in webhook-timestamp is too far from now. Is the sender's clock right?")
    sent = [one.removeprefix("v1,") for one in headers.get("webhook-signature", "").split() if one.startswith("v1,")]
    if not sent:
        raise BadSignature("The header webhook-signature holds no signature of version v1.")
    signed = f"{uid}.{timestamp}.".encode() + body
    is_genuine = False
    for secret in secrets:
        right = base64.b64encode(hmac.new(key_of(secret), signed, hashlib.sha256).digest())
        for one in sent[:MAX_SIGNATURES]:
            is_genuine |= hmac.compare_digest(right, one.encode("utf-8", "replace"))
    if not is_genuine:
        raise BadSignature("No secret of this address signed these bytes. Sign the body exactly as it is sent.")
    return uid
