"""Losses that an order's own exchange rate hides.

An order keeps the exchange rate at which it was sent. If that was nonsense, what the provider charged looks as small as
what the customer paid; so it is judged by the confirmed exchange rate, too.
"""

from __future__ import annotations

from django.conf import settings

from catalog.models import Provider
from catalog.prices.floor import is_far
from orders.models import Order
from orders.refunds.policy import sold_at_a_loss
from orders.tracking.interpret import OrderChange, charge_in_micros, is_foreign
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert
from panel.lib.money import format_money
from panel.site import registry as site


def watch_hidden_losses(provider: Provider, changes: list[OrderChange]) -> None:
    """Raise an alert for each service with an order that was sold at a loss by the confirmed exchange rate.

    Alerts are raised in the order of service ids, so that two batches cannot deadlock.
    """
    worst: dict[int, tuple[int, Order]] = {}
    for change in changes:
        cost = cost_by_confirmed_rate(provider, change)
        order = change.order
        if cost is None or not sold_at_a_loss(order, refunded=order.refunded, upstream_charge=cost):
            continue
        if cost > worst.get(order.service_id, (0, order))[0]:
            worst[order.service_id] = cost, order
    for service_id, (cost, order) in sorted(worst.items(), key=lambda item: item[0]):
        real, paid = (format_money(amount, settings.PANEL_CURRENCY, exact=True) for amount in (cost, order.net_charge))
        raise_alert(
            cause=Cause.OVERCHARGE,
            about=service_id,
            text=(
                f"Service {service_id}: order {order.pk} cost {real} by the exchange rate that was confirmed, and the "
                f"customer paid {paid}. It was sold at an exchange rate that nobody confirmed."
            ),
            level=Alert.Level.DANGER,
        )


def cost_by_confirmed_rate(provider: Provider, change: OrderChange) -> int | None:
    """Return what the provider now says it charged, at the confirmed exchange rate, in micro-units.

    None if it says nothing new, bills in another currency by now, or the order's own exchange rate can be believed.
    """
    order, row, confirmed = change.order, change.status_row, provider.confirmed_exchange_rate
    if row is None or confirmed is None or "upstream_charge" not in change.values:
        return None
    if order.currency != provider.currency or is_foreign(order, row) or order.exchange_rate >= confirmed:
        return None
    if not is_far(new=order.exchange_rate, confirmed=confirmed, percent=site.FLOOR_BAND_PERCENT.value):
        return None
    return charge_in_micros(row.charge, confirmed)
