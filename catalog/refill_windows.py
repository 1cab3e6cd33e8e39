"""The time for refills that the name of a provider's service promises, in days. Pure.

Names say it in many ways: "R30", "♻️ 30 days", "Lifetime Refill", "No refill". What is read here is only proposed to
staff. A name that says two different things, or nothing that is surely about refills, says nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

NEVER = 0
# A hundred years: stored like any other number of days, and shown as "lifetime".
LIFETIME = 36_500
MAX_DAYS = 3_650
MAX_TOKENS = 200


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_REFILL = _words(
    "refill refills refilled refillable autorefill ♻ докрутка докрутки восстановление reposição reposicao reposición "
    "reposicion telafi telafili تعويض रिफिल"
)
# They promise a refill only where the provider takes refills at all.
_GUARANTEE = _words(
    "guarantee guaranteed guaranty warranty garanti garantili garantía garantia гарантия гарантией garansi ضمان ضمانت"
)
_NO_REFILL = frozenset(("norefill", "nonrefill", "telafisiz"))
_NOT = _words("no non not without none sem sin без tanpa بدون बिना")
_OFF = _words("no none off нет yok não")
_CROSSES = frozenset("❌✖✗✘🚫⛔")
_LIFETIME = _words("lifetime unlimited forever permanent ∞ пожизненная пожизненно vitalicia vitalício ömür")
_UNITS = {
    1: "d day days gün gun день дня дней hari ngày ngay dia dias día días tag tage jour jours يوم ايام أيام روز दिन",
    7: "week weeks semana semanas неделя недели недель minggu hafta",
    30: "month months ay mes meses mês месяц месяца месяцев bulan tháng mois شهر ماه",
    365: "year years yr yrs yıl yil год года tahun năm año años ano anos an ans سنة سال",
}
_DAYS = {word: days for days, words in _UNITS.items() for word in words.split()}
# A number without a unit means days only if it is one that refills are sold for. CR7 and R10 are players.
_USUAL = frozenset(
    (7, 14, 15, 20, 25, 28, 30, 45, 50, 60, 90, 99, 100, 120, 150, 180, 200, 240, 270, 300, 360, 365, 500, 730)
)
_FILLERS = _words("for of in within up to time period auto free full button with de por за на") | _REFILL
_R = frozenset(("r", "ar", "rf"))
# What another statement begins after.
_ENDS = frozenset("|•·/\\)]}>»;")
_TOKEN = re.compile(r"[0-9]+|[^\W\d_]+|[^\w\s]")


class _Token(NamedTuple):
    text: str
    # True if no space stands before it.
    is_joined: bool

    @property
    def is_word(self) -> bool:
        return self.text.isalnum()


def read_window(name: str, *, takes_refills: bool) -> int | None:
    """Return the days that a name promises refills for: NEVER, LIFETIME, or None if it does not say.

    `takes_refills`: the provider's flag. Only with it does a guarantee count as one of refills.
    """
    tokens = _tokens(name)
    subjects = _REFILL | _GUARANTEE if takes_refills else _REFILL
    claims: set[int] = set()
    for place, token in enumerate(tokens):
        if token.text in _NO_REFILL:
            claims.add(NEVER)
        elif token.text in subjects:
            claims |= {*_said_before(tokens, place), *_said_after(tokens, place)}
        elif token.text in _R:
            claims |= set(_short(tokens, place))
    if not claims and takes_refills and any(token.text in _LIFETIME - {"unlimited"} for token in tokens):
        return LIFETIME
    return claims.pop() if len(claims) == 1 else None


def is_over(*, days: int | None, ended_at: datetime | None, now: datetime) -> bool:
    """Return True if an order that ended then can no longer be refilled. `days` is a service's, None for any time."""
    if days is None or days >= LIFETIME or ended_at is None:
        return False
    return now > ended_at + timedelta(days=days)


def window_text(days: int | None) -> str:
    """Return the time for refills as staff read it."""
    if days is None:
        return "not limited here"
    if days == NEVER:
        return "no refill"
    return "lifetime" if days >= LIFETIME else "1 day" if days == 1 else f"{days:,} days"


def _tokens(name: str) -> list[_Token]:
    text = unicodedata.normalize("NFKC", name).casefold().replace("\ufe0f", "")
    text = text.replace("life time", "lifetime").replace("life-time", "lifetime")
    found: list[_Token] = []
    end = -1
    for match in _TOKEN.finditer(text):
        found.append(_Token(match[0], match.start() == end))
        end = match.end()
        if len(found) == MAX_TOKENS:
            break
    return found


def _duration(tokens: Sequence[_Token], place: int) -> int | None:
    """Return the days of the number at `place` and its unit; None if there is no unit of days."""
    if place + 1 >= len(tokens) or not _is_number(tokens, place):
        return None
    unit = place + 2 if tokens[place + 1].text == "-" and place + 2 < len(tokens) else place + 1
    days = _DAYS.get(tokens[unit].text)
    if days is None:
        return None
    total = int(tokens[place].text) * days
    return total if 0 < total <= MAX_DAYS else LIFETIME if total else None


def _is_number(tokens: Sequence[_Token], place: int) -> bool:
    """Return True if a whole number of its own stands there: no part of 1.5, 10-30 or 2/3."""
    text = tokens[place].text
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        return False
    if place >= 2 and tokens[place - 1].text in "-.,/–" and tokens[place - 2].text.isdigit():
        return False
    return not (place + 2 < len(tokens) and tokens[place + 1].text in "-.,/–" and tokens[place + 2].text.isdigit())


def _said_after(tokens: Sequence[_Token], place: int) -> list[int]:
    """Return what follows a word for refills: "refill 30 days", "refill: 365", "refill ❌", "refill lifetime"."""
    is_refill = tokens[place].text in _REFILL
    for ahead in range(place + 1, min(place + 6, len(tokens))):
        text = tokens[ahead].text
        if text in _CROSSES:
            return [NEVER] if is_refill else []
        if text in _OFF:
            is_last = ahead + 1 >= len(tokens) or not tokens[ahead + 1].is_word
            return [NEVER] if is_refill and is_last else []
        if text in _LIFETIME:
            return [LIFETIME]
        if text.isdigit():
            days = _duration(tokens, ahead)
            if days is None and is_refill and _is_number(tokens, ahead) and int(text) in _USUAL:
                follows = tokens[ahead + 1] if ahead + 1 < len(tokens) else None
                days = int(text) if follows is None or not (follows.is_word or follows.text == "%") else None
            return [] if days is None else [days]
        if text in _ENDS or (tokens[ahead].is_word and text not in _FILLERS):
            return []
    return []


def _said_before(tokens: Sequence[_Token], place: int) -> list[int]:
    """Return what precedes a word for refills: "30 days refill", "no refill", "lifetime guarantee"."""
    is_refill = tokens[place].text in _REFILL
    for back in range(place - 1, max(place - 6, -1), -1):
        text = tokens[back].text
        if text in _CROSSES:
            # After a word the cross is about that word: "Cancel ❌ Refill ✅".
            is_own = back == 0 or not tokens[back - 1].is_word
            return [NEVER] if is_refill and is_own else []
        if text in _NOT:
            return [NEVER] if is_refill else []
        if text in _LIFETIME:
            return [LIFETIME]
        if text in _DAYS:
            number = back - 2 if back >= 2 and tokens[back - 1].text == "-" else back - 1
            days = _duration(tokens, number) if number >= 0 else None
            return [] if days is None else [days]
        if text in _ENDS or (tokens[back].is_word and text not in _FILLERS):
            return []
    return []


def _short(tokens: Sequence[_Token], place: int) -> list[int]:
    """Return what "R30", "AR30", "R-30" or "R∞" says. The letter stands alone: in CR7 it does not."""
    ahead = place + 1
    if ahead < len(tokens) and tokens[ahead].text == "-" and tokens[ahead].is_joined:
        ahead += 1
    if ahead >= len(tokens) or tokens[place].is_joined and tokens[place - 1].is_word:
        return []
    if tokens[ahead].text == "∞":
        return [LIFETIME]
    days = _duration(tokens, ahead)
    if days is not None:
        return [days]
    is_short = tokens[ahead].is_joined and _is_number(tokens, ahead) and int(tokens[ahead].text) in _USUAL
    return [int(tokens[ahead].text)] if is_short else []
