"""What alerts are about. Each has a row while it lasts, one for each provider, service, order, … that it is about."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """The value is stored, "{}" being the primary key of what the alert is about."""

    # The panel as a whole.
    LEDGER = "ledger"
    DEADLINES = "deadlines"
    NO_PRICE = "catalog:no_price"
    ACCOUNT_MAILS = "account-mails"
    DEPOSIT_MAILS = "deposit-mails"
    # A provider.
    TROUBLE = "provider:{}:trouble"
    UNREACHABLE = "provider:{}:unreachable"
    BALANCE = "provider:{}:balance"
    CURRENCY = "provider:{}:currency"
    CHARGE_CURRENCY = "provider:{}:charge-currency"
    REQUEST_IDS = "provider:{}:request-ids"
    POLLING = "provider:{}:polling"
    UNCHECKED = "provider:{}:unchecked"
    HELD_ORDERS = "provider:{}:held"
    CANCELS = "provider:{}:cancel"
    REFILLS = "provider:{}:refill"
    REFILL_STATUSES = "provider:{}:refill status"
    IMPORT = "provider:{}:sync"
    RATE_RISES = "catalog:{}:rises"
    # A service, an order, a drip-feed, a deposit.
    OVERCHARGE = "service:{}:overcharge"
    LATE_ANSWER = "order:{}:late"
    HELD_ORDER = "order:{}:held"
    NOT_APPLIED = "order:{}:not-applied"
    STUCK = "drip-feed:{}:stuck"
    DEPOSIT = "deposit:{}"

    def of(self, pk: int | None) -> str:
        """Return what is stored for the cause with the thing of this primary key; None for the panel as a whole."""
        return self.format(pk)
