"""The order in doubt: what the search for it found at the provider, as its review shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orders.models import Order, PlacementAttempt
from panel.demo.history.orders import Shop
from panel.demo.history.sold import Sold
from panel.demo.history.story import Fate
from panel.sandbox.amounts import to_text

SEARCHES = 7
# How long before the deadline of the doubt the last search was.
LAST_SEARCH = 4 * 60


def write_search(*, shop: Shop, sold: Sequence[Sold], orders: Sequence[Order], ids: Mapping[int, int]) -> None:
    """Write that one order of ours there has the right remains, and a charge by a rate that the panel did not know."""
    (place,) = (place for place, one in enumerate(sold) if one.purchase.fate is Fate.DOUBT)
    doubt, order, number = sold[place], orders[place], ids[place]
    first = max(one for one in ids.values() if one < number) + 1
    last = min(one for one in ids.values() if one > number) - 1
    past = doubt.past_order()
    assert past is not None and order.doubt_until is not None  # noqa: S101  (the provider has it)
    searched_age = (shop.now - order.doubt_until).total_seconds() + LAST_SEARCH
    at = past.numbered(number, now=0.0).progress(-searched_age)
    PlacementAttempt.objects.filter(order=order).update(
        searches=SEARCHES,
        searched_at=shop.ago(searched_age),
        search_note=(
            f"Asked for the ids from {first} to {last}: 1 of ours are not accounted for, and none is surely this order."
        ),
        probed_from=first,
        probed_to=last,
        orphans=[
            {
                "id": str(number),
                "status": at.status,
                "remains": at.remains,
                "charge": to_text(doubt.there),
                "agrees": False,
                "remains_agree": True,
            }
        ],
    )
