"""The signature of both directions: md5 of the body's base64 and the payment key.

MD5 with the key at its end is weak, and without a time in it a call can be repeated for ever. So a call is only a sign
that it is time to read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from billing.intake.gateways import GatewayError
from billing.intake.http import read_exactly
from panel.lib.signatures import BadSignature


def sign(body: bytes, key: str) -> str:
    """Return the signature of the bytes that are sent; without parameters they are empty."""
    return hashlib.md5(base64.b64encode(body) + key.encode(), usedforsecurity=False).hexdigest()


def read_signed(body: bytes, key: str) -> dict[str, Any]:
    """Return the members of a genuine call. Raise BadSignature, whatever was sent.

    The signature is a member of the body, made before it was put there: it is cut out of the bytes as they came,
    because no other writer makes the same bytes of the same members.
    """
    try:
        told = read_exactly(body)
    except GatewayError:
        raise BadSignature("The body is not JSON in UTF-8, or names a member twice.") from None
    sent = told.get("sign") if isinstance(told, dict) else None
    if not isinstance(sent, str) or not sent:
        raise BadSignature("The body has no text “sign”.")
    signature = sent.encode(errors="replace")
    member = b'"sign":"' + signature + b'"'
    if body.count(member) != 1:
        raise BadSignature("The body does not hold “sign” once, as the gateway writes it.")
    joined = b"," + member if b"," + member in body else member + b","
    if not hmac.compare_digest(sign(body.replace(joined, b""), key).encode(), signature):
        raise BadSignature("The payment key did not sign these bytes. Is it the payment key, and not the payout key?")
    return told
