"""Alerts about ends that are doubted: those that a provider took back, and those that are held in a wave.

Both are computed from the orders and polls as they are, so an alert shows the sums of now and ends with its cause.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.db.models import Count, F, Sum

from catalog.models import Provider
from orders.models import Order, OrderPoll
from orders.states import ReviewReason
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib.money import format_money
from panel.site import registry as site


def alert_recanted(provider: Provider) -> bool:
    """Raise an alert with the sums of the provider's recanted ends. Return False if none is in review."""
    recanted = Order.objects.filter(provider=provider, review_reason=ReviewReason.RECANTED)
    found = recanted.aggregate(count=Count("pk"), refunded=Sum("refunded"), charged=Sum("upstream_charge"))
    if not found["count"]:
        return False
    raise_alert(
        cause=Cause.RECANTED,
        about=provider.pk,
        text=(
            f"{provider.name} took back the end of {_orders(found['count'])}: {_money(found['refunded'])} was "
            f"refunded, and it now charges {_money(found['charged'])}. Nothing was moved; decide in the reviews."
        ),
        level=Alert.Level.DANGER,
    )
    return True


def alert_wave(provider: Provider) -> bool:
    """Raise an alert with the sum of the provider's ends that are held. Return False if none is."""
    held = OrderPoll.objects.filter(provider=provider, held_since__isnull=False)
    found = held.aggregate(count=Count("pk"), refund=Sum(F("held_refund") - F("order__refunded")))
    if not found["count"]:
        return False
    raise_alert(
        cause=Cause.WAVE,
        about=provider.pk,
        text=(
            f"{provider.name} reports many cancels at once. Refunds of {_money(found['refund'])} for "
            f"{_orders(found['count'])} wait until it gives the same answer again, which is asked for after "
            f"{site.WAVE_WAIT_MINUTES.shown(site.WAVE_WAIT_MINUTES.value)}. Until then customers see the old status."
        ),
        level=Alert.Level.DANGER,
    )
    return True


def refresh_end_alerts() -> None:
    """Bring the open alerts about doubted ends up to date, and resolve those without a cause."""
    opened = set(Alert.objects.filter(resolved_at=None).values_list("cause", flat=True))
    alerts: dict[Cause, Callable[[Provider], bool]] = {Cause.RECANTED: alert_recanted, Cause.WAVE: alert_wave}
    for provider in Provider.objects.order_by("pk"):
        for cause, alert in alerts.items():
            if cause.of(provider.pk) in opened and not alert(provider):
                resolve_alert(cause=cause, about=provider.pk)
                alert(provider)  # One may have been found since it was counted.


def _orders(count: int) -> str:
    return "1 order" if count == 1 else f"{count:,} orders"


def _money(micros: int | None) -> str:
    return format_money(micros or 0, settings.PANEL_CURRENCY, exact=True)
