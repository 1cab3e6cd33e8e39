"""Classes of error texts ("Error texts" in the protocol)."""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """What a provider's error text means for us."""

    CREDENTIALS = "credentials"  # pause the provider, alert
    FUNDS = "funds"  # our balance with the provider is spent: hold orders, alert
    SERVICE_GONE = "service_gone"
    LINK_BUSY = "link_busy"  # an order for this link is running: try later
    BAD_LINK = "bad_link"
    BAD_QUANTITY = "bad_quantity"
    BAD_PARAMETER = "bad_parameter"
    REFUSED = "refused"  # for good, by a word that the owner taught
    TRY_LATER = "try_later"  # by a word that the owner taught
    UNKNOWN_ORDER = "unknown_order"  # may be temporary in the first minute after `add`
    UNKNOWN_REFILL = "unknown_refill"
    REFILL_REFUSED = "refill_refused"
    CANCEL_REFUSED = "cancel_refused"
    THROTTLED = "throttled"
    PROTOCOL = "protocol"  # it does not understand our requests, or misses what we always send: no order's fault
    UNRECOGNIZED = "unrecognized"  # unknown or doubtful words: a person must read them


# These are about our account, not about the request.
PROVIDER_WIDE = frozenset((ErrorCode.CREDENTIALS, ErrorCode.FUNDS, ErrorCode.THROTTLED))
