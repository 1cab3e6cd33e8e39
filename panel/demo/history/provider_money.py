"""Our money at the provider over the month: what its orders took, the owner's top-ups, and each day as it was reckoned.

Amounts are micro-units of the provider's currency.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from catalog.models import Provider
from catalog.provider_accounts import account_of
from orders.models import MoneyDay, MoneyEntry, Order, PlacementAttempt, ProviderMoney
from panel.accounts.models import User
from panel.demo.history.goods import DAY
from panel.demo.history.orders import Shop
from panel.demo.history.sold import Sold
from panel.demo.history.story import DAYS, Fate
from panel.lib.money import MICRO
from panel.lib.panel_days import panel_day

# What is left there now, and below what the owner wants to hear of it.
LEFT, ALERT_BELOW = 164 * MICRO + 250_000, 200 * MICRO
_TOPPED_UP_DAYS_AGO = (26, 19, 12, 5)
_STEP = 50 * MICRO


@dataclass(frozen=True, slots=True)
class Flow:
    """What the provider took (negative) or gave back, `age` seconds ago."""

    age: float
    amount: int
    is_top_up: bool = False


class Account:
    """Our account there: all flows of the month, the oldest first, ending with LEFT."""

    def __init__(self, sold: Sequence[Sold]) -> None:
        spent = list(_spent(sold))
        flows = [*spent, *_top_ups(spent)]
        self.flows = sorted(flows, key=lambda flow: -flow.age)
        self.opening = LEFT - sum(flow.amount for flow in flows)

    def balance(self, *, age: float) -> int:
        """Return what was there so many seconds ago."""
        return self.opening + sum(flow.amount for flow in self.flows if flow.age >= age)


def _spent(sold: Sequence[Sold]) -> list[Flow]:
    flows = []
    for one in sold:
        if one.purchase.plan is None:
            continue
        flows.append(Flow(one.purchase.accepted_age, -one.there))
        ended = one.purchase.ended_age
        if ended is not None and one.kept is not None and one.kept != one.there:
            flows.append(Flow(ended, one.there - one.kept))
    return flows


def _top_ups(spent: Sequence[Flow]) -> list[Flow]:
    """Return top-ups in whole steps, each about what was spent until the next one."""
    ages = [days * DAY for days in _TOPPED_UP_DAYS_AGO]
    found = []
    for begin, end in zip(ages, [*ages[1:], 0], strict=True):
        needed = -sum(flow.amount for flow in spent if begin >= flow.age > end)
        found.append(Flow(begin, max(1, needed // _STEP) * _STEP, is_top_up=True))
    return found


def write_provider_money(
    *, shop: Shop, account: Account, sold: Sequence[Sold], orders: Sequence[Order], owner: User
) -> None:
    """Write the top-ups, the days, the balance of now as the base, and what the attempt in doubt saw."""
    provider = shop.provider
    MoneyEntry.objects.bulk_create(
        MoneyEntry(
            provider=provider,
            kind=MoneyEntry.Kind.TOP_UP,
            amount=flow.amount,
            currency=provider.currency,
            note="Card",
            key=f"demo-{flow.age:.0f}",
            actor=owner,
            created_at=shop.ago(flow.age),
            counted_at=shop.ago(flow.age - 60),
        )
        for flow in account.flows
        if flow.is_top_up
    )
    (place,) = (place for place, one in enumerate(sold) if one.purchase.fate is Fate.DOUBT)
    _write_days(shop, account, doubts=sold[place].expected_cost)
    attempt = PlacementAttempt.objects.get(order=orders[place])
    age = sold[place].purchase.age
    PlacementAttempt.objects.filter(pk=attempt.pk).update(
        balance_before=account.balance(age=age),
        balance_before_at=shop.ago(age),
        balance_after=account.balance(age=age - 40),
        balance_after_at=shop.ago(age - 40),
    )
    ProviderMoney.objects.create(
        provider=provider,
        account=account_of(provider),
        currency=provider.currency,
        base_balance=LEFT,
        base_asked_at=shop.now,
        base_read_at=shop.now,
        base_attempts=[attempt.pk],
        balance=LEFT,
        asked_at=shop.now,
        read_at=shop.now,
        lowest=LEFT,
        highest=LEFT,
    )
    Provider.objects.filter(pk=provider.pk).update(
        balance=LEFT,
        balance_asked_at=shop.now,
        balance_checked_at=shop.now,
        low_balance=ALERT_BELOW,
        created_at=shop.ago((DAYS + 14) * DAY),
    )


def _write_days(shop: Shop, account: Account, *, doubts: int) -> None:
    """Write each day of the month. What the order in doubt took counts as spent: the base has it."""
    today = panel_day(shop.now)
    by_day: dict[date, list[Flow]] = defaultdict(list)
    for flow in account.flows:
        by_day[panel_day(shop.ago(flow.age))].append(flow)
    days, opening = [], account.opening
    day = min(by_day)
    while day <= today:
        topped_up = sum(flow.amount for flow in by_day[day] if flow.is_top_up)
        spent = -sum(flow.amount for flow in by_day[day] if not flow.is_top_up)
        closing = opening + topped_up - spent
        days.append(
            MoneyDay(
                provider=shop.provider,
                day=day,
                currency=shop.provider.currency,
                opening=opening,
                topped_up=topped_up,
                spent=spent,
                doubts=doubts if day == today else 0,
                closing=closing,
            )
        )
        opening, day = closing, day + timedelta(days=1)
    MoneyDay.objects.bulk_create(days)
