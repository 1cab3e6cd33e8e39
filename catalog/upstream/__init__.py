"""Client of upstream providers (API v2). It uses neither Django nor our models."""

from catalog.upstream.client import UpstreamClient
from catalog.upstream.errors import (
    ErrorCode,
    ProviderRefused,
    UnreadableAnswer,
    UpstreamError,
    UpstreamUnavailable,
    classify_error,
)
from catalog.upstream.evidence import Evidence
from catalog.upstream.results import (
    AddAccepted,
    AddOutcome,
    Balance,
    CancelAccepted,
    NotSent,
    OrderStatus,
    RefillAccepted,
    RefillStatus,
    RefillStatusRow,
    Refused,
    RowError,
    ServiceList,
    ServiceRow,
    SkippedRow,
    StatusRow,
    Unknown,
)
from panel.lib.http.exchange import Phase

__all__ = [
    "AddOutcome",
    "Balance",
    "CancelAccepted",
    "ErrorCode",
    "Evidence",
    "NotSent",
    "OrderStatus",
    "Phase",
    "AddAccepted",
    "ProviderRefused",
    "RefillAccepted",
    "RefillStatus",
    "RefillStatusRow",
    "Refused",
    "RowError",
    "ServiceList",
    "ServiceRow",
    "SkippedRow",
    "StatusRow",
    "Unknown",
    "UnreadableAnswer",
    "UpstreamClient",
    "UpstreamError",
    "UpstreamUnavailable",
    "classify_error",
]
