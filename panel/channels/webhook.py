"""Signed webhooks by Standard Webhooks 1.0.0. Receivers know a repeated one by its id, so it may be sent again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from panel.channels.calls import post_json, words_of
from panel.channels.models import Channel, Delivery
from panel.channels.results import Result, Sent
from panel.lib import clock
from panel.lib.crypto import Undecryptable, decrypt
from panel.lib.signatures import sign

_BUSY = {429: timedelta(minutes=5), 502: timedelta(minutes=1), 504: timedelta(minutes=1)}
_GONE = 410


def deliver(channel: Channel, delivery: Delivery, hand_over: Callable[[], None]) -> Sent:
    """POST the payload to the channel's address. 2xx is done; a redirect is not followed; 410 ends the channel."""
    now, body = clock.now(), delivery.payload.encode()
    try:
        secrets = [decrypt(channel.secret_encrypted)]
        if channel.old_secret_encrypted and channel.old_secret_until and channel.old_secret_until > now:
            secrets.append(decrypt(channel.old_secret_encrypted))
    except Undecryptable as error:
        return Sent(Result.FAILED, str(error))
    timestamp = int(now.timestamp())
    headers = {
        "webhook-id": delivery.uid,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets=secrets, uid=delivery.uid, timestamp=timestamp, body=body),
    }
    hand_over()
    answer = post_json(channel.target, body, headers=headers)
    status = answer.http_status
    if status is not None and 200 <= status < 300:
        return Sent(Result.DELIVERED, str(status))
    if answer.location:
        return Sent(Result.FAILED, f"{status}: it redirects to {answer.location[:200]}, which is not followed")
    if status is None:
        return Sent(Result.FAILED, answer.failure)
    return Sent(Result.FAILED, words_of(answer), wait=_BUSY.get(status), is_for_good=status == _GONE)
