"""Masking numbers in a provider's words, so that texts that differ only in them are one. Pure."""

from __future__ import annotations

import re
import unicodedata

MAX_MASKED = 200
_DIGITS = re.compile(r"\d[\d.,]*")


def masked(text: str) -> str:
    """Return the text in lower case, each number as "#", in single spaces, at most MAX_MASKED characters."""
    folded = unicodedata.normalize("NFKC", text[: 4 * MAX_MASKED]).lower()
    return _DIGITS.sub("#", " ".join(folded.split()))[:MAX_MASKED].strip()
