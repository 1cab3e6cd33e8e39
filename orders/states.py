"""The two states of an order, their meanings, looks and allowed moves.

`Status` is what the customer sees: the protocol's own words. `Submission` is how the order stands with the
provider. They move apart: an order may be Pending for the customer while we do not know whether it was placed.
"""

from __future__ import annotations

from django.db import models


class Status(models.TextChoices):
    PENDING = "pending", "Pending"
    PROCESSING = "processing", "Processing"
    IN_PROGRESS = "in_progress", "In progress"
    COMPLETED = "completed", "Completed"
    PARTIAL = "partial", "Partial"
    CANCELED = "canceled", "Canceled"


FINAL = frozenset({Status.COMPLETED, Status.PARTIAL, Status.CANCELED})
OPEN = frozenset(Status) - FINAL

# Colour (of the four meanings) and icon of each status.
LOOKS: dict[str, tuple[str, str]] = {
    Status.PENDING: ("neutral", "clock"),
    Status.PROCESSING: ("info", "arrow-repeat"),
    Status.IN_PROGRESS: ("info", "play-circle"),
    Status.COMPLETED: ("success", "check-circle"),
    Status.PARTIAL: ("warning", "pie-chart"),
    Status.CANCELED: ("danger", "x-circle"),
}


class Submission(models.TextChoices):
    QUEUED = "queued", "Queued"  # waits to be sent; not one byte of it is with the provider
    SUBMITTING = "placing", "Submitting"  # a worker holds a lease and may be sending right now
    ACCEPTED = "placed", "Accepted"  # the provider's order id is known
    REFUSED = "refused", "Refused"  # the provider said no for good; refunded
    IN_DOUBT = "in_doubt", "In doubt"  # may have been placed: never sent again or refunded by itself
    WITHDRAWN = "withdrawn", "Withdrawn"  # cancelled before it was sent; refunded


# The moves that exist. Writes with several possible sources filter on it, through `reachable_from`.
SUBMISSION_MOVES: dict[Submission, frozenset[Submission]] = {
    # ACCEPTED and QUEUED: staff settle an order that was refused with words never seen before.
    Submission.QUEUED: frozenset(
        {Submission.SUBMITTING, Submission.WITHDRAWN, Submission.REFUSED, Submission.ACCEPTED, Submission.QUEUED}
    ),
    Submission.SUBMITTING: frozenset({Submission.ACCEPTED, Submission.QUEUED, Submission.REFUSED, Submission.IN_DOUBT}),
    # SUBMITTING: asked again under the same request id, where the provider promises to take it once.
    Submission.IN_DOUBT: frozenset({Submission.ACCEPTED, Submission.SUBMITTING, Submission.QUEUED, Submission.REFUSED}),
    Submission.ACCEPTED: frozenset(),
    Submission.REFUSED: frozenset(),
    Submission.WITHDRAWN: frozenset(),
}


def reachable_from(new: Submission) -> list[Submission]:
    """The submissions that may become `new`."""
    return [old for old, moves in SUBMISSION_MOVES.items() if new in moves]


# What a provider may still change after the end. An order once Canceled stays so: its refund is never
# clawed back, and a later "Completed" changes nothing that the customer was told.
_AFTER_FINAL: dict[str, frozenset[str]] = {
    Status.COMPLETED: frozenset({Status.PARTIAL, Status.CANCELED}),
    Status.PARTIAL: frozenset({Status.COMPLETED, Status.CANCELED}),
    Status.CANCELED: frozenset(),
}


def may_follow(current: str, new: str) -> bool:
    """Whether an order that is `current` may become `new` because its provider says so."""
    if current == new:
        return False
    if current in _AFTER_FINAL:
        return new in _AFTER_FINAL[current]
    return True


class ReviewReason(models.TextChoices):
    """Why an order waits for a person. Empty: it does not."""

    DOUBT = "doubt", "It may have been placed: no answer settled it in time"
    UNKNOWN_ERROR = "unknown_error", "The provider refused it with words never seen before"
    WOULD_LOSE = "would_lose", "It would now cost more than the customer paid"
    CONTRADICTION = "contradiction", "Its remains and charge contradict each other"
    UNKNOWN_STATUS = "unknown_status", "The provider gave a status never seen before"
    LOST_UPSTREAM = "lost_upstream", "The provider no longer knows it"
    DUPLICATE_ID = "duplicate_id", "The provider gave an id that another order has"


class EventKind(models.TextChoices):
    """What a line of an order's timeline tells of."""

    ORDERED = "ordered", "Ordered"
    SUBMISSION = "placement", "Submission"
    STATUS = "status", "Status"
    REFUND = "refund", "Refund"
    REVIEW = "review", "Review"
    CANCEL = "cancel", "Cancel"
    REFILL = "refill", "Refill"
    STAFF = "staff", "Staff"


class AttemptOutcome(models.TextChoices):
    SENDING = "sending", "Sending"
    ACCEPTED = "placed", "Accepted"
    REFUSED = "refused", "Refused by the provider"
    UNCLEAR = "unclear", "Refused in unknown words"
    NOT_SENT = "not_sent", "Not sent"
    UNKNOWN = "unknown", "Unknown"


# What came of it leaves open whether the provider has the order. ACCEPTED: while its order is not accepted by it.
MAYBE_TAKEN = (AttemptOutcome.SENDING, AttemptOutcome.UNKNOWN, AttemptOutcome.UNCLEAR, AttemptOutcome.ACCEPTED)


class CancelState(models.TextChoices):
    """How a wish to cancel stands with the provider."""

    WAITING = "waiting", "Waiting to be sent"
    ASKING = "asking", "Being sent"  # a worker holds a lease; asking again is harmless
    ACCEPTED = "accepted", "Taken by the provider"  # the order's status tells what comes of it
    REFUSED = "refused", "Refused"
    ENDED = "ended", "The order ended"

    @classmethod
    def open(cls) -> list[str]:
        return [cls.WAITING, cls.ASKING, cls.ACCEPTED]


class RefillState(models.TextChoices):
    """How a refill stands. Pending, In progress, Completed and Rejected are the protocol's own words."""

    WAITING = "waiting", "Waiting to be sent"
    ASKING = "asking", "Being sent"  # a worker holds a lease; never sent again by itself
    PENDING = "pending", "Pending"
    IN_PROGRESS = "in_progress", "In progress"
    COMPLETED = "completed", "Completed"
    REJECTED = "rejected", "Rejected"
    REFUSED = "refused", "Refused"  # the provider did not take it at all
    UNFOLLOWED = "unfollowed", "Requested"  # taken, or perhaps taken, and without an id to follow it by

    @classmethod
    def open(cls) -> list[str]:
        return [cls.WAITING, cls.ASKING, cls.PENDING, cls.IN_PROGRESS]


# As LOOKS, for refills.
REFILL_LOOKS: dict[str, tuple[str, str]] = {
    RefillState.WAITING: ("neutral", "clock"),
    RefillState.ASKING: ("neutral", "clock"),
    RefillState.PENDING: ("neutral", "clock"),
    RefillState.IN_PROGRESS: ("info", "play-circle"),
    RefillState.COMPLETED: ("success", "check-circle"),
    RefillState.REJECTED: ("danger", "x-circle"),
    RefillState.REFUSED: ("danger", "x-circle"),
    RefillState.UNFOLLOWED: ("neutral", "question-circle"),
}


class DripState(models.TextChoices):
    """How a drip-feed stands. Its runs are orders, with a status each."""

    RUNNING = "running", "Running"
    COMPLETED = "completed", "All runs begun"
    STOPPED = "stopped", "Stopped"


DRIP_LOOKS: dict[str, tuple[str, str]] = {
    DripState.RUNNING: ("info", "play-circle"),
    DripState.COMPLETED: ("success", "check-circle"),
    DripState.STOPPED: ("neutral", "stop-circle"),
}
