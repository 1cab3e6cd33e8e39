"""What the client hands back: plain frozen values, cleaned, with ids as opaque strings."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from catalog.upstream.errors import ErrorCode
from catalog.upstream.evidence import Evidence

MALFORMED = "malformed row"
NOT_ASKED = "not asked for lack of time"


class OrderStatus(StrEnum):
    """The order statuses of the protocol. Refunded is read as canceled, Partially Completed as
    partial.
    """

    PENDING = "pending"
    PROCESSING = "processing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    PARTIAL = "partial"
    CANCELED = "canceled"


class RefillStatus(StrEnum):
    """The refill statuses of the protocol."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service of a provider's list.

    `rate` is in the provider's currency, for 1000 or, for package types, for one package. `type` is
    a slug ("default", "custom_comments"); an unknown type keeps its own text as a slug, a missing
    one is "".
    """

    external_id: str
    name: str
    category: str
    type: str
    rate: Decimal
    min: int
    max: int
    refill: bool
    cancel: bool
    dripfeed: bool
    description: str


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that could not be read. `position` counts from 0, `external_id` may be ""."""

    position: int
    external_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ServiceList:
    """All rows of one answer. An empty list is a valid answer: whether to believe it is the sync's
    matter.
    """

    rows: tuple[ServiceRow, ...]
    skipped: tuple[SkippedRow, ...]


@dataclass(frozen=True, slots=True)
class StatusRow:
    """How one order stands.

    `status` is None for words outside the protocol (Fail, Error, …), kept in `status_text`.
    `charge` (in the provider's currency), `start_count` and `remains` are None where missing or
    unreadable; `remains` may be negative or exceed the quantity, as providers send it.
    """

    order_id: str
    status: OrderStatus | None
    status_text: str
    charge: Decimal | None
    start_count: int | None
    remains: int | None
    currency: str


@dataclass(frozen=True, slots=True)
class RowError:
    """The answer for one id was an error, or was malformed (code unrecognized).

    `order_id` is the id that was asked for: an order's, or a refill's for `refill_statuses`.
    """

    order_id: str
    code: ErrorCode
    text: str

    @property
    def is_not_asked(self) -> bool:
        """Whether the provider was surely not asked about this id: there was no time, or it throttled before."""
        return self.text == NOT_ASKED

    @property
    def is_malformed(self) -> bool:
        """Whether nothing could be read: it may have been a yes."""
        return self.text == MALFORMED


@dataclass(frozen=True, slots=True)
class Balance:
    """What we have left, in the provider's currency, which is "" where it does not say."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class CancelAccepted:
    """The provider took the request; what comes of it shows in the order's status."""

    order_id: str


@dataclass(frozen=True, slots=True)
class RefillAccepted:
    """The provider took the request. `refill_id` is "" where it gave none: it cannot be followed
    then.
    """

    order_id: str
    refill_id: str


@dataclass(frozen=True, slots=True)
class RefillStatusRow:
    """How one refill stands. `status` is None for words outside the protocol, kept in
    `status_text`.
    """

    refill_id: str
    status: RefillStatus | None
    status_text: str


@dataclass(frozen=True, slots=True)
class Placed:
    """The provider gave an order id. `charge` only where it was stated beside it."""

    order_id: str
    charge: Decimal | None
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider said no: nothing was placed."""

    code: ErrorCode
    text: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class NotSent:
    """No byte of the request left, or the server pointed elsewhere without taking it: nothing was
    placed.
    """

    reason: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been placed and charged: never send it again, never refund it, by itself."""

    reason: str
    evidence: Evidence


AddOutcome = Placed | Refused | NotSent | Unknown
