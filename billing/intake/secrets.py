"""The secrets that sign a method's calls: made here, shown once, and replaced without a gap."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Q

from billing.models import PaymentMethod, SigningSecret
from panel.lib import clock
from panel.lib.crypto import encrypt
from panel.lib.signatures import new_secret

# The secrets before sign beside the new one, so that the sender has time to change.
OVERLAP = timedelta(hours=24)


def add_secret(*, method: PaymentMethod) -> str:
    """Give the method a new secret and return it; the ones before end in a day."""
    secret = new_secret()
    with transaction.atomic():
        PaymentMethod.objects.select_for_update(no_key=True).get(pk=method.pk)
        ends_at = clock.now() + OVERLAP
        SigningSecret.objects.filter(method=method, ends_at=None).update(ends_at=ends_at)
        SigningSecret.objects.create(method=method, secret_encrypted=encrypt(secret), created_at=clock.now())
    return secret


def secrets_of(*, method: PaymentMethod) -> list[SigningSecret]:
    """Return the secrets that sign the method's calls now, the newest first."""
    ends_later = Q(ends_at=None) | Q(ends_at__gt=clock.now())
    return list(SigningSecret.objects.filter(ends_later, method=method).order_by("-pk"))


def end_old_secrets(*, method: PaymentMethod) -> int:
    """End the secrets that were replaced now, not in a day; return how many. For one that leaked."""
    now = clock.now()
    return SigningSecret.objects.filter(method=method, ends_at__gt=now).update(ends_at=now)
