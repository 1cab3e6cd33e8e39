"""Signed calls as a sender makes them."""

from __future__ import annotations

import json
import time
from itertools import count
from typing import Any

from billing.intake.calls import Answer, Call, receive_call
from billing.intake.secrets import add_secret
from billing.models import PaymentMethod
from panel.lib.signatures import sign
from tests import make

_ids = count(1)


def signed_method(**values: Any) -> tuple[PaymentMethod, str]:
    """Return a method for signed calls and its secret."""
    method = make.payment_method(kind="signed", **values)
    return method, add_secret(method=method)


def arrival_of(**fields: Any) -> dict[str, Any]:
    """Return the fields of an arrival of $20.00 in dollars."""
    return {"payment_id": f"bank-{next(_ids)}", "amount": "20.00", "currency": "USD", **fields}


def signed(secret: str, body: bytes | dict[str, Any], *, call_id: str = "", at: float | None = None) -> Call:
    """Return the call that a sender with the secret makes now, or `at` a time."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    call_id = call_id or f"msg_{next(_ids)}"
    timestamp = int(time.time() if at is None else at)
    headers = {
        "content-type": "application/json",
        "webhook-id": call_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets=[secret], uid=call_id, timestamp=timestamp, body=content),
    }
    return Call(headers, content, len(content), "192.0.2.7")


def send(method: PaymentMethod, secret: str, body: bytes | dict[str, Any], **values: Any) -> Answer:
    """Send a signed call and return the answer."""
    return receive_call(method=method, call=signed(secret, body, **values))
