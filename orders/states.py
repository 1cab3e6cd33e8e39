"""The states of orders, requests and drip-feeds, their icons and colors, and the moves between them.

`Status` is what the customer sees, in the protocol's words. `Submission` is how far the order got with its provider.
They are independent: an order may be Pending for the customer while it is in doubt for us.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_noop as _


class Status(models.TextChoices):
    PENDING = "pending", _("Pending")
    PROCESSING = "processing", _("Processing")
    IN_PROGRESS = "in_progress", _("In progress")
    COMPLETED = "completed", _("Completed")
    PARTIAL = "partial", _("Partial")
    CANCELED = "canceled", _("Canceled")


FINAL = frozenset({Status.COMPLETED, Status.PARTIAL, Status.CANCELED})
OPEN = frozenset(Status) - FINAL

# Color and icon of each status.
STATUS_BADGES: dict[str, tuple[str, str]] = {
    Status.PENDING: ("neutral", "clock"),
    Status.PROCESSING: ("info", "arrow-repeat"),
    Status.IN_PROGRESS: ("info", "play-circle"),
    Status.COMPLETED: ("success", "check-circle"),
    Status.PARTIAL: ("warning", "pie-chart"),
    Status.CANCELED: ("danger", "x-circle"),
}


class Submission(models.TextChoices):
    QUEUED = "queued", "Queued"  # waits to be sent; nothing was sent, or the provider did not accept it
    SUBMITTING = "placing", "Submitting"  # a worker holds a lease and may be sending it now
    ACCEPTED = "placed", "Accepted"  # the provider's order id is known
    REFUSED = "refused", "Refused"  # the provider will not accept it; refunded
    IN_DOUBT = "in_doubt", "In doubt"  # may have been accepted: neither refunded nor sent under a new request id
    WITHDRAWN = "withdrawn", "Withdrawn"  # cancelled before it was sent; refunded


# The allowed moves. Updates of several orders filter by it, through `reachable_from`.
SUBMISSION_MOVES: dict[Submission, frozenset[Submission]] = {
    # To ACCEPTED or QUEUED: staff resolve an order that was refused in unknown words. To IN_DOUBT: it was in the queue
    # of a restored backup, and may have been sent since.
    Submission.QUEUED: frozenset(
        {
            Submission.SUBMITTING,
            Submission.WITHDRAWN,
            Submission.REFUSED,
            Submission.ACCEPTED,
            Submission.QUEUED,
            Submission.IN_DOUBT,
        }
    ),
    Submission.SUBMITTING: frozenset({Submission.ACCEPTED, Submission.QUEUED, Submission.REFUSED, Submission.IN_DOUBT}),
    # To SUBMITTING: sent again under the same request id, which the provider promises to accept once.
    Submission.IN_DOUBT: frozenset({Submission.ACCEPTED, Submission.SUBMITTING, Submission.QUEUED, Submission.REFUSED}),
    Submission.ACCEPTED: frozenset(),
    Submission.REFUSED: frozenset(),
    Submission.WITHDRAWN: frozenset(),
}


def reachable_from(new: Submission) -> list[Submission]:
    """Return the submissions that may become `new`."""
    return [old for old, moves in SUBMISSION_MOVES.items() if new in moves]


# The moves that a provider's answers may still make from a final status. Canceled is for good: its refund
# is never taken back.
_AFTER_FINAL: dict[str, frozenset[str]] = {
    Status.COMPLETED: frozenset({Status.PARTIAL, Status.CANCELED}),
    Status.PARTIAL: frozenset({Status.COMPLETED, Status.CANCELED}),
    Status.CANCELED: frozenset(),
}


def may_follow(current: str, new: str) -> bool:
    """Return True if a provider's answer may change an order's status from `current` to `new`."""
    if current == new:
        return False
    if current in _AFTER_FINAL:
        return new in _AFTER_FINAL[current]
    return True


class ReviewReason(models.TextChoices):
    """Why an order waits for a person. An order that is not in review has an empty reason."""

    DOUBT = "doubt", "It may have been accepted: no answer resolved it in time"
    UNKNOWN_ERROR = "unknown_error", "The provider refused it with words never seen before"
    WOULD_LOSE = "would_lose", "It would now cost more than the customer paid"
    OVER_LIMIT = "over_limit", "It alone costs more than its provider's daily limit"
    CONTRADICTION = "contradiction", "Its remains and charge contradict each other"
    UNKNOWN_STATUS = "unknown_status", "The provider gave a status never seen before"
    LOST_UPSTREAM = "lost_upstream", "The provider no longer knows it"
    DUPLICATE_ID = "duplicate_id", "The provider gave an id that another order has"
    RECANTED = "recanted", "It was refunded, and is now delivered or charged"


# Reviews of queued orders that were surely never sent. Without a decision they end with the queue's limit.
UNSENT_REVIEWS = (ReviewReason.WOULD_LOSE, ReviewReason.OVER_LIMIT)
# Reviews of ended orders in which customers still see the end: they saw it before the review began.
_AFTER_THE_END = frozenset({ReviewReason.RECANTED, ReviewReason.DUPLICATE_ID})


def is_end_undecided(status: str, review_reason: str) -> bool:
    """Return True if the order ended and staff still decide what is refunded for it."""
    return status in FINAL and review_reason not in ("", *_AFTER_THE_END)


def is_looked_at(submission: str, review_reason: str) -> bool:
    """Return True if it is being found out, by the panel or by staff, whether the provider accepted the order."""
    if submission == Submission.IN_DOUBT:
        return True
    return submission == Submission.QUEUED and review_reason not in ("", *UNSENT_REVIEWS)


class StopReason(models.TextChoices):
    """Why nothing is sent. Those in RESTORE_STOPS mean that this database may not know what was sent last."""

    STAFF = "staff", "Stopped by staff"
    RESTORED = "restored", "A backup was restored"
    OLDER = "older", "The database is older than what was sent last"
    NO_MARK = "no_mark", "It is unknown what was sent last"
    OTHER_DATABASE = "other_database", "Another database was used here before"
    OTHER_SITE = "other_site", "The database belongs to another address"
    BALANCE = "balance", "The balance is lower than our orders explain"
    REUSED_IDS = "reused_ids", "It gave an order id that another order has"
    CURRENCY = "currency", "It bills in another currency than it is set up with"
    SPENDING = "spending", "The daily limit of spending is reached"


RESTORE_STOPS = (
    StopReason.RESTORED,
    StopReason.OLDER,
    StopReason.NO_MARK,
    StopReason.OTHER_DATABASE,
    StopReason.OTHER_SITE,
)


class EventKind(models.TextChoices):
    """What an event of an order's timeline is about."""

    ORDERED = "ordered", "Ordered"
    SUBMISSION = "placement", "Submission"
    STATUS = "status", "Status"
    REFUND = "refund", "Refund"
    REVIEW = "review", "Review"
    CANCEL = "cancel", "Cancel"
    REFILL = "refill", "Refill"
    OFFER = "offer", "Offered again"
    STAFF = "staff", "Staff"


class AttemptOutcome(models.TextChoices):
    SENDING = "sending", "Sending"
    ACCEPTED = "placed", "Accepted"
    REFUSED = "refused", "Refused by the provider"
    UNCLEAR = "unclear", "Refused in unknown words"
    TAUGHT = "taught", "Refused, by what you said of its words"
    NOT_SENT = "not_sent", "Not sent"
    UNKNOWN = "unknown", "Unknown"
    AFTER_BACKUP = "backup", "Perhaps sent after the backup"


# Outcomes after which the provider may have the order. ACCEPTED counts only while it is not the order's
# `accepted_attempt`.
MAYBE_ACCEPTED = (
    AttemptOutcome.SENDING,
    AttemptOutcome.UNKNOWN,
    AttemptOutcome.UNCLEAR,
    AttemptOutcome.ACCEPTED,
    AttemptOutcome.AFTER_BACKUP,
)


class CancelState(models.TextChoices):
    """How a cancel request stands with the provider."""

    WAITING = "waiting", "Waiting to be sent"
    ASKING = "asking", "Being sent"  # a worker holds a lease; sending it again is harmless
    ACCEPTED = "accepted", "Taken by the provider"  # the order's status will show the result
    REFUSED = "refused", "Refused"
    ENDED = "ended", "The order ended"

    @classmethod
    def open(cls) -> list[str]:
        return [cls.WAITING, cls.ASKING, cls.ACCEPTED]


class RefillState(models.TextChoices):
    """How a refill stands. Pending, In progress, Completed and Rejected are the protocol's words."""

    WAITING = "waiting", _("Waiting to be sent")
    ASKING = "asking", _("Being sent")  # a worker holds a lease; never sent again by itself
    PENDING = "pending", _("Pending")
    IN_PROGRESS = "in_progress", _("In progress")
    COMPLETED = "completed", _("Completed")
    REJECTED = "rejected", _("Rejected")
    REFUSED = "refused", _("Refused")  # the provider did not take it at all
    UNFOLLOWED = "unfollowed", _("Requested")  # taken, or perhaps taken, and without an id to follow it by

    @classmethod
    def open(cls) -> list[str]:
        return [cls.WAITING, cls.ASKING, cls.PENDING, cls.IN_PROGRESS]


# Color and icon of each refill state.
REFILL_BADGES: dict[str, tuple[str, str]] = {
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
    """How a drip-feed stands. Each of its runs is an order with a status of its own. A paused one is RUNNING."""

    RUNNING = "running", _("Running")
    COMPLETED = "completed", _("All runs begun")
    STOPPED = "stopped", _("Stopped")


# What pages say of a running drip-feed that is paused. Never stored.
PAUSED = "paused"
DRIP_WORDS: dict[str, str] = {**{state.value: str(state.label) for state in DripState}, PAUSED: _("Paused")}

DRIP_BADGES: dict[str, tuple[str, str]] = {
    DripState.RUNNING: ("info", "play-circle"),
    PAUSED: ("warning", "pause-circle"),
    DripState.COMPLETED: ("success", "check-circle"),
    DripState.STOPPED: ("neutral", "stop-circle"),
}
