"""How the answers of a trial were read, in words for staff. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from catalog.upstream.batch_calls import UNKNOWN
from catalog.upstream.errors import ProviderRefused, UpstreamError, explain
from catalog.upstream.results import Balance, RefillStatusRow, RowError, ServiceList, StatusRow

Mood = Literal["success", "warning", "danger"]
GOOD: Mood = "success"
DOUBTFUL: Mood = "warning"
BAD: Mood = "danger"


@dataclass(frozen=True, slots=True)
class Reading:
    """How an answer was read. `is_understood`: the panel can work with such answers."""

    mood: Mood
    text: str

    @property
    def is_understood(self) -> bool:
        return self.mood != BAD


Statuses = Mapping[str, StatusRow | RowError]


def read_balance(found: Balance | UpstreamError, currency: str) -> Reading:
    """`currency` is what the provider is set up with."""
    if isinstance(found, UpstreamError):
        return Reading(BAD, explain(found))
    amount = _plain(found.amount)
    if not found.currency:
        return Reading(GOOD, f"Read as {amount}. It does not say in which currency.")
    if found.currency != currency.upper():
        text = f"Read as {amount} {found.currency}, but it is set up with {currency}."
        return Reading(DOUBTFUL, text)
    return Reading(GOOD, f"Read as {amount} {found.currency}.")


def read_services(found: ServiceList | UpstreamError) -> Reading:
    if isinstance(found, UpstreamError):
        return Reading(BAD, explain(found))
    if not found.rows:
        first = f" The first: {found.skipped[0].reason}." if found.skipped else ""
        return Reading(BAD if found.skipped else DOUBTFUL, f"No service could be read in the list.{first}")
    count = len(found.rows)
    text = f"Read as a list of {count:,} {'service' if count == 1 else 'services'}."
    if found.skipped:
        text += f" {len(found.skipped):,} more could not be read; the first: {found.skipped[0].reason}."
        return Reading(DOUBTFUL, text)
    return Reading(GOOD, text)


def read_status(found: Statuses | UpstreamError, order_id: str) -> Reading:
    if isinstance(found, UpstreamError):
        return Reading(BAD, explain(found))
    row = found.get(order_id)
    if row is None:
        return Reading(BAD, "The answer names no such order.")
    if isinstance(row, RowError):
        return Reading(BAD, _error(row))
    facts = [f"charged {_plain(row.charge)} {row.currency}".strip() if row.charge is not None else "no charge stated"]
    facts.append(f"{row.remains:,} remain" if row.remains is not None else "no remains stated")
    listed = ", ".join(facts)
    if row.status is None:
        return Reading(DOUBTFUL, f"“{row.status_text}” is no status that the panel knows; {listed}.")
    return Reading(GOOD, f"Read as {row.status.value.replace('_', ' ').capitalize()}; {listed}.")


def read_unknown(found: Statuses | UpstreamError, order_id: str) -> Reading:
    """Read what is said of an id that no order has: it should be an error that says so."""
    if isinstance(found, ProviderRefused) and found.code in UNKNOWN:
        return Reading(GOOD, f"It says that it has no such order: “{found.text}”.")
    if isinstance(found, UpstreamError):
        return Reading(DOUBTFUL, f"It does not say clearly that it has no such order. {explain(found)}")
    row = found.get(order_id)
    if isinstance(row, RowError) and row.code in UNKNOWN:
        return Reading(GOOD, f"It says that it has no such order: “{row.text}”.")
    if isinstance(row, RowError):
        return Reading(DOUBTFUL, f"It does not say clearly that it has no such order. {_error(row)}")
    if row is None:
        return Reading(DOUBTFUL, "It leaves the order out, so orders in doubt cannot be looked for by their ids.")
    return Reading(DOUBTFUL, "It states a status for it, so its answers about unknown orders prove nothing.")


def read_list(found: Statuses | UpstreamError, order_id: str) -> Reading:
    if isinstance(found, UpstreamError):
        return Reading(BAD, f"A list of ids is not understood. {explain(found)}")
    if isinstance(found.get(order_id), StatusRow):
        return Reading(GOOD, "Each order has its own answer.")
    return Reading(BAD, "The order has no answer of its own in it.")


def read_refill(found: Mapping[str, RefillStatusRow | RowError] | UpstreamError, refill_id: str) -> Reading:
    if isinstance(found, UpstreamError):
        return Reading(BAD, explain(found))
    row = found.get(refill_id)
    if row is None:
        return Reading(BAD, "The answer names no such refill.")
    if isinstance(row, RowError):
        return Reading(DOUBTFUL if row.code in UNKNOWN else BAD, _error(row))
    if row.status is None:
        return Reading(DOUBTFUL, f"“{row.status_text}” is no status that the panel knows.")
    return Reading(GOOD, f"Read as {row.status.value.replace('_', ' ').capitalize()}.")


def _error(row: RowError) -> str:
    return "The row could not be read." if row.is_malformed else f"It answered: “{row.text}”."


def _plain(amount: Decimal | None) -> str:
    return f"{amount:f}" if amount is not None else ""
