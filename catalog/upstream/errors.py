"""Classes of error texts ("Error texts" in the protocol), and the client's exceptions."""

from __future__ import annotations

from enum import StrEnum

from catalog.upstream.evidence import Evidence


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
    PROTOCOL = "protocol"
    UNRECOGNIZED = "unrecognized"  # unknown words: a person must read them


# These are about our account, not about the request.
PROVIDER_WIDE = frozenset((ErrorCode.CREDENTIALS, ErrorCode.FUNDS, ErrorCode.THROTTLED))

_PARAMETERS = (
    *("comment", "runs", "interval", "username", "hashtag", "media", "answer", "group", "keyword"),
    *("country", "device", "type", "google", "referring", "min", "max", "posts", "old", "delay"),
    "expiry",
)

# The first match wins, so narrower texts come first: "neworder.error.link_duplicate" also contains "error.link".
_TEXTS: tuple[tuple[ErrorCode, tuple[str, ...]], ...] = (
    (
        ErrorCode.CREDENTIALS,
        (
            "invalid api key",
            "incorrect api key",
            "user inactive",
            "account has been suspended",
            "api access disabled",
        ),
    ),
    (ErrorCode.FUNDS, ("not enough funds", "insufficient balance")),
    (
        ErrorCode.SERVICE_GONE,
        ("incorrect service id", "invalid service", "service not found", "service inactive"),
    ),
    (
        ErrorCode.LINK_BUSY,
        ("active order with this link", "link duplicate", "identical order"),
    ),
    (ErrorCode.BAD_LINK, ("bad link", "incorrect link", "invalid link", "error.link")),
    (
        ErrorCode.BAD_QUANTITY,
        (
            "quantity less than minimal",
            "quantity more than maximum",
            "min quantity",
            "max quantity",
            "incorrect quantity",
        ),
    ),
    (ErrorCode.UNKNOWN_ORDER, ("incorrect order id", "order not found")),
    (ErrorCode.UNKNOWN_REFILL, ("incorrect refill id", "refill not found")),
    (
        ErrorCode.REFILL_REFUSED,
        (
            "refill is disabled for this service",
            "less than 24 hours ago",
            "not completed",
            "not eligible for refill",
        ),
    ),
    (ErrorCode.CANCEL_REFUSED, ("order already completed", "cannot cancel")),
    (ErrorCode.THROTTLED, ("rate limit", "too many requests")),
    (ErrorCode.PROTOCOL, ("incorrect request", "invalid action")),
    (
        ErrorCode.BAD_PARAMETER,
        (
            "error.comment",
            *(f"incorrect {name}" for name in _PARAMETERS),
        ),
    ),
)


def classify_error(text: str) -> ErrorCode:
    """Return the class of an error text. Match substrings, ignore case, read underscores as spaces."""
    words = " ".join(text.lower().replace("_", " ").split())
    for code, needles in _TEXTS:
        if any(needle in words for needle in needles):
            return code
    return ErrorCode.UNRECOGNIZED


class UpstreamError(Exception):
    """A call without a usable result. `evidence` is None if a pure parser raised it."""

    def __init__(self, reason: str, evidence: Evidence | None = None) -> None:
        super().__init__(reason, evidence)
        self.reason = reason
        self.evidence = evidence

    def __str__(self) -> str:
        return self.reason

    @property
    def may_have_acted(self) -> bool:
        """Return True if the request may have been carried out."""
        evidence = self.evidence
        return evidence is None or (evidence.phase.may_have_sent and not evidence.points_elsewhere)


class ProviderRefused(UpstreamError):
    """The provider answered with an error in one of the shapes of the protocol."""

    def __init__(self, code: ErrorCode, text: str, evidence: Evidence | None = None) -> None:
        super().__init__(text, evidence)
        # Unpickling rebuilds exceptions from `args`.
        self.args = (code, text, evidence)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"

    @property
    def may_have_acted(self) -> bool:
        # A crash is not a refusal: the request may have failed halfway.
        crashed = self.evidence is not None and (self.evidence.http_status or 0) >= 500
        return crashed and self.code not in PROVIDER_WIDE


class UpstreamUnavailable(UpstreamError):
    """The provider could not be reached or gave no complete answer."""


class UnreadableAnswer(UpstreamError):
    """A complete answer that fits neither the protocol nor any known dialect of it."""


def explain(error: Exception) -> str:
    """Return what went wrong with a provider and what to do about it, in words for staff."""
    if isinstance(error, ProviderRefused):
        if error.code == ErrorCode.CREDENTIALS:
            return f"It does not know the API key (“{error.text}”). Enter the key that it gave you."
        return f"It answered with an error: “{error.text}”."
    if isinstance(error, UpstreamUnavailable):
        return f"It gave no complete answer; try again in a few minutes, or ask it what is wrong ({error.reason})."
    if isinstance(error, UnreadableAnswer):
        return f"Its answer could not be read; is the address that of its API? ({error.reason})"
    return str(error)
