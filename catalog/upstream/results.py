"""Results of the client: frozen, cleaned values, with ids as opaque strings."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from catalog.upstream.errors import ErrorCode
from catalog.upstream.evidence import Evidence

MALFORMED = "malformed row"
NOT_ASKED = "not asked for lack of time"
LIMITED = "it waits: the provider's limit of requests a minute is used up"
NONE_UNDERSTOOD = "The answer speaks of none of the ids."


class OrderStatus(StrEnum):
    """Order statuses of the protocol. Refunded counts as canceled, Partially Completed as partial."""

    PENDING = "pending"
    PROCESSING = "processing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    PARTIAL = "partial"
    CANCELED = "canceled"


class RefillStatus(StrEnum):
    """Refill statuses of the protocol."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service of a provider's list.

    `rate` is in the provider's currency, per 1000, or per package for package types. `type` is the type in the
    provider's own word, as a slug ("default", "custom_comment"), and "" if it names none. `step`: orders must be
    multiples of it. The three times are the provider's words. `refill_days` is None if the list does not say.
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
    step: int | None = None
    average_time: str = ""
    start_time: str = ""
    speed: str = ""
    refill_days: int | None = None


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that could not be read. `position` counts from 0; `external_id` may be ""."""

    position: int
    external_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ServiceList:
    """All rows of one answer. An empty list is valid here: the import decides whether to believe it."""

    rows: tuple[ServiceRow, ...]
    skipped: tuple[SkippedRow, ...]


@dataclass(frozen=True, slots=True)
class StatusRow:
    """Status of one order.

    `status` is None for words of failure or mere success (Fail, Error, Success) and for unknown ones; `status_text`
    keeps each word. `charge` (in the provider's currency), `start_count` and `remains` are None if missing or
    unreadable; `is_unclear` if one of charge and remains is stated, and cannot be read or only in two ways. `remains`
    may be negative or exceed the quantity, as providers send it.
    """

    order_id: str
    status: OrderStatus | None
    status_text: str
    charge: Decimal | None
    start_count: int | None
    remains: int | None
    currency: str
    is_unclear: bool = False


@dataclass(frozen=True, slots=True)
class RowError:
    """An error or a malformed row (code UNRECOGNIZED) in the answer for one id.

    `order_id` is the requested id: an order's, or a refill's for `refill_statuses`. `excerpt` is what a malformed row
    holds, for staff.
    """

    order_id: str
    code: ErrorCode
    text: str
    excerpt: str = field(default="", compare=False)

    @property
    def is_not_asked(self) -> bool:
        """Return True if this id was certainly not sent: time ran out, or the provider throttled earlier ids."""
        return self.text == NOT_ASKED

    @property
    def is_understood(self) -> bool:
        """Return True if the row is about its id: that it is unknown there."""
        return self.code in (ErrorCode.UNKNOWN_ORDER, ErrorCode.UNKNOWN_REFILL)

    @property
    def is_malformed(self) -> bool:
        """Return True if the row was unreadable: it may have been a yes."""
        return self.text == MALFORMED


@dataclass(frozen=True, slots=True)
class Balance:
    """Our balance, in the provider's currency; `currency` is "" if the provider does not state it."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class CancelAccepted:
    """The provider accepted the request. The order's status will show the result."""

    order_id: str


@dataclass(frozen=True, slots=True)
class RefillAccepted:
    """The provider accepted the request. `refill_id` is "" if it gave none: the refill cannot be polled then."""

    order_id: str
    refill_id: str


@dataclass(frozen=True, slots=True)
class RefillStatusRow:
    """Status of one refill. `status` is None for words outside the protocol, which `status_text` keeps."""

    refill_id: str
    status: RefillStatus | None
    status_text: str


@dataclass(frozen=True, slots=True)
class AddAccepted:
    """The provider gave an order id. `charge` is None unless it was in the same answer."""

    order_id: str
    charge: Decimal | None
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider refused: no order exists there."""

    code: ErrorCode
    text: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class NotSent:
    """No byte of the request left, or the server redirected it: no order exists there."""

    reason: str
    evidence: Evidence

    @property
    def is_limited(self) -> bool:
        """Return True if our own limit of requests to the provider held it back: nothing failed."""
        return self.reason == LIMITED


@dataclass(frozen=True, slots=True)
class Unknown:
    """The order may have been accepted and charged: never resend or refund it automatically."""

    reason: str
    evidence: Evidence


AddOutcome = AddAccepted | Refused | NotSent | Unknown
