"""Causes of alerts. A cause has one open row for each provider, service, order, … that it is about."""

from __future__ import annotations

from enum import StrEnum

MAX_DETAIL = 60


class Cause(StrEnum):
    """The stored value; "{}" stands for the primary key of the object that the alert is about."""

    # About the whole panel.
    LEDGER = "ledger"
    DEADLINES = "deadlines"
    NO_PRICE = "catalog:no_price"
    ACCOUNT_MAILS = "account-mails"
    DEPOSIT_MAILS = "deposit-mails"
    SETTINGS = "settings"
    NEIGHBOUR = "neighbour"
    FLOOR = "floor"
    SENDING = "sending"
    MARK = "mark"
    ANSWERS = "answers"
    ANSWER_DISK = "answers:disk"
    CLOCK_JUMP = "clock-jump"
    UNDECIDED = "undecided"
    LOOK_MAILS = "look-mails"
    NEWS_MAILS = "news-mails"
    ERROR = "error"
    WORKERS = "workers"
    WEB = "web"
    TASKS = "tasks"
    REDIS = "redis"
    REVIEWS = "reviews"
    PROOF = "proof"
    BACKUP = "backup"
    DISK = "disk"
    # About a channel.
    CHANNEL = "channel:{}"
    # About a member of staff.
    STAFF_MONEY = "staff:{}:money"
    STAFF_SIGN_INS = "staff:{}:sign-ins"
    NEW_STAFF = "staff:{}:new"
    # About a machine, or a process.
    PROCESS = "process:{}"
    CLOCK = "clock:{}"
    # About a provider.
    TROUBLE = "provider:{}:trouble"
    PROVIDER_SENDING = "provider:{}:sending"
    UNREACHABLE = "provider:{}:unreachable"
    WORDS = "provider:{}:words"
    BALANCE = "provider:{}:balance"
    LOW_BALANCE = "provider:{}:low-balance"
    OLD_LIST = "provider:{}:old-list"
    MONEY = "provider:{}:money"
    CURRENCY = "provider:{}:currency"
    CHARGE_CURRENCY = "provider:{}:charge-currency"
    REQUEST_IDS = "provider:{}:request-ids"
    POLLING = "provider:{}:polling"
    STATUS_LISTS = "provider:{}:status-lists"
    STATUS_WORD = "provider:{}:status-word"
    UNCHECKED = "provider:{}:unchecked"
    RECANTED = "provider:{}:recanted"
    WAVE = "provider:{}:wave"
    HELD_ORDERS = "provider:{}:held"
    LATE_ORDERS = "provider:{}:late-orders"
    CANCELS = "provider:{}:cancel"
    REFILLS = "provider:{}:refill"
    REFILL_STATUSES = "provider:{}:refill status"
    IMPORT = "provider:{}:sync"
    RATE_RISES = "catalog:{}:rises"
    PROVIDER_FLOOR = "provider:{}:floor"
    BELOW_FLOOR = "provider:{}:below-floor"
    # About a service, an order, a drip-feed, a deposit or a payment method.
    OVERCHARGE = "service:{}:overcharge"
    CANCELED_SERVICE = "service:{}:canceled"
    LATE_ANSWER = "order:{}:late"
    HELD_ORDER = "order:{}:held"
    NOT_APPLIED = "order:{}:not-applied"
    STUCK = "drip-feed:{}:stuck"
    DEPOSIT = "deposit:{}"
    DEPOSIT_WAITS = "deposit:{}:waits"
    DESTINATION = "payment-method:{}"
    PAYMENT_CONFLICT = "payment-method:{}:conflict"
    UNKNOWN_INVOICE = "payment-method:{}:unknown-invoice"
    HELD_PAYMENT = "payment:{}:held"
    REVERSAL = "payment:{}:reversal"
    # About a day of payments, compared with their gateway.
    PAYMENT_DAY = "payment-day:{}"

    @property
    def tells_costs(self) -> bool:
        """True if the text gives figures, or words of a provider, from which staff learn what orders cost us."""
        return self in _TELL_COSTS

    def of(self, pk: int | None, detail: str = "") -> str:
        """Return the stored cause for the object with this primary key, None for the whole panel, and a word of it."""
        return f"{self.format(pk)}:{detail[:MAX_DETAIL]}" if detail else self.format(pk)


_TELL_COSTS = frozenset(
    {
        Cause.MONEY,
        Cause.OVERCHARGE,
        Cause.RECANTED,
        Cause.PROVIDER_SENDING,
        Cause.TROUBLE,
        Cause.IMPORT,
        Cause.POLLING,
        Cause.STATUS_LISTS,
        Cause.WORDS,
        Cause.LATE_ANSWER,
        Cause.ANSWERS,
        Cause.CANCELS,
        Cause.REFILLS,
        Cause.REFILL_STATUSES,
        Cause.NOT_APPLIED,
        Cause.ERROR,
        Cause.LOW_BALANCE,
    }
)

# Longer values first: "provider:{}:refill status" begins like "provider:{}:refill".
_LONGEST_FIRST = sorted(Cause, key=len, reverse=True)


def cause_of(stored: str) -> tuple[Cause | None, int | None]:
    """Return the cause as stored by `Cause.of`, and the primary key that it is about; None for what is unknown."""
    for cause in _LONGEST_FIRST:
        begin, gap, end = cause.partition("{}")
        if not stored.startswith(begin):
            continue
        rest = stored.removeprefix(begin)
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))] if gap else ""
        rest = rest.removeprefix(digits)
        if bool(gap) == bool(digits) and (rest == end or rest.startswith(f"{end}:")):
            return cause, int(digits) if digits else None
    return None, None
