"""The credentials of a method at its gateway: stored encrypted, replaced one by one, never shown."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import timedelta

from django.db.models import Q

from billing.intake.gateways import SANDBOX, Gateway, GatewayError
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
    """Return all credentials of the gateway. Raise GatewayError if one that it needs is missing."""
    found = credentials_of(method)
    if missing := missing_of(gateway, found):
        raise GatewayError(f"It is not set up: {', '.join(missing)} is missing.")
    return {**found, SANDBOX: "yes"} if method.is_sandbox else found


def missing_of(gateway: Gateway, stored: Mapping[str, str]) -> list[str]:
    """Return the labels of the credentials that the gateway needs and that are not stored."""
    return [one.label for one in gateway.credentials if one.is_required and not stored.get(one.name)]


def note_reached(*, method: PaymentMethod) -> None:
    """Note that the gateway answered, at most once a minute; not if other credentials were stored meanwhile."""
    now = clock.now()
    lately = Q(reached_at__gt=now - timedelta(minutes=1), last_error="")
    rows = PaymentMethod.objects.filter(pk=method.pk, credentials_encrypted=method.credentials_encrypted)
    rows.filter(~lately | Q(reached_at=None)).update(reached_at=now, last_error="")


def note_failed(*, method: PaymentMethod, error: str) -> None:
    """Note what the gateway answered instead; not if other credentials were stored meanwhile."""
    rows = PaymentMethod.objects.filter(pk=method.pk, credentials_encrypted=method.credentials_encrypted)
    rows.update(last_error=error[:MAX_ERROR])


def store_credentials(*, method: PaymentMethod, values: Mapping[str, str], cleared: Collection[str] = ()) -> None:
    """Replace the credentials that are given and not empty, and remove those that are `cleared`.

    Of stored ones whose key is lost nothing is left. Whether the gateway answers is not known any longer.
    """
    try:
        stored = credentials_of(method)
    except Undecryptable:
        stored = {}
    kept = {**stored, **{name: value for name, value in values.items() if value}}
    kept = {name: value for name, value in kept.items() if name not in cleared}
    method.credentials_encrypted = encrypt(json.dumps(kept, sort_keys=True))
    # What may be chosen depends on them, so it is asked again.
    PaymentMethod.objects.filter(pk=method.pk).update(
        credentials_encrypted=method.credentials_encrypted,
        reached_at=None,
        last_error="",
        options_due_at=clock.now(),
    )
