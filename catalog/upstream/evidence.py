"""How far one request came, and what is kept of it for the people who settle doubts."""

from __future__ import annotations

from dataclasses import dataclass

from panel.lib.http.exchange import Phase


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured of one exchange.

    `body_excerpt` is the first 2,048 characters of the answer, cleaned, the API key redacted.
    """

    phase: Phase
    http_status: int | None
    body_excerpt: str
    elapsed_ms: int

    @property
    def points_elsewhere(self) -> bool:
        """Whether the server pointed elsewhere without taking the request.

        303 is left out, since it is how a server says "done, look there" after a POST that it has carried out.
        """
        return self.http_status in (301, 302, 307, 308)
