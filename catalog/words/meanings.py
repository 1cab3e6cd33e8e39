"""What the owner's meanings are in the client's terms, and how they change an answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from catalog.models.words import Meaning, ProviderWord
from catalog.upstream.errors import ErrorCode
from catalog.upstream.masking import masked
from catalog.upstream.results import OrderStatus, Refused, RowError, StatusRow

T = TypeVar("T")

REFUSALS: Mapping[str, ErrorCode] = {
    Meaning.NO_MONEY: ErrorCode.FUNDS,
    Meaning.KEY: ErrorCode.CREDENTIALS,
    Meaning.SERVICE_GONE: ErrorCode.SERVICE_GONE,
    Meaning.REFUSED: ErrorCode.REFUSED,
    Meaning.TRY_LATER: ErrorCode.TRY_LATER,
}
# Refusals of an order after which the provider surely has none.
CLEAR_REFUSALS = frozenset(
    {
        ErrorCode.CREDENTIALS,
        ErrorCode.FUNDS,
        ErrorCode.THROTTLED,
        ErrorCode.PROTOCOL,
        ErrorCode.SERVICE_GONE,
        ErrorCode.BAD_LINK,
        ErrorCode.BAD_QUANTITY,
        ErrorCode.BAD_PARAMETER,
        ErrorCode.REFUSED,
        ErrorCode.LINK_BUSY,
        ErrorCode.TRY_LATER,
    }
)
STATUSES: Mapping[str, OrderStatus] = {
    Meaning.UNDER_WAY: OrderStatus.IN_PROGRESS,
    Meaning.COMPLETED: OrderStatus.COMPLETED,
    Meaning.PARTIAL: OrderStatus.PARTIAL,
    Meaning.CANCELED: OrderStatus.CANCELED,
}


def meanings_for(about: str) -> list[Meaning]:
    """Return the meanings that such words can have, in the order of a form."""
    named = REFUSALS if about == ProviderWord.About.ADD else STATUSES
    return [Meaning(value) for value in named]


def as_taught(refusal: Refused, taught: Mapping[str, str]) -> Refused:
    """Return the refusal with the code that the owner taught for its text. `taught` maps masked texts to meanings."""
    meaning = taught.get(masked(refusal.text), "")
    return replace(refusal, code=REFUSALS[meaning]) if meaning in REFUSALS else refusal


def status_as_taught(row: StatusRow | RowError, taught: Mapping[str, str]) -> StatusRow | RowError:
    """Return the row with the status that the owner taught for its word. `taught` maps masked words to meanings."""
    if isinstance(row, RowError):
        return row
    meaning = taught.get(masked(row.status_text), "")
    return replace(row, status=STATUSES[meaning]) if meaning in STATUSES else row
