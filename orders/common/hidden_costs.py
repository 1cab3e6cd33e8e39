"""What staff who may not see costs read in place of texts that tell them.

Texts of the panel are hidden by their reason, which says what they tell. The provider's own words are hidden where
they look like money: better a word too many than a cost.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest

from orders.models import OrderEvent
from orders.states import EventKind, ReviewReason, StopReason
from panel.accounts.rights import SEE_COSTS

HIDDEN = "Hidden: it may tell what the order costs us."

# Why an order is in review or sending is stopped, where the text gives the figures.
_COST_REVIEWS = frozenset({ReviewReason.CONTRADICTION, ReviewReason.WOULD_LOSE, ReviewReason.RECANTED})
_COST_STOPS = frozenset({StopReason.BALANCE, StopReason.SPENDING})
_MONEY_WORDS = (
    *("charge", "cost", "price", "rate", "balance", "fund", "spent", "amount", "sum", "total", "paid", "pay", "due"),
    *("margin", "profit", "credit", "currency", "usd", "eur", "$", "€"),
)
# The columns of an order by which its lists may be filtered without seeing costs. The others would tell them step by
# step: `?expected_cost__gt=1` lists the orders that cost more.
_FILTERS = frozenset(
    {
        *("id", "pk", "status", "submission", "review_reason", "provider", "customer", "service", "drip_feed"),
        *("created_at", "finished_at", "review_since", "api_key_ref"),
    }
)


# The columns of an order's pages that tell costs, and what stands in the place of one.
_HIDDEN_COLUMNS = frozenset({"shown_expected_cost", "shown_cost", "shown_profit"})
_INSTEAD = {"review_note": "note_without_costs"}


def sees_costs(request: HttpRequest) -> bool:
    """Return True if the user may see what orders cost us."""
    return request.user.has_perm(SEE_COSTS)


def columns_for(request: HttpRequest, columns: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that the user may see: those that tell costs need a permission."""
    if sees_costs(request):
        return tuple(columns)
    return tuple(_INSTEAD.get(column, column) for column in columns if column not in _HIDDEN_COLUMNS)


def may_filter(lookup: str) -> bool:
    """Return True if this filter of a list of orders cannot tell costs."""
    return lookup.partition("__")[0] in _FILTERS


def looks_like_money(text: str) -> bool:
    """Return True if the text has a number with decimals, or a number and a word of money."""
    digits = [place for place, sign in enumerate(text) if sign.isdigit()]
    if any(text[place + 1 : place + 2] in (".", ",") and text[place + 2 : place + 3].isdigit() for place in digits):
        return True
    return bool(digits) and any(word in text.lower() for word in _MONEY_WORDS)


def without_costs(text: str) -> str:
    """Return a provider's words, or HIDDEN if they may tell a cost."""
    return HIDDEN if looks_like_money(text) else text


def note_without_costs(reason: str, note: str) -> str:
    """Return a review's note, or HIDDEN if it tells costs. `reason` is the review's."""
    return HIDDEN if note and reason in _COST_REVIEWS else without_costs(note)


def event_without_costs(event: OrderEvent) -> str:
    """Return the text of an event, or HIDDEN if it tells costs. Customers read the public ones, which never do."""
    if event.is_public:
        return event.text
    reason = (event.new or event.old) if event.kind == EventKind.REVIEW else ""
    return note_without_costs(reason, event.text)


def stop_without_costs(reason: str, text: str) -> str:
    """Return the text of a stop of sending, or HIDDEN if it tells costs."""
    return "Hidden: it tells what orders cost us." if reason in _COST_STOPS else text
