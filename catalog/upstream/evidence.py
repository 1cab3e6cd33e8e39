"""Evidence of one request, for staff who decide about orders in doubt."""

from __future__ import annotations

from dataclasses import dataclass

from panel.lib.http.exchange import Phase


@dataclass(frozen=True, slots=True)
class Evidence:
    """Measurements of one exchange.

    `body_excerpt` is the first 2,048 characters of the answer, cleaned, with the API key redacted. `redirect` is the
    address that a redirect points to, cleaned, without its query; "" for any other answer.
    """

    phase: Phase
    http_status: int | None
    body_excerpt: str
    elapsed_ms: int
    redirect: str = ""

    @property
    def points_elsewhere(self) -> bool:
        """Return True if the server redirected without carrying out the request.

        303 is excluded: servers send it after a POST that they carried out.
        """
        return self.http_status in (301, 302, 307, 308)

    @property
    def redirect_words(self) -> str:
        """Return what to do about a redirect, in words for staff; "" if it names no target."""
        return f"It redirects to {self.redirect}: enter that address." if self.redirect else ""

    @property
    def gave_up(self) -> bool:
        """Return True if the server crashed over the request or ran out of time: it may have been carried out."""
        return self.http_status is not None and (self.http_status == 408 or self.http_status >= 500)

    @property
    def is_refused(self) -> bool:
        """Return True if the HTTP status says that the request was not carried out."""
        return self.http_status is not None and 400 <= self.http_status < 500 and not self.gave_up
