"""Health of a provider, as facts for staff: whether it sells, what is wrong, and what is worth knowing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q

from catalog.models import CatalogChange, Provider, ProviderFigures, Service, SyncRun
from panel.alerts.causes import Cause
from panel.alerts.services import open_texts
from panel.lib import clock
from panel.lib.formats import moment_text
from panel.site import registry as site

GOOD, INFO, WARNING, DANGER = "good", "info", "warning", "danger"

# Icon and color of each level.
LEVEL_BADGES = {
    GOOD: ("check_circle", "success"),
    INFO: ("info", "info"),
    WARNING: ("warning", "warning"),
    DANGER: ("error", "danger"),
}

# Days that `ProviderFigures` cover.
BURN_DAYS = 7

# Fewer ended orders are too few to judge the provider.
ENOUGH_ORDERS = 10

_WORST_FIRST = (DANGER, WARNING, INFO, GOOD)
_ALERTS = (
    *(Cause.BELOW_FLOOR, Cause.PROVIDER_FLOOR, Cause.CURRENCY, Cause.MONEY),
    *(Cause.UNREACHABLE, Cause.BALANCE, Cause.REQUEST_IDS),
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One line about a provider; `level` is a key of LEVEL_BADGES."""

    level: str
    text: str

    @property
    def icon(self) -> str:
        return LEVEL_BADGES[self.level][0]

    @property
    def colour(self) -> str:
        return LEVEL_BADGES[self.level][1]

    @property
    def word(self) -> str:
        """The level as a word, for readers who see neither color nor icon."""
        return {GOOD: "Good", INFO: "Note", WARNING: "Warning", DANGER: "Urgent"}[self.level]


def provider_state(*, provider: Provider, is_stopped: bool = False) -> Fact:
    """Return whether it sells, in a word or two. `is_stopped`: sending to it is stopped."""
    if not provider.is_active:
        return Fact(INFO, "Off")
    if is_stopped:
        return Fact(DANGER, "Stopped")
    if provider.pause_count:
        return Fact(DANGER, "Paused")
    if provider.polling_failures:
        return Fact(WARNING, "Answers badly")
    return Fact(GOOD, "Running")


def provider_facts(*, provider: Provider, last_run: SyncRun | None, is_stopped: bool = False) -> list[Fact]:
    """Return all facts about its health, the worst first.

    `last_run` is its latest import; `is_stopped`: sending to it is stopped.
    """
    facts = [
        *_sending(provider, is_stopped),
        *_importing(provider, last_run),
        *_money(provider),
        *_alerts(provider),
        *_services(provider),
        *_orders(provider),
    ]
    return sorted(facts, key=lambda fact: _WORST_FIRST.index(fact.level))


def last_import(*, provider: Provider) -> SyncRun | None:
    """Return the latest import: queued, running or ended."""
    return provider.import_runs.order_by("-pk").first()


def _sending(provider: Provider, is_stopped: bool) -> Iterator[Fact]:
    if not provider.is_active:
        yield Fact(INFO, "It is off: nothing is sold from it or sent to it. Open orders are still followed.")
    if is_stopped:
        yield Fact(DANGER, "Sending to it is stopped: its orders wait until somebody resumes it.")
    if provider.pause_count:
        end = provider.paused_until
        until = f"until {moment_text(end)}" if end and end > clock.now() else "but the next order is tried"
        yield Fact(DANGER, f"Sending to it is paused {until}: {provider.pause_reason}")
    elif provider.is_active and not is_stopped:
        yield Fact(GOOD, "It takes orders.")
    if provider.polling_failures:
        times = "once" if provider.polling_failures == 1 else f"{provider.polling_failures} times in a row"
        yield Fact(WARNING, f"Asking it how orders stand failed {times}. It is asked again by itself.")


def _importing(provider: Provider, run: SyncRun | None) -> Iterator[Fact]:
    if run is not None and run.outcome == SyncRun.Outcome.FAILED:
        yield Fact(DANGER, f"The last import failed: {run.reason}")
    elif run is not None and run.outcome == SyncRun.Outcome.REFUSED:
        yield Fact(DANGER, f"The last import was refused and waits for you: {run.reason}")
    if provider.last_synced_at is None:
        yield Fact(WARNING, "Its services were never imported.")
    elif provider.last_synced_at < clock.now() - timedelta(hours=site.OLD_LIST_HOURS.value):
        yield Fact(WARNING, f"What it sells is known as of {moment_text(provider.last_synced_at)} only.")


def _money(provider: Provider) -> Iterator[Fact]:
    if provider.balance is None or provider.balance_checked_at is None:
        yield Fact(WARNING, "Its balance is not known yet.")
        return
    if provider.balance <= 0:
        yield Fact(DANGER, "There is no money left there.")
    elif (days := runway_days(provider)) is not None and days < (least := site.LOW_BALANCE_DAYS.value):
        term = "a day" if least == 1 else f"{least} days"
        yield Fact(DANGER, f"The balance there lasts for less than {term}.")
    old = clock.now() - timedelta(hours=site.OLD_BALANCE_HOURS.value)
    if provider.is_active and provider.balance_checked_at < old:
        yield Fact(WARNING, f"The balance is as of {moment_text(provider.balance_checked_at)}.")


def _alerts(provider: Provider) -> Iterator[Fact]:
    for text in open_texts(causes=_ALERTS, about=provider.pk):
        yield Fact(DANGER, text)


def _services(provider: Provider) -> Iterator[Fact]:
    gone = Count("pk", filter=Q(upstream__is_listed=False))
    found = Service.objects.filter(upstream__provider=provider).aggregate(
        on_sale=Count("pk", filter=Q(is_on_sale=True, upstream__is_listed=True)), gone=gone
    )
    if found["on_sale"]:
        yield Fact(GOOD, f"{_of_its_services(found['on_sale'])} on sale.")
    elif provider.last_synced_at:
        yield Fact(WARNING, "None of its services is on sale.")
    if found["gone"]:
        yield Fact(INFO, f"{_of_its_services(found['gone'])} no longer on its list, so not sold.")
    waiting = CatalogChange.objects.filter(provider=provider, is_urgent=True, accepted_at=None)
    if urgent := waiting.exclude(topic=CatalogChange.Topic.ORDERS).count():
        rates = "1 rate" if urgent == 1 else f"{urgent:,} rates"
        yield Fact(DANGER, f"{rates} rose past the minimum margin or your limit. The inbox tells what was done.")
    if canceled := waiting.filter(topic=CatalogChange.Topic.ORDERS).count():
        went = "1 service is" if canceled == 1 else f"{canceled:,} services are"
        yield Fact(DANGER, f"{went} off sale, because it canceled their orders. The inbox asks you about them.")


def _of_its_services(count: int) -> str:
    return f"{count:,} of its services {'is' if count == 1 else 'are'}"


def _orders(provider: Provider) -> Iterator[Fact]:
    try:
        figures = provider.figures
    except ProviderFigures.DoesNotExist:
        return
    if figures.ended < ENOUGH_ORDERS:
        return
    rate = figures.completed * 100 // figures.ended
    text = f"Of {figures.ended:,} orders of the last 7 days that ended, {rate}% were completed in full."
    yield Fact(WARNING if rate < site.LOW_COMPLETION_PERCENT.value else GOOD, text)


def runway_days(provider: Provider) -> int | None:
    """Return whole days until the balance is spent, at last week's rate; None if balance or rate is unknown.

    Read providers with `select_related("figures")`, or this runs a query.
    """
    try:
        spent = provider.figures.spent
    except ProviderFigures.DoesNotExist:
        return None
    if provider.balance is None or spent <= 0:
        return None
    # For a provider connected two days ago, the week is two days long.
    age = clock.now() - provider.created_at
    window = min(timedelta(days=BURN_DAYS), max(timedelta(days=1), age))
    return max(provider.balance, 0) * int(window.total_seconds()) // (spent * 86_400)
