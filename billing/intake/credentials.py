"""The credentials of a method at its gateway: stored encrypted, replaced one by one, never shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

from django.db.models import Q

from billing.intake.gateways import Gateway, GatewayError
from billing.models import PaymentMethod
from panel.lib import clock
from panel.lib.crypto import Undecryptable, decrypt, encrypt
from panel.logging import never_log

MAX_ERROR = 300


def credentials_of(method: PaymentMethod) -> dict[str, str]:
    """Return the credentials by name; {} if none are stored. Raise Undecryptable."""
    if not method.credentials_encrypted:
        return {}
    found: dict[str, str] = json.loads(decrypt(method.credentials_encrypted))
    for value in found.values():
        never_log(value)
    return found


def credentials_for(gateway: Gateway, method: PaymentMethod) -> dict[str, str]:
    """Return all credentials that the gateway needs. Raise GatewayError if one is missing."""
    found = credentials_of(method)
    if missing := [one.label for one in gateway.credentials if not found.get(one.name)]:
        raise GatewayError(f"It is not set up: {', '.join(missing)} is missing.")
    return found


def note_reached(*, method: PaymentMethod) -> None:
    """Note that the gateway answered, at most once a minute."""
    now = clock.now()
    lately = Q(reached_at__gt=now - timedelta(minutes=1), last_error="")
    PaymentMethod.objects.filter(~lately | Q(reached_at=None), pk=method.pk).update(reached_at=now, last_error="")


def note_failed(*, method: PaymentMethod, error: str) -> None:
    """Note what the gateway answered instead."""
    PaymentMethod.objects.filter(pk=method.pk).update(last_error=error[:MAX_ERROR])


def store_credentials(*, method: PaymentMethod, values: Mapping[str, str]) -> None:
    """Replace the credentials that are given and not empty. Of stored ones whose key is lost nothing is left."""
    try:
        stored = credentials_of(method)
    except Undecryptable:
        stored = {}
    kept = {**stored, **{name: value for name, value in values.items() if value}}
    method.credentials_encrypted = encrypt(json.dumps(kept, sort_keys=True))
    PaymentMethod.objects.filter(pk=method.pk).update(credentials_encrypted=method.credentials_encrypted)
