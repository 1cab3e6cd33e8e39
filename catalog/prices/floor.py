"""The floor of all prices: exchange rates, currencies and the minimum margin. Only owners move it.

A move within FLOOR_BAND_PERCENT of the value that an owner last confirmed is applied like any price change; one beyond
it must be confirmed. Small steps add up, because a step within the band does not move what it is measured from.

Losses are judged by the confirmed exchange rate: one that got into the database by another way, or is beyond the band
without a confirmation, sells nothing below the cost that it hides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from catalog.models import PricePolicy, Provider, Service
from catalog.prices.edits import Edit
from catalog.prices.rules import cost_of
from catalog.upstream.currencies import is_same_currency
from panel.accounts.models import User
from panel.accounts.owner_notices import Shift, notify_owners
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib.admin.fields import ExchangeRateField
from panel.lib.formats import percent_text
from panel.lib.money import MoneyError
from panel.site import registry as site

CHANGE_FLOOR = "catalog.change_floor"

# Columns of edits that move the floor, by kind.
FLOOR: Mapping[str, tuple[str, ...]] = {
    "panel": ("minimum_margin_bp",),
    "provider": ("exchange_rate", "currency"),
    "service": ("allow_below_minimum",),
}
# Where the value is that an owner last confirmed.
_CONFIRMED = {"exchange_rate": "confirmed_exchange_rate", "minimum_margin_bp": "confirmed_minimum_bp"}
_LABELS = {"exchange_rate": "Exchange rate", "currency": "Currency", "minimum_margin_bp": "Minimum margin"}


@dataclass(frozen=True, slots=True)
class FloorMove:
    """A change of one floor. `confirmed` is the value that an owner last confirmed; `is_far`: it is beyond the band."""

    kind: str
    pk: int
    of: str
    column: str
    old: Any
    new: Any
    confirmed: Any
    is_far: bool

    @property
    def label(self) -> str:
        return f"{_LABELS[self.column]} of {self.of}" if self.of else _LABELS[self.column]

    @property
    def before(self) -> str:
        return _shown(self.column, self.old)

    @property
    def after(self) -> str:
        return _shown(self.column, self.new)

    @property
    def last_confirmed(self) -> str:
        """Return the confirmed value, "" if it is the one before."""
        return "" if self.confirmed == self.old else _shown(self.column, self.confirmed)


def touches_floor(edits: Iterable[Edit]) -> bool:
    """Return True if the edits set anything that is the owner's alone."""
    return any(set(FLOOR.get(edit.kind, ())) & set(edit.values) for edit in edits)


def is_far(*, new: int, confirmed: int, percent: int) -> bool:
    """Return True if `new` differs from the confirmed value by more than `percent` of it. Pure."""
    return abs(new - confirmed) * 100 > confirmed * percent


def find_moves(edits: Sequence[Edit]) -> list[FloorMove]:
    """Return how the edits would move exchange rates, currencies and the minimum margin."""
    found = []
    for edit in edits:
        columns = [name for name in FLOOR.get(edit.kind, ()) if name in edit.values and name in _LABELS]
        if not columns:
            continue
        rows = PricePolicy.objects.all() if edit.kind == "panel" else Provider.objects.filter(pk__in=edit.pks)
        for row in rows.order_by("pk"):
            of = row.name if isinstance(row, Provider) else ""
            for column in columns:
                if (old := getattr(row, column)) == edit.values[column]:
                    continue
                found.append(_move(edit, row, of, column, old))
    return found


def _move(edit: Edit, row: Provider | PricePolicy, of: str, column: str, old: Any) -> FloorMove:
    new, confirmed = edit.values[column], old
    if column in _CONFIRMED and (stored := getattr(row, _CONFIRMED[column])) is not None:
        confirmed = stored
    if column == "currency":
        far = not is_same_currency(old, new)  # USDT counts as USD. Otherwise there is no small change of a currency.
    else:
        far = is_far(new=new, confirmed=confirmed, percent=site.FLOOR_BAND_PERCENT.value)
    return FloorMove(edit.kind, row.pk, of, column, old, new, confirmed, far)


def settle_moves(moves: Sequence[FloorMove], *, services: int, below_cost: int, actor: User | None) -> None:
    """Store what was confirmed, and tell the owners of it. Call it in the transaction of the change, once confirmed.

    `services` is the number of prices that change, `below_cost` how many of them are below the cost at the rate before.
    """
    for move in moves:
        rows: QuerySet[Any] = (Provider if move.kind == "provider" else PricePolicy)._default_manager.filter(pk=move.pk)
        if move.column in _CONFIRMED:
            # A step within the band is measured from the same value as the one before.
            rows.update(**{_CONFIRMED[move.column]: move.new if move.is_far else move.confirmed})
    for move in moves:
        if move.kind == "provider":
            resolve_alert(cause=Cause.BELOW_FLOOR, about=move.pk)
    far = [move for move in moves if move.is_far]
    if not far:
        return
    who = actor.email if actor else "The panel"
    for move in far:
        text = f"{who} set the {move.label[0].lower()}{move.label[1:]} from {move.before} to {move.after}."
        cause = Cause.PROVIDER_FLOOR if move.kind == "provider" else Cause.FLOOR
        about = move.pk if move.kind == "provider" else None
        raise_alert(cause=cause, about=about, text=f"{text} Is that right?", level=Alert.Level.DANGER)
    notify_owners(
        subject="What prices rest on was changed",
        actor=actor,
        shifts=[Shift(move.label, move.before, move.after) for move in far],
        note=f"Prices changed: {services:,}. Below their cost at the value before: {below_cost:,}.",
    )


def confirm_exchange_rate(*, provider: Provider, actor: User | None) -> bool:
    """Make the exchange rate of `provider`, as it was read, the confirmed one. Return False if it moved meanwhile."""
    same = Provider.objects.filter(
        pk=provider.pk,
        exchange_rate=provider.exchange_rate,
        confirmed_exchange_rate=provider.confirmed_exchange_rate,
    )
    move = FloorMove(
        "provider",
        provider.pk,
        provider.name,
        "exchange_rate",
        provider.confirmed_exchange_rate,
        provider.exchange_rate,
        provider.confirmed_exchange_rate,
        is_far=True,
    )
    if not same.update(confirmed_exchange_rate=provider.exchange_rate):
        return False
    settle_moves([move], services=0, below_cost=0, actor=actor)
    return True


def is_unconfirmed(provider: Provider) -> bool:
    """Return True if the exchange rate is so far below the confirmed one that costs by it cannot be believed."""
    confirmed = provider.confirmed_exchange_rate
    if confirmed is None or provider.exchange_rate >= confirmed:
        return False
    return is_far(new=provider.exchange_rate, confirmed=confirmed, percent=site.FLOOR_BAND_PERCENT.value)


def floor_cost(*, service: Service, provider: Provider) -> int:
    """Return the cost at the confirmed exchange rate, in micro-units as `Service.cost`.

    0 if the current rate is believed: then the stored cost is the floor.
    """
    confirmed = provider.confirmed_exchange_rate
    if confirmed is None or not is_unconfirmed(provider):
        return 0
    try:
        return cost_of(rate=service.upstream.rate, exchange_rate=confirmed)
    except MoneyError:
        return 0  # Such a service had no price by the confirmed rate either.


def alert_below_floor(provider: Provider) -> None:
    """Tell the owners that orders are refused, because an exchange rate nobody confirmed hides what they cost."""
    now, confirmed = (
        _shown("exchange_rate", rate) for rate in (provider.exchange_rate, provider.confirmed_exchange_rate)
    )
    raise_alert(
        cause=Cause.BELOW_FLOOR,
        about=provider.pk,
        text=(
            f"{provider.name}: its exchange rate is {now}, and {confirmed} was confirmed. Services that would be sold "
            "below their cost by that are not sold. Set the rate right, or confirm it on the provider's page."
        ),
        level=Alert.Level.DANGER,
    )


def _shown(column: str, value: Any) -> str:
    if column == "exchange_rate":
        return str(ExchangeRateField().prepare_value(value))
    return percent_text(value) if column == "minimum_margin_bp" else str(value)
