"""What customers may choose of a gateway, such as coins: asked in the background, kept, and offered while it is fresh.

Pages only read what is kept, so that a gateway that hangs delays none of them.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import structlog
from django.conf import settings

from billing.intake.credentials import credentials_for, note_failed, note_reached
from billing.intake.gateways import GatewayError, GatewayRefused, Option, gateway_of, gateways
from billing.models import PaymentMethod
from panel.lib import clock
from panel.lib.claims import claim_due

log = structlog.get_logger(__name__)

# Smallest amounts move with the market. What is older than MAX_AGE is offered no longer.
FRESH, AFTER_FAILURE, MAX_AGE = timedelta(minutes=15), timedelta(minutes=2), timedelta(hours=2)
# Methods of one round, and how long another worker leaves them alone.
BATCH, LEASE = 5, timedelta(minutes=5)


def refresh_due_options() -> int:
    """Ask the gateways whose options are due; return how many methods were looked at."""
    kinds = [code for code, gateway in gateways().items() if gateway.has_options]
    offered = PaymentMethod.objects.filter(kind__in=kinds, is_active=True)
    due = claim_due(offered, due="options_due_at", lease=LEASE, limit=BATCH)
    for method in due:
        try:
            _refresh(method)
        except Exception:
            log.exception("options not read", method=method.pk)
    return len(due)


def _refresh(method: PaymentMethod) -> None:
    """Keep what the gateway offers now. If it does not say, what it said before stays."""
    gateway, wait = gateway_of(method.kind), FRESH
    try:
        found = gateway.options(settings.PANEL_CURRENCY, credentials_for(gateway, method))
    except (GatewayError, GatewayRefused) as error:
        note_failed(method=method, error=str(error))
        wait = AFTER_FAILURE
    else:
        note_reached(method=method)
        kept = [asdict(option) for option in found]
        PaymentMethod.objects.filter(pk=method.pk).update(options=kept, options_at=clock.now())
    # Credentials that were stored meanwhile have made it due again, and it stays so.
    claimed = PaymentMethod.objects.filter(pk=method.pk, options_due_at=method.options_due_at)
    claimed.update(options_due_at=clock.now() + wait)


def offered_options(method: PaymentMethod) -> list[Option]:
    """Return what customers may choose now; [] while the gateway has not said so lately."""
    if method.options_at is None or method.options_at < clock.now() - MAX_AGE:
        return []
    return [Option(**one) for one in method.options or ()]
