"""The credentials of a method at its gateway: stored encrypted, replaced one by one, never shown."""

from __future__ import annotations

import json
from collections.abc import Mapping

from billing.models import PaymentMethod
from panel.lib.crypto import decrypt, encrypt
from panel.logging import never_log


def credentials_of(method: PaymentMethod) -> dict[str, str]:
    """Return the credentials by name; {} if none are stored. Raise Undecryptable."""
    if not method.credentials_encrypted:
        return {}
    found: dict[str, str] = json.loads(decrypt(method.credentials_encrypted))
    for value in found.values():
        never_log(value)
    return found


def store_credentials(*, method: PaymentMethod, values: Mapping[str, str]) -> None:
    """Replace those of the method's credentials that are given and not empty."""
    kept = {**credentials_of(method), **{name: value for name, value in values.items() if value}}
    method.credentials_encrypted = encrypt(json.dumps(kept, sort_keys=True))
    PaymentMethod.objects.filter(pk=method.pk).update(credentials_encrypted=method.credentials_encrypted)
