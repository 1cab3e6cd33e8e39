"""Words of a text, folded so that case, accents, punctuation and styled letters make no difference. Pure."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

# Letters that Unicode does not take apart.
_SAME = str.maketrans(
    {
        "ı": "i",
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "ħ": "h",
        "ى": "ي",
        "ی": "ي",
        "ک": "ك",
        "ة": "ه",
        "ـ": "",
        "ё": "е",
        "ґ": "г",
    }
)
# Accents and Arabic vowels. Marks of other scripts are letters of their words.
_MARKS = (("\u0300", "\u036f"), ("\u064b", "\u0655"))


@lru_cache(maxsize=1_024)
def fold_word(word: str) -> str:
    """Return a word in lower case without accents, with plain letters for styled ones."""
    if word.isascii():
        return word.lower()
    parts = unicodedata.normalize("NFKD", word).casefold()
    kept = "".join(one for one in parts if not any(first <= one <= last for first, last in _MARKS))
    return unicodedata.normalize("NFC", kept).translate(_SAME)


def words_of(text: str, *, most: int) -> list[str]:
    """Return the first `most` words of `text`, folded; what is no letter, digit or mark counts as a space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    spaced = "".join(one if one.isalnum() or unicodedata.category(one)[0] == "M" else " " for one in text)
    return [fold_word(word) for word in spaced.split()[:most]]
