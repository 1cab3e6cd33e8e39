"""Stopping and resuming the sending of orders, for the panel or for one provider.

A stop keeps customers' orders in the queue. It is read in the transaction that claims an order, so that nothing is
claimed after it was committed.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from catalog.models import Provider
from orders.models import SendingStop
from orders.states import RESTORE_STOPS, StopReason
from panel.accounts.models import User
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock
from panel.lib.prepared_sql import Bound

log = structlog.get_logger(__name__)


def stop_sending(
    *,
    reason: StopReason,
    text: str,
    provider_id: int | None = None,
    actor: User | None = None,
    until: datetime | None = None,
) -> bool:
    """Stop sending to the provider, or at all, and raise an urgent alert unless staff did it.

    Return False if a stop for this reason was open already. `until` is when it ends by itself.
    """
    if SendingStop.objects.filter(open_now(), provider=provider_id, reason=reason).exists():
        return False
    try:
        with transaction.atomic():
            # One that ended by itself still counts as open for the constraint.
            SendingStop.objects.filter(provider=provider_id, reason=reason, ended_at=None).update(ended_at=clock.now())
            SendingStop.objects.create(
                provider_id=provider_id,
                reason=reason,
                text=text[:500],
                created_at=clock.now(),
                created_by=actor,
                until=until,
            )
    except IntegrityError:
        return False
    log.warning("sending stopped", provider=provider_id, reason=reason)
    if actor is None:
        cause = Cause.SENDING if provider_id is None else Cause.PROVIDER_SENDING
        raise_alert(cause=cause, about=provider_id, text=text, level="danger")
    return True


def resume_sending(*, stop: SendingStop, actor: User | None) -> bool:
    """End the stop. Return False if it had ended. The alert is resolved with the last of its provider, or the panel."""
    ended = SendingStop.objects.filter(pk=stop.pk, ended_at=None).update(ended_at=clock.now(), ended_by=actor)
    if not ended:
        return False
    log.info("sending resumed", provider=stop.provider_id, reason=stop.reason)
    if not SendingStop.objects.filter(open_now(), provider=stop.provider_id).exists():
        cause = Cause.SENDING if stop.provider_id is None else Cause.PROVIDER_SENDING
        resolve_alert(cause=cause, about=stop.provider_id)
    return True


def open_stops() -> QuerySet[SendingStop]:
    """Return the stops that are in force, the panel's first."""
    return SendingStop.objects.filter(open_now()).select_related("provider").order_by("provider", "pk")


def is_restore_open() -> bool:
    """Return True if sending is stopped because this database may not know what was sent last."""
    return SendingStop.objects.filter(open_now(), provider=None, reason__in=RESTORE_STOPS).exists()


def has_open_stop(*, provider_id: int, reasons: Collection[StopReason]) -> bool:
    """Return True if sending to the provider is stopped for one of these reasons."""
    return SendingStop.objects.filter(open_now(), provider=provider_id, reason__in=reasons).exists()


def is_restored(*, provider_id: int) -> bool:
    """Return True if a restore left orders at this provider that this database may lack."""
    stops = SendingStop.objects.filter(open_now(), reason__in=RESTORE_STOPS)
    return stops.filter(Q(provider=None) | Q(provider=provider_id)).exists()


def without_stops(providers: QuerySet[Provider], *, now: Bound | None = None) -> QuerySet[Provider]:
    """Return those of the providers that orders may be sent to."""
    stops = SendingStop.objects.filter(open_now(now)).filter(Q(provider=None) | Q(provider=OuterRef("pk")))
    return providers.filter(~Exists(stops))


def open_now(now: Bound | None = None) -> Q:
    """Return the condition of stops that are in force. `now` is the time's place in a prepared statement."""
    return Q(ended_at=None) & (Q(until=None) | Q(until__gt=now or clock.now()))
