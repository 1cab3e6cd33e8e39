"""Masking what differs from order to order in a provider's words, so that one text is one word. Pure."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256

MAX_MASKED = 200
_TAIL = 12
_CODE = 6  # digits of the longest code of an error
# Shorter numbers may be codes of different errors: "Error 5" is not "Error 7".
_LONG_NUMBER = re.compile(
    r"((?:code|error|err|errno|status|hata|erro|galat|lỗi|код|ошибк[аи]|خطا|خطأ)(?:\s?no)?[\s:=#№._-]{0,3}"
    r"|(?:^|[(\[])#\s?)?(\d{5,})"
)
_ADDRESS = re.compile(r"https?://[^\s\"'<>]+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


def _number(found: re.Match[str]) -> str:
    before, digits = found[1] or "", found[2]
    return before + (digits if before and len(digits) <= _CODE else "#")


def masked(text: str) -> str:
    """Return the text in lower case and single spaces, with long numbers as "#" and addresses as "…://".

    Not numbers that may be codes: a text that is only a number, and short ones after words like "code".

    At most MAX_MASKED characters; a longer one ends in a fingerprint of what was cut.
    """
    folded = unicodedata.normalize("NFKC", _UNPRINTABLE.sub(" ", text[: 10 * MAX_MASKED])).lower()
    spaced = " ".join(folded.split())
    found = spaced if spaced.isdecimal() else _LONG_NUMBER.sub(_number, _ADDRESS.sub("…://", spaced))
    if len(found) <= MAX_MASKED:
        return found
    return f"{found[: MAX_MASKED - _TAIL - 2]}… {sha256(found.encode()).hexdigest()[:_TAIL]}"
