"""The provider's balance as a witness, before the first order after a start: what it lacks was spent without us.

A machine that was rolled back as a whole, with its disk and its cache, agrees with itself. Only the provider knows what
was sent since.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import Q

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, check_balance
from catalog.upstream.errors import ProviderRefused, UnreadableAnswer, UpstreamError
from orders.common.stops import stop_sending
from orders.models import ProviderMoney, SendingStop
from orders.reckoning.explain import expected_range
from orders.states import StopReason
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock
from panel.lib.money import format_money

log = structlog.get_logger(__name__)

# A process asks again after this time: it may have been frozen with its machine, and woken as of then.
ASK_AGAIN = timedelta(minutes=15)

# When this process last heard each provider's balance, by primary key.
_asked_at: dict[int, datetime] = {}


def is_explained(*, provider: Provider) -> bool:
    """Return True if orders may be sent to the provider, as its balance is explained; asked once in ASK_AGAIN.

    Stop sending to it if the balance lacks more than our orders explain. A provider that gives no balance cannot be
    asked, and gets orders. One that does not answer gets none until it does.
    """
    now = clock.now()
    asked_at = _asked_at.get(provider.pk)
    if asked_at is not None and timedelta(0) <= now - asked_at < ASK_AGAIN:
        return True
    money = ProviderMoney.objects.filter(pk=provider.pk).first()
    if money is not None and not _is_accepted(money):
        try:
            check_balance(provider=provider)
        except (ProviderRefused, UnreadableAnswer):
            log.info("provider gives no balance", provider=provider.pk)
        except (UpstreamError, ProviderUnusable) as error:
            log.warning("balance not read before sending", provider=provider.pk, error=str(error))
            text = f"{provider.name} does not answer, so its orders wait: {error}"
            raise_alert(cause=Cause.UNREACHABLE, about=provider.pk, text=text)
            return False
        else:
            resolve_alert(cause=Cause.UNREACHABLE, about=provider.pk)
            if _lacks_money(provider):
                return False
    _asked_at[provider.pk] = now
    return True


def _is_accepted(money: ProviderMoney) -> bool:
    """Return True if a person has resumed the provider since the base: what is missing since then was looked at."""
    reasons = Q(reason=StopReason.BALANCE) | Q(reason=StopReason.RESTORED)
    stops = SendingStop.objects.filter(reasons, Q(provider=money.pk), ended_at__gt=money.base_read_at)
    return stops.exists()


def _lacks_money(provider: Provider) -> bool:
    """Compare the balance that was read just now. Stop sending to the provider if it lacks money."""
    provider.refresh_from_db(fields=["balance", "balance_checked_at"])
    explained = expected_range(provider=provider)
    if explained is None or provider.balance is None or provider.balance >= explained.lowest:
        return False
    lowest, balance, missing = (
        format_money(amount, provider.currency or settings.PANEL_CURRENCY, exact=True)
        for amount in (explained.lowest, provider.balance, explained.lowest - provider.balance)
    )
    stop_sending(
        reason=StopReason.BALANCE,
        provider_id=provider.pk,
        text=(
            f"{provider.name} has {balance} of ours: {missing} less than {lowest}, the least that our orders explain. "
            "Orders may have been sent that this database does not know, as after a restore or beside a copy of it."
        ),
    )
    return True
