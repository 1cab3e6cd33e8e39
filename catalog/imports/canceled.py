"""Take services off sale whose orders their provider cancels, and ask staff in the inbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from catalog.models import CatalogChange, Service
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.lib import clock


class CanceledShare(NamedTuple):
    """How many of a service's last orders that ended its provider canceled."""

    canceled: int
    ended: int


def take_canceled_off_sale(*, shares: Mapping[int, CanceledShare]) -> int:
    """Take these services off sale, with a row in the inbox and an urgent alert for each; return how many.

    `shares` are by primary key. Call it in a transaction, under the lock of all prices and with shares read under it:
    staff may just have put a service back on sale.
    """
    services = Service.objects.filter(pk__in=shares, is_on_sale=True).select_related("upstream").order_by("pk")
    taken = list(services)
    Service.objects.filter(pk__in=[service.pk for service in taken]).update(is_on_sale=False)
    for service in taken:
        share = shares[service.pk]
        _ask(service, share)
        raise_alert(
            cause=Cause.CANCELED_SERVICE,
            about=service.pk,
            text=(
                f"Service {service.pk} went off sale: its provider canceled {share.canceled} of its last {share.ended} "
                "orders. See the inbox."
            ),
            level="danger",
        )
    return len(taken)


def _ask(service: Service, share: CanceledShare) -> None:
    now = clock.now()
    topic = CatalogChange.Topic.ORDERS
    values = {
        "service": service,
        "new": share._asdict(),
        "action": CatalogChange.Action.OFF_SALE,
        "is_urgent": True,
        "changed_at": now,
    }
    open_row = CatalogChange.objects.filter(upstream=service.upstream, topic=topic, accepted_at=None)
    if not open_row.update(**values):
        CatalogChange.objects.create(
            provider_id=service.upstream.provider_id,
            upstream=service.upstream,
            topic=topic,
            kind=CatalogChange.Kind.CANCELED,
            created_at=now,
            **values,
        )
