"""The three colours of the overview, and what is said of each provider's sending."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from catalog.models import Provider
from catalog.provider_health import runway_days
from orders.models import SendingStop
from panel.accounts.rights import SEE_COSTS
from panel.lib.formats import short_duration
from panel.lib.money import format_money
from panel.ops.overview.picture import Picture
from panel.site import registry as site


class Colour(IntEnum):
    """The higher one wins."""

    FINE = 0
    LOOK = 1
    BROKEN = 2

    @property
    def slug(self) -> str:
        return self.name.lower()

    @property
    def icon(self) -> str:
        return ("check_circle", "warning", "error")[self]


def worst(colours: Iterable[Colour]) -> Colour:
    """Return the worst of the colours; FINE if there are none."""
    return max(colours, default=Colour.FINE)


@dataclass(frozen=True, slots=True)
class ProviderState:
    """How a provider stands. `takes_orders` is False while it gets none; `next_try` is when that may change."""

    colour: Colour
    word: str
    takes_orders: bool
    why: str = ""
    next_try: str = ""


def state_of(provider: Provider, picture: Picture) -> ProviderState:
    """Return the worst that is known of an active provider."""
    stops = [one for one in picture.stops if one.provider_id == provider.pk]
    if stops:
        return _stopped(stops, picture)
    if provider.pause_count:
        return ProviderState(Colour.BROKEN, "Paused", False, provider.pause_reason, _next_try(provider, picture))
    if provider.pk in picture.unreachable:
        return ProviderState(Colour.BROKEN, "Does not answer", False, "Its balance is asked again every five minutes.")
    if provider.polling_failures:
        return ProviderState(Colour.LOOK, "Answers badly", True, _failures(provider), _next_poll(provider, picture))
    if (short := _short(provider)) and picture.may(SEE_COSTS):
        return ProviderState(Colour.LOOK, "Money is short", True, short)
    if unexplained_at(provider, picture):
        return ProviderState(Colour.LOOK, "Takes orders", True)
    return ProviderState(Colour.FINE, "Takes orders", True)


def unexplained_at(provider: Provider, picture: Picture) -> str:
    """Return what was spent there that no order explains, as money; "" if nothing was."""
    money = picture.money.get(provider.pk)
    return format_money(-money.unexplained, money.currency) if money and money.unexplained < 0 else ""


def _stopped(stops: list[SendingStop], picture: Picture) -> ProviderState:
    why = "; ".join(one.get_reason_display() for one in stops)
    ends = [one.until for one in stops]
    last = None if None in ends else max(one for one in ends if one)
    wait = f"Ends by itself in {short_duration(last - picture.now)}." if last else "Waits until somebody resumes it."
    return ProviderState(Colour.BROKEN, "Stopped", False, f"{why}.", wait)


def _next_try(provider: Provider, picture: Picture) -> str:
    end = provider.paused_until
    if end and end > picture.now:
        return f"Next try in {short_duration(end - picture.now)}."
    return "The next order is tried."


def _failures(provider: Provider) -> str:
    times = "once" if provider.polling_failures == 1 else f"{provider.polling_failures} times in a row"
    return f"Asking it how orders stand failed {times}."


def _next_poll(provider: Provider, picture: Picture) -> str:
    end = provider.polling_until
    return f"Asked again in {short_duration(end - picture.now)}." if end and end > picture.now else ""


def _short(provider: Provider) -> str:
    """Return what is wrong with the balance there, as a sentence; "" if nothing is."""
    if provider.balance is None:
        return ""
    if provider.balance <= 0:
        return "There is no money left there."
    days, least = runway_days(provider), site.LOW_BALANCE_DAYS.value
    if days is None or days >= least:
        return ""
    return f"It lasts for less than {'a day' if least == 1 else f'{least} days'}."
