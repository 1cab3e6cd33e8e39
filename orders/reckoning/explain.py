"""What our orders explain of a provider's balance since the base: the last balance that they explained.

Read by index, over what was sent since the base. All amounts are micro-units of the provider's currency.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import BooleanField, Case, Count, Q, QuerySet, Sum, Value, When

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, account_of
from orders.models import CostCorrection, MoneyDay, MoneyEntry, PlacementAttempt, ProviderMoney
from orders.models.attempts import ACCEPTED
from orders.reckoning.costs import in_provider_currency
from orders.states import MAYBE_ACCEPTED, Submission
from panel.lib import clock
from panel.lib.panel_days import panel_day
from panel.site import registry as site

# Providers may round a balance to cents, and two of them are compared.
MIN_BAND = 20_000
# An accepted order is polled by then. Until it is, it may have cost up to twice what we expect.
UNPOLLED = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Reading:
    """A balance, when it was requested, and when it was answered."""

    balance: int
    asked_at: datetime
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Range:
    """The lowest and the highest balance that is explained."""

    lowest: int
    highest: int


@dataclass(frozen=True, slots=True)
class Spending:
    """What orders cost since the base, up to a reading.

    `sent` is the expected cost of orders sent and accepted in this time, `late` that of orders which the base may
    include already. `corrected` is what answers added to the cost of any order, and `confirmed` the expected cost that
    returned charges replaced. `unpolled` is the part of `sent` that no poll has confirmed yet; `doubts` may have been
    spent on top. `open_attempts` may be charged for after the reading; `corrections` were counted. `orders` were
    accepted, `unreturned` of them without a returned charge.
    """

    sent: int
    late: int
    corrected: int
    confirmed: int
    unpolled: int
    doubts: int
    open_attempts: list[int]
    corrections: list[int]
    orders: int
    unreturned: int

    @property
    def spent(self) -> int:
        return self.sent + self.late + self.corrected


@dataclass(frozen=True, slots=True)
class Explanation:
    """A reading compared with the base, with the `top_ups` and `others` of staff that it seems to include.

    `entries` are the primary keys of these. `unexplained` is what the balance has beyond the base, these entries and
    the spending; negative if it lacks it. `lowest` and `highest` are explained without the `band`.
    """

    spending: Spending
    top_ups: int
    others: int
    entries: list[int]
    unexplained: int
    lowest: int
    highest: int
    band: int
    agrees: bool


def reading_of(provider: Provider) -> Reading | None:
    """Return the provider's stored balance; None if there is none, or the release before stored it."""
    if provider.balance is None or provider.balance_checked_at is None or provider.balance_asked_at is None:
        return None
    return Reading(provider.balance, provider.balance_asked_at, provider.balance_checked_at)


def base_of(provider: Provider) -> ProviderMoney | None:
    """Return the base; None if there is none of the account and the currency that the provider has now."""
    money = ProviderMoney.objects.filter(pk=provider.pk).first()
    try:
        same = money is not None and money.currency == provider.currency and money.account == account_of(provider)
    except ProviderUnusable:
        return None
    return money if same else None


def expected_range(*, provider: Provider) -> Range | None:
    """Return the lowest and the highest balance that our orders explain now; None before there is a base.

    What is missing below `lowest` was spent by something that this database does not know.
    """
    money = base_of(provider)
    if money is None:
        return None
    now = clock.now()
    spending = spending_since(money=money, asked_at=now, read_at=now)
    band = band_of(spending.spent)
    top_ups, others = (_sum(entries) for entries in open_entries(money=money))
    before = base_day(money=money)
    lowest = _range(money, spending, before, others=others).lowest
    highest = _range(money, spending, before, top_ups=top_ups).highest
    return Range(lowest - band, highest + band)


def explain(*, money: ProviderMoney, reading: Reading, day: MoneyDay | None) -> Explanation:
    """Compare a reading with the base. `day` is the day of the reading so far.

    An entry of staff counts from the first reading that includes it: the balance may show a top-up later than staff
    record it. If no choice of entries agrees, those count that leave the least unexplained.
    """
    spending = spending_since(money=money, asked_at=reading.asked_at, read_at=reading.read_at)
    before = base_day(money=money)
    band = band_of(spending.spent)
    found: list[Explanation] = []
    for entries in _choices(*open_entries(money=money)):
        top_ups, others = (_sum(one for one in entries if one.kind == kind) for kind in MoneyEntry.Kind)
        explained = _range(money, spending, before, top_ups=top_ups, others=others)
        expected = money.base_balance + top_ups - others - spending.spent
        unexplained = reading.balance - expected
        agrees = explained.lowest - band <= reading.balance <= explained.highest + band
        if agrees and day is not None:
            agrees = day.unexplained + max(0, day.carried) + unexplained >= -_band_of_the_day(day, spending)
        found.append(
            Explanation(
                spending=spending,
                top_ups=top_ups,
                others=others,
                entries=[one.pk for one in entries],
                unexplained=unexplained,
                lowest=explained.lowest,
                highest=explained.highest,
                band=band,
                agrees=agrees,
            )
        )
    return next((one for one in found if one.agrees), None) or min(found, key=lambda one: abs(one.unexplained))


def _choices(top_ups: list[MoneyEntry], others: list[MoneyEntry]) -> list[list[MoneyEntry]]:
    """Return which entries may be in a balance: none, all of one kind, or all. None comes first."""
    return [[], others, top_ups, [*top_ups, *others]]


def _range(
    money: ProviderMoney, spending: Spending, before: MoneyDay | None, *, top_ups: int = 0, others: int = 0
) -> Range:
    """Return the range without the band. `before` is the day of the base.

    The highest balance is that without any doubt, and with late orders in the base already. What was unexplained before
    may be explained by now: the corrections are in the spending, and the money was in the base.
    """
    expected = money.base_balance + top_ups - others - spending.spent
    surplus, shortage = (before.surplus, before.shortage) if before else (0, 0)
    return Range(expected - spending.doubts - spending.unpolled - surplus, expected + spending.late + shortage)


def _band_of_the_day(day: MoneyDay, spending: Spending) -> int:
    """Return how much may be missing over the day: what is too little to notice in each reading adds up."""
    return band_of(day.spent + spending.spent) + spending.doubts + spending.unpolled


def base_day(*, money: ProviderMoney) -> MoneyDay | None:
    """Return the day of the base."""
    return MoneyDay.objects.filter(
        provider_id=money.pk, currency=money.currency, day=panel_day(money.base_read_at)
    ).first()


def band_of(spent: int) -> int:
    """Return how far a balance may be off after this much was spent."""
    return max(abs(spent) * site.RECKONING_BAND_PERCENT.value // 100, MIN_BAND)


def open_entries(*, money: ProviderMoney) -> tuple[list[MoneyEntry], list[MoneyEntry]]:
    """Return the top-ups and the other spendings of staff that no reading included yet."""
    entries = list(MoneyEntry.objects.filter(provider_id=money.pk, currency=money.currency, counted_at=None))
    top_ups = [one for one in entries if one.kind == MoneyEntry.Kind.TOP_UP]
    return top_ups, [one for one in entries if one.kind == MoneyEntry.Kind.SPENDING]


def _sum(entries: Iterable[MoneyEntry]) -> int:
    return sum(one.amount for one in entries)


def open_corrections(*, provider_id: int, asked_at: datetime) -> QuerySet[CostCorrection]:
    """Return the corrections that were known when the balance was requested, and that no base includes."""
    return CostCorrection.objects.filter(provider_id=provider_id, at__lt=asked_at)


def spending_since(*, money: ProviderMoney, asked_at: datetime, read_at: datetime) -> Spending:
    """Return what was spent since the base, up to a balance that was requested and answered at these moments."""
    is_certain = Case(
        When(ACCEPTED & Q(finished_at__lt=asked_at), then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )
    maybe = PlacementAttempt.objects.filter(
        account=money.account,
        order__provider=money.pk,
        # Charges in another currency are not in this balance.
        order__currency__in=("", money.currency),
        outcome__in=MAYBE_ACCEPTED,
    ).annotate(is_certain=is_certain)
    since = Q(started_at__gte=money.base_read_at, started_at__lt=read_at)
    sent = unpolled = orders = unreturned = 0
    is_unreturned, is_recent = Q(order__upstream_charge=None), Q(started_at__gte=asked_at - UNPOLLED)
    for rate, count, without, cost, recent in (
        maybe.filter(since, is_certain=True)
        .order_by()
        .values_list("order__exchange_rate")
        .annotate(
            accepted=Count("pk"),
            without=Count("pk", filter=is_unreturned),
            cost=Sum("order__expected_cost"),
            recent=Sum("order__expected_cost", filter=is_unreturned & is_recent, default=0),
        )
    ):
        sent += in_provider_currency(int(cost), rate)
        unpolled += in_provider_currency(int(recent), rate)
        orders, unreturned = orders + count, unreturned + without
    late = doubts = 0
    open_attempts: list[int] = []
    uncertain = list(maybe.filter(since, is_certain=False).select_related("order"))
    if money.base_attempts:
        uncertain += maybe.filter(pk__in=money.base_attempts).select_related("order")
    for one in uncertain:
        cost = in_provider_currency(one.order.expected_cost, one.order.exchange_rate)
        if one.is_certain:
            late += cost
            continue
        is_finished = one.finished_at is not None and one.finished_at < asked_at
        doubts += cost
        if one.order.submission in (Submission.IN_DOUBT, Submission.SUBMITTING) or not is_finished:
            open_attempts.append(one.pk)
    corrections = open_corrections(provider_id=money.pk, asked_at=asked_at).values_list("pk", "amount", "confirmed")
    numbers, amounts, confirmed = zip(*corrections, strict=True) if corrections else ((), (), ())
    return Spending(
        sent=sent,
        late=late,
        corrected=sum(amounts),
        confirmed=sum(confirmed),
        unpolled=unpolled,
        doubts=doubts,
        open_attempts=open_attempts,
        corrections=list(numbers),
        orders=orders,
        unreturned=unreturned,
    )
