"""The client's exceptions, and what they mean for staff."""

from __future__ import annotations

from catalog.upstream.error_codes import PROVIDER_WIDE, ErrorCode
from catalog.upstream.error_meanings import classify_error
from catalog.upstream.evidence import Evidence

__all__ = [
    "PROVIDER_WIDE",
    "ErrorCode",
    "ProviderRefused",
    "UnreadableAnswer",
    "UpstreamError",
    "UpstreamUnavailable",
    "classify_error",
    "explain",
]


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
        gave_up = self.evidence is not None and self.evidence.gave_up
        return gave_up and self.code not in PROVIDER_WIDE


class UpstreamUnavailable(UpstreamError):
    """The provider could not be reached or gave no complete answer."""


class UnreadableAnswer(UpstreamError):
    """A complete answer that fits neither the protocol nor any known dialect of it."""


def explain(error: Exception) -> str:
    """Return what went wrong with a provider and what to do about it, in words for staff."""
    if isinstance(error, ProviderRefused):
        if error.code == ErrorCode.CREDENTIALS:
            return f"It does not know the API key (“{error.text}”). Enter the key that it gave you."
        if error.code == ErrorCode.PROTOCOL:
            return f"It does not understand the requests of this panel: “{error.text}”."
        return f"It answered with an error: “{error.text}”."
    if isinstance(error, UpstreamUnavailable):
        return f"It gave no complete answer; try again in a few minutes, or ask it what is wrong ({error.reason})."
    if isinstance(error, UnreadableAnswer):
        return f"Its answer could not be read; is the address that of its API? ({error.reason})"
    return str(error)
