"""How long it usually takes until money is added, from the last deposits of each way to pay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.core.cache import cache
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.models import Deposit, PaymentMethod

# The last so many count; fewer than MIN_COUNT say nothing.
MAX_COUNT, MIN_COUNT = 100, 5
CACHED_SECONDS = 300
# To what people round: minutes.
_STEPS = (1, 2, 5, 10, 15, 20, 30, 45, 60, 120, 180, 240, 360, 480, 720)
_DAY = 24 * 60
# From then on "the same day" is what people say of work by hand.
_LONG = 240


@dataclass(frozen=True, slots=True)
class UsualWait:
    """The time after which half of the deposits, and nine of ten, were added."""

    median: timedelta
    most: timedelta


def usual_wait(method: PaymentMethod) -> UsualWait | None:
    """Return how long it took lately from when a customer paid, or asked to, until it was added; cached.

    None if too few were added to say.
    """
    key = f"usual-wait:{method.pk}"
    found: UsualWait | tuple[()] | None = cache.get(key)
    if found is None:
        found = measure(_seconds(method.pk)) or ()
        cache.set(key, found, CACHED_SECONDS)
    return found or None


def _seconds(method_id: int) -> list[float]:
    added = Deposit.objects.filter(method_id=method_id, state=Deposit.State.APPROVED).order_by("-decided_at")
    times = added.values_list(Coalesce("paid_at", "created_at"), "decided_at")[:MAX_COUNT]
    return [(decided - began).total_seconds() for began, decided in times if decided]


def measure(seconds: Sequence[float]) -> UsualWait | None:
    """Return the median and the ninth tenth; None of fewer than MIN_COUNT. Pure."""
    if len(seconds) < MIN_COUNT:
        return None
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return UsualWait(timedelta(seconds=ordered[last // 2]), timedelta(seconds=ordered[-(-last * 9 // 10)]))


def wait_words(wait: UsualWait | None, *, is_by_hand: bool) -> str:
    """Return "usually within 20 min" for people, "" of None. Pure but for the language."""
    if wait is None:
        return ""
    most = wait.most.total_seconds() / 60
    if is_by_hand and _LONG < most <= _DAY:
        return _("by hand, usually the same day")
    half, rest = _rounded(wait.median.total_seconds() / 60), _rounded(most)
    if rest > 6 * half:
        words = (
            _("by hand, often within %(half)s, sometimes %(most)s")
            if is_by_hand
            else _("often within %(half)s, sometimes %(most)s")
        )
        return words % {"half": _duration(half), "most": _duration(rest)}
    words = _("by hand, usually within %(most)s") if is_by_hand else _("usually within %(most)s")
    return words % {"most": _duration(rest)}


def _rounded(minutes: float) -> int:
    """Return the minutes, rounded up to a step; whole days above half a day."""
    return next((step for step in _STEPS if minutes <= step), -(-int(minutes + 0.999) // _DAY) * _DAY)


def _duration(minutes: int) -> str:
    if minutes < 60:
        return _("%(count)s min") % {"count": minutes}
    if minutes < _DAY:
        return _("%(count)s h") % {"count": minutes // 60}
    days = minutes // _DAY
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": days}
