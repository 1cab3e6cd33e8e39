"""The daily spending limit of a provider: the claim that would pass it is not made, and sending stops until midnight.

What was sent on a day is a number in one row, raised by a conditional update in the transaction of the claim. So two
claims cannot both take the last of the limit, and a worker that dies leaves it taken: its order may have been accepted.
Amounts are micro-units of the provider's currency.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db.models import F, Sum
from django.db.models.functions import Greatest

from catalog.models import Provider
from catalog.provider_accounts import account_of
from orders.common.stops import resume_sending, stop_sending
from orders.models import DailySpending, PlacementAttempt, SendingStop
from orders.reckoning.costs import in_provider_currency
from orders.states import MAYBE_ACCEPTED, StopReason
from panel.lib.money import convert_back_up, format_money
from panel.lib.panel_days import panel_day, panel_moment


def take_from_limit(*, provider: Provider, cost: int) -> bool:
    """Count an order that is about to be claimed. Return False, and stop sending, if it would pass the limit.

    `cost` is in micro-units of the panel's currency. Joins the claim's transaction, which holds the provider's row.
    Raise ProviderUnusable, and MoneyError for a cost out of range.
    """
    if provider.daily_limit is None:
        return True
    today = panel_day()
    amount = convert_back_up(cost, provider.exchange_rate)
    row = DailySpending.objects.filter(provider=provider, day=today)
    within = row.filter(sent__lte=provider.daily_limit - amount)
    if within.update(sent=F("sent") + amount):
        return True
    if not row.exists():
        DailySpending.objects.get_or_create(
            provider=provider, day=today, defaults={"sent": sent_on(provider=provider, day=today)}
        )
        if within.update(sent=F("sent") + amount):
            return True
    row.update(stopped_at=provider.daily_limit)
    limit, sent, next_cost = (
        format_money(micros, provider.currency)
        for micros in (provider.daily_limit, row.values_list("sent", flat=True).get(), amount)
    )
    text = (
        f"{provider.name}: the daily spending limit is {limit}. Orders for {sent} were sent today, and the next one "
        f"costs {next_cost}. It is sent tomorrow, or when you raise the limit."
    )
    stop_sending(reason=StopReason.SPENDING, text=text, provider_id=provider.pk, until=_midnight_after(today))
    return False


def exceeds_limit(*, provider: Provider, cost: int) -> bool:
    """Return True if one order costs more than the limit of a day. `cost` is in micro-units of the panel's currency."""
    return provider.daily_limit is not None and convert_back_up(cost, provider.exchange_rate) > provider.daily_limit


def give_back_to_limit(*, provider: Provider, cost: int, sent_at: datetime) -> None:
    """Count an order no more that the provider has surely not accepted. Joins a transaction.

    `cost` is in micro-units of the panel's currency, and `sent_at` when the order was claimed.
    """
    if provider.daily_limit is None:
        return
    amount = convert_back_up(cost, provider.exchange_rate)
    DailySpending.objects.filter(provider=provider, day=panel_day(sent_at)).update(sent=Greatest(F("sent") - amount, 0))


def sent_on(*, provider: Provider, day: date) -> int:
    """Return what the orders cost that were sent to the provider on this day and may have been accepted."""
    begin = panel_moment(day)
    sums = (
        PlacementAttempt.objects.filter(
            account=account_of(provider),
            order__provider=provider,
            started_at__gte=begin,
            started_at__lt=_midnight_after(day),
            outcome__in=MAYBE_ACCEPTED,
        )
        .order_by()
        .values_list("order__exchange_rate")
        .annotate(cost=Sum("order__expected_cost"))
    )
    return sum(in_provider_currency(int(cost), rate) for rate, cost in sums)


def resume_raised_limits() -> int:
    """Resume sending where the limit that stopped it was raised or removed. Return how many providers resumed.

    A stop whose day is over is ended, which resolves its alert. The sums of providers without a limit are forgotten:
    nothing is counted there.
    """
    DailySpending.objects.filter(provider__daily_limit=None).delete()
    spending = DailySpending.objects.filter(day=panel_day()).values_list("provider", "stopped_at")
    stopped_at = dict(spending)
    stops = SendingStop.objects.filter(reason=StopReason.SPENDING, ended_at=None, provider__isnull=False)
    resumed = 0
    for stop in stops.select_related("provider"):
        limit = stop.provider.daily_limit if stop.provider else None
        reached = stopped_at.get(stop.provider_id or 0)
        if limit is None or reached is None or limit > reached:
            resumed += resume_sending(stop=stop, actor=None)
    return resumed


def _midnight_after(day: date) -> datetime:
    return panel_moment(day + timedelta(days=1))
