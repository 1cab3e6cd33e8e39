"""What a claim reads: its provider, the lanes that are taken, and the next order. Each is one prepared statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from billing.models import OrderHold
from catalog.models import Provider, Service, UpstreamService
from catalog.pauses import usable_providers
from orders.common.stops import without_stops
from orders.models import Order
from orders.states import Submission
from panel.lib import clock
from panel.lib.prepared_sql import Bound, PreparedRows, column_names, instances

_PROVIDER = Order._meta.get_field("provider")
_NOW = Bound("now", Order._meta.get_field("next_action_at"))


def lock_provider(*, provider_id: int, may_be_paused: bool = False) -> Provider | None:
    """Return the provider, locked until the transaction ends, if orders may be sent to it.

    None if another claim holds it, it is off or paused, or sending to it is stopped.
    """
    query = _PROVIDER_TO_SEND if may_be_paused else _UNPAUSED_PROVIDER
    row = query.first(provider=provider_id, now=clock.now())
    return next(instances(row, Provider)) if row else None


def _locked(providers: QuerySet[Provider]) -> QuerySet[Provider, tuple[object, ...]]:
    found = without_stops(providers, now=_NOW).filter(pk=Bound("provider", Provider._meta.pk))
    # NO KEY: the insert of an order holds a key-share lock on its provider, which must not block the claim.
    return found.select_for_update(skip_locked=True, no_key=True).values_list(*column_names(Provider))


_UNPAUSED_PROVIDER = PreparedRows(lambda: _locked(usable_providers(_NOW)))
_PROVIDER_TO_SEND = PreparedRows(lambda: _locked(Provider.objects.filter(is_active=True)))


def count_submitting(*, provider_id: int, late_since: datetime) -> tuple[int, int]:
    """Return how many orders are being sent to the provider, and how many of them since before `late_since` ends."""
    return _SUBMITTING.first(provider=provider_id, late_since=late_since) or (0, 0)


_SUBMITTING = PreparedRows(
    lambda: (
        Order.objects.filter(provider=Bound("provider", _PROVIDER), submission=Submission.SUBMITTING)
        .order_by()
        .values("provider")
        .annotate(
            all=Count("pk"),
            late=Count("pk", filter=Q(lease_until__lt=Bound("late_since", Order._meta.get_field("lease_until")))),
        )
        .values_list("all", "late")
    )
)


@dataclass(frozen=True, slots=True)
class Due:
    """The order whose turn it is. `is_held`: it may not be sent, because its customer's orders are held."""

    order: Order
    is_held: bool


def next_due(provider: Provider) -> Due | None:
    """Return the order whose turn it is, with its service and the provider's; None if none is due."""
    row = _NEXT_DUE.first(provider=provider.pk, now=clock.now())
    if row is None:
        return None
    order, service, upstream = instances(row, Order, Service, UpstreamService)
    order.service, service.upstream, order.provider = service, upstream, provider
    return Due(order, is_held=row[-1] == OrderHold.HELD)


_NEXT_DUE = PreparedRows(
    lambda: (
        Order.objects.filter(
            provider=Bound("provider", _PROVIDER),
            submission=Submission.QUEUED,
            review_reason="",
            turn__gte=0,
            next_action_at__lte=_NOW,
        )
        .order_by("turn", "pk")
        .values_list(
            *column_names(Order),
            *column_names(Service, path="service__"),
            *column_names(UpstreamService, path="service__upstream__"),
            "customer__wallet__order_hold",
        )
    )
)
