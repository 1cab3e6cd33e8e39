"""The four facts: are orders sent, are they followed, is the money proven, is the owner told. And the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from orders.common.backoff import poll_bound
from panel.lib.formats import short_duration
from panel.lib.money import format_money
from panel.ops.facts import SENDING_BOUND
from panel.ops.overview.picture import Picture
from panel.ops.overview.states import Colour, ProviderState, state_of, unexplained_at, worst
from panel.ops.watch.business import PROOF_BOUND

SEE_PROVIDERS, SEE_CHANNELS = "catalog.view_provider", "channels.view_channel"
# A message to the owner leaves within seconds.
TELLING_BOUND = timedelta(minutes=10)
# Names in one line.
MAX_NAMES = 3

_NO_WORKER = "Nothing is lost: orders wait until a worker runs again."


@dataclass(frozen=True, slots=True)
class Fact:
    """`word` is the state, `figure` the worst figure, `about` what it counts, `bound` what it must not exceed.

    `figure`, `why` and `more` are safe HTML where they hold names and amounts. `more` is beside the point of `word`.
    """

    title: str
    colour: Colour
    word: str
    figure: str
    about: str
    bound: str
    why: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The worst of the facts, in a line."""

    colour: Colour
    word: str
    text: str

    @property
    def is_fine(self) -> bool:
        return self.colour == Colour.FINE


def all_facts(picture: Picture) -> list[Fact]:
    """Return the facts that the person may see, in the order of the page."""
    facts = [_sending(picture), _following(picture), _money(picture)]
    return [*facts, _telling(picture)] if picture.may(SEE_CHANNELS) else facts


def verdict_of(facts: Iterable[Fact]) -> Verdict:
    """Return the verdict, which names each fact of the worst colour."""
    found = list(facts)
    colour = worst(one.colour for one in found)
    if colour == Colour.FINE:
        return Verdict(colour, "All is well.", " ".join(f"{one.word}." for one in found))
    word = {Colour.LOOK: "It works, but look at this.", Colour.BROKEN: "Something is broken."}[colour]
    bad = [one for one in found if one.colour == colour]
    return Verdict(colour, word, format_html_join(" ", "{}: {}. {}", [(one.title, one.word, one.why) for one in bad]))


# -- sending -------------------------------------------------------------------------------------------


def _sending(picture: Picture) -> Fact:
    rows = picture.unsent.values()
    age = picture.age(min((one.oldest for one in rows), default=None))
    count = sum(one.count for one in rows)
    colour, word, why = _sending_state(picture, age)
    figure = short_duration(age) if count else "None waits"
    about = f"oldest unsent of {count:,}" if count else ""
    return Fact("Sending", colour, word, figure, about, f"Bound {short_duration(SENDING_BOUND)}.", why)


def _sending_state(picture: Picture, age: timedelta) -> tuple[Colour, str, str]:
    if not picture.has_worker:
        return Colour.BROKEN, "No worker runs", _NO_WORKER
    if picture.panel_stops:
        reasons = "; ".join(one.get_reason_display() for one in picture.panel_stops)
        return Colour.BROKEN, "Sending is stopped", f"{reasons}."
    if picture.late:
        return Colour.BROKEN, "Tasks are late", f"A worker runs, but not these: {', '.join(picture.late)}."
    if not picture.providers:
        return Colour.LOOK, "No provider is connected", "There is nobody to send orders to."
    states = {one.pk: state_of(one, picture) for one in picture.providers}
    held = [pk for pk, state in states.items() if not state.takes_orders]
    if len(held) == len(states):
        word = "No provider takes orders" if len(states) > 1 else "The only provider takes no orders"
        return Colour.BROKEN, word, _held_text(picture, states, held)
    if age > SENDING_BOUND:
        late = [pk for pk, one in picture.unsent.items() if picture.age(one.oldest) > SENDING_BOUND]
        if any(pk in held for pk in late):
            return Colour.BROKEN, "Not all orders are sent", _held_text(picture, states, held)
        return Colour.BROKEN, "Orders wait too long", _waiting_text(picture, late)
    if held:
        verb = "takes" if len(held) == 1 else "take"
        return (
            Colour.LOOK,
            f"{len(held)} of {len(states)} providers {verb} no orders",
            _held_text(picture, states, held),
        )
    return Colour.FINE, "Orders are sent", _takers(len(states))


def _takers(count: int) -> str:
    if count < 3:
        return "The provider takes orders." if count == 1 else "Both providers take orders."
    return f"All {count} providers take orders."


def _held_text(picture: Picture, states: dict[int, ProviderState], held: list[int]) -> str:
    """Return who takes no orders; for those who may not see providers, that the orders go out by themselves."""
    waiting = sum(picture.unsent[pk].count for pk in held if pk in picture.unsent)
    wait = "1 order waits" if waiting == 1 else f"{waiting:,} orders wait"
    if not picture.may(SEE_PROVIDERS):
        return f"{wait} for that."
    named = _listed([(name, f": {states[pk].word.lower()}") for pk, name in _names(picture, held)])
    return format_html("{}. {} for that.", named, wait)


def _waiting_text(picture: Picture, pks: list[int]) -> str:
    if not picture.may(SEE_PROVIDERS):
        return "The providers take orders, and still they wait."
    names = _listed([(name, "") for _, name in _names(picture, pks)])
    return format_html("They wait for {}.", names or "a provider that is off")


# -- following -----------------------------------------------------------------------------------------


def _following(picture: Picture) -> Fact:
    bound, backlog = poll_bound(), picture.backlog.values()
    age = max((one.oldest for one in backlog), default=timedelta(0))
    count = sum(one.open for one in backlog)
    colour, word, why = _following_state(picture, age, bound)
    figure = short_duration(age) if count else "None is open"
    about = f"oldest unchecked of {count:,}" if count else ""
    return Fact("Following", colour, word, figure, about, f"Bound {short_duration(bound)}.", why)


def _following_state(picture: Picture, age: timedelta, bound: timedelta) -> tuple[Colour, str, str]:
    if not picture.has_worker:
        return Colour.BROKEN, "No worker runs", "Nobody asks how orders stand. Refunds wait."
    late = [pk for pk, one in picture.backlog.items() if one.oldest > bound]
    if age > bound:
        return Colour.BROKEN, "Orders are not followed", _at(picture, late, "Refunds wait until it answers.")
    silent = picture.unreachable & set(picture.backlog)
    bad = [one.pk for one in picture.providers if one.polling_failures or one.pk in silent]
    if bad:
        return Colour.LOOK, "Some answers fail", _at(picture, bad, "It is asked again by itself.")
    return Colour.FINE, "Orders are followed", "Each was asked about in time." if picture.backlog else "Nothing to ask."


def _at(picture: Picture, pks: list[int], text: str) -> str:
    names = [(name, "") for _, name in _names(picture, pks)] if picture.may(SEE_PROVIDERS) else []
    return format_html("At {}. {}", _listed(names), text) if names else text


# -- money ---------------------------------------------------------------------------------------------


def _money(picture: Picture) -> Fact:
    age = picture.beat_age("check_ledger")
    lost = {one.name: text for one in picture.providers if (text := unexplained_at(one, picture))}
    colour, word, why = _money_state(picture, age, lost)
    figure, about = (short_duration(age), "since the last proof") if age is not None else ("Never", "proven")
    if colour == Colour.LOOK and lost:
        figure, about = _listed([(amount, "") for amount in lost.values()]), "spent without an order"
    owed = "" if picture.owed is None else format_html("Customers hold <bdi>{}</bdi>.", _rounded(picture.owed))
    return Fact("Money", colour, word, figure, about, f"Bound {short_duration(PROOF_BOUND)}.", why, owed)


def _rounded(micros: int) -> str:
    return format_money(micros, settings.PANEL_CURRENCY)


def _money_state(picture: Picture, age: timedelta | None, lost: dict[str, str]) -> tuple[Colour, str, str]:
    if picture.is_ledger_broken:
        return Colour.BROKEN, "The books do not add up", "The alert says where. Read it before anything else."
    if age is None:
        return Colour.LOOK, "The books were never proven", "The first proof runs within the hour."
    if age > PROOF_BOUND:
        return Colour.BROKEN, "The proof of the books is late", "It runs every hour while a worker does."
    proven = f"The books were proven {short_duration(age)} ago."
    if lost:
        names = _listed([(name, "") for name in lost])
        return Colour.LOOK, "Spending is unexplained", format_html("At {}. {}", names, proven)
    return Colour.FINE, "The books are proven", "Every balance equals its entries."


# -- telling -------------------------------------------------------------------------------------------


def _telling(picture: Picture) -> Fact:
    active = [one for one in picture.channels if one.is_active]
    good = [one for one in active if one.reached_at and not one.failing_since]
    age = picture.age(picture.message_since)
    colour, word, why = _telling_state(picture, age)
    figure = f"{len(good)} of {len(active)}" if active else "None"
    about = ("channel reaches you" if len(active) == 1 else "channels reach you") if active else "reaches you"
    return Fact("You are told", colour, word, figure, about, f"Bound {short_duration(TELLING_BOUND)}.", why)


def _telling_state(picture: Picture, age: timedelta) -> tuple[Colour, str, str]:
    active = [one for one in picture.channels if one.is_active]
    if not active:
        return Colour.LOOK, "Nobody is told", "Alerts wait on these pages until somebody looks."
    failing = [one for one in active if one.failing_since]
    errors = format_html("{}.", _listed([(one.name, f": {one.last_error or 'no answer'}") for one in failing]))
    if len(failing) == len(active):
        return Colour.BROKEN, "No channel reaches you", errors
    if age > TELLING_BOUND:
        return Colour.BROKEN, "Messages do not leave", f"The oldest waits {short_duration(age)}."
    if failing:
        return Colour.LOOK, "A channel fails", errors
    if untried := [(one.name, "") for one in active if not one.reached_at]:
        return Colour.LOOK, "A channel was never proven", format_html("Send a test: {}.", _listed(untried))
    reached = max(one.reached_at for one in active if one.reached_at)
    return (
        Colour.FINE,
        "Channels reach you",
        f"Last reached {short_duration(picture.age(reached))} ago. No message waits.",
    )


# -- words ---------------------------------------------------------------------------------------------


def _names(picture: Picture, pks: list[int]) -> list[tuple[int, str]]:
    return [(one.pk, one.name) for one in picture.providers if one.pk in pks]


def _listed(names: list[tuple[str, str]]) -> SafeString:
    """Return the first names, each with what follows it, and how many more there are."""
    shown = format_html_join(", ", "<bdi>{}</bdi>{}", names[:MAX_NAMES])
    return shown if len(names) <= MAX_NAMES else format_html("{} and {} more", shown, f"{len(names) - MAX_NAMES:,}")
