"""The secret that signs a webhook: made here, shown once, and replaced without a gap."""

from __future__ import annotations

from datetime import timedelta

from panel.channels.models import Channel
from panel.lib import clock
from panel.lib.crypto import encrypt
from panel.lib.signatures import new_secret

# The old secret signs beside the new one, so that the receiver has time to change it.
OVERLAP = timedelta(hours=24)


def renew_secret(*, channel: Channel) -> str:
    """Give the channel a new secret and return it. Return "" if somebody changed it meanwhile."""
    secret = new_secret()
    until = clock.now() + OVERLAP if channel.secret_encrypted else None
    row = Channel.objects.filter(pk=channel.pk, secret_encrypted=channel.secret_encrypted)
    renewed = row.update(
        secret_encrypted=encrypt(secret), old_secret_encrypted=channel.secret_encrypted, old_secret_until=until
    )
    return secret if renewed else ""
